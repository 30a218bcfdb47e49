//! What a worker is told by the supervisor that starts it.

use serde::{Deserialize, Serialize};

use super::plan::{Kind, Manner, Plant, Side};

/// The name under which this program is one end of a ring.
pub(crate) const NAME: &str = "ringmain-chaos-worker";

/// What a worker is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The process that starts it; it ends with that one.
    pub(crate) supervisor: i32,
    pub(crate) kind: Kind,
    pub(crate) side: Side,
    pub(crate) name: String,
    /// Where the ring's own bytes, and the journal, can be opened; none where it shall only come and stay.
    pub(crate) files: Option<Files>,
    /// The capacity, where it may create the ring.
    pub(crate) capacity: Option<usize>,
    pub(crate) alignment: usize,
    pub(crate) longest: usize,
    pub(crate) salt: u64,
    pub(crate) manner: Manner,
    pub(crate) plant: Option<Plant>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Files {
    pub(crate) segment: String,
    pub(crate) journal: String,
}
