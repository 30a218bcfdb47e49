//! What one process tells the other.

use serde::{Deserialize, Serialize};

use super::clock::Usage;
use super::plan::Case;

/// What the peer process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Comes first, and once: run on this processor; share it with the other process, or not.
    Start { processor: usize, shared: bool },
    /// Open the other side of a case. Its descriptors travel with the packet.
    Open { case: Case },
    /// Run the station that was opened as number `station` (from 0).
    Run { station: usize, messages: u64 },
}

/// What it answers to each command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    /// The same to [`Command::Run`]: how long that took there, and what processor time.
    Ran {
        usage: Usage,
    },
    Failed {
        reason: String,
    },
}
