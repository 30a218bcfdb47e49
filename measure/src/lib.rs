//! What the bench of the command and `peers/` have in common: two processors, a process on each, figures of rounds, and
//! pictures of them.

#![deny(unsafe_code)]

mod channel;
mod chart;
mod host;
mod processors;
mod regime;
mod statistics;

pub use channel::{Awaited, Channel, again};
pub use chart::{Axis, Chart, Line, Point, draw};
pub use host::{cpuinfo, now};
pub use processors::{SameCore, allowed, pin, siblings, two};
pub use regime::{Nearness, Regime};
pub use statistics::Summary;
