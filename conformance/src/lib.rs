//! What two ends of a ring owe each other, shown by any two programs that speak a small text protocol: README.md.
//!
//! Nothing here maps a ring or holds a role: the programs under test do. The kit starts them, tells them what to do,
//! kills them, looks at the ring's bytes from outside, and knows at which position each item must lie.

#![deny(unsafe_code)]

pub mod golden;
pub mod memory;
pub mod peer;
pub mod protocol;
pub mod ring;
pub mod scenarios;
pub mod stage;
pub mod stranger;
