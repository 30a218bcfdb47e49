//! Machines in miniature, on which the bridge is tested and measured: network namespaces that are joined, cut and
//! disturbed, the processes of a bridge in them, and programs at both ends whose data shows what became of it.
//!
//! Needs root and `ip` (iproute2). Nothing of it outlives the process that made it: namespaces hang on descriptors,
//! processes end with the one that started them.

#![deny(unsafe_code)]

pub mod bench;
pub mod chaos;
mod ends;
pub mod load;
pub mod network;
pub mod process;
pub mod router;
pub mod site;
pub mod space;
#[path = "../../../measure/src/statistics.rs"]
pub mod statistics;
pub mod wire;

pub use ends::part;
