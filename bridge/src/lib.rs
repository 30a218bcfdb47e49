//! A bridge between a ring on one machine and a ring on another, over Zenoh: what is pushed to ring A comes out of ring
//! B, nothing is lost and nothing comes twice, whichever process is killed and whatever happens to the line.
//!
//! Both rings count alike, so a position of A is the same position of B, and says by itself what B has. The sender
//! peeks at A, and gives back what B's tail has passed: A keeps what is under way. The receiver pushes a batch if it
//! starts at B's tail, and answers the tail in any case: B's tail, which survives its producer, is all that it needs to
//! remember. docs/bridge.md has the protocol.

pub mod desk;
pub mod exit;
pub mod fault;
pub mod flow;
pub mod inbox;
#[cfg(feature = "network")]
pub mod link;
pub mod metrics;
pub mod mirror;
#[cfg(feature = "network")]
pub mod network;
pub mod object;
pub mod protocol;
#[cfg(feature = "network")]
pub mod receive;
pub mod records;
pub mod say;
#[cfg(feature = "network")]
pub mod send;
pub mod size;
pub mod source;
pub mod window;
