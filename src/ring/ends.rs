//! Which ends (closings and crashes) of the other side a handle reports, and which have been told.
//!
//! An end is that of a holder: it left, or it was killed. It is told once, to the handle that it concerns:
//!
//! - A producer is told of consumers that were attached while it was, and of no earlier one.
//! - A consumer is told of producers that were attached while it was, and of the last one before it if no consumer was
//!   told of that: after the data of that producer. The word `told` in the consumer's slot keeps up to which generation
//!   of producers consumers have been told. A consumer that leaves in order counts as told of the producer that is
//!   attached then, or was last; if it leaves data behind, or data comes later, the consumer that reads it is told of
//!   the end again.
//!
//! A handle that was told is told again by each further call, until the next holder attaches. A handle that attaches
//! later is not.

use core::sync::atomic::Ordering;

use super::memory::{Memory, Role, Word};
use super::presence::Presence;

/// The ends of the other side that concern one handle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// The last generation of the other side whose end does not concern this handle.
    past: u64,
}

impl Ends {
    /// Starts for a handle that has just attached. `seen` is the other side's presence, `is_there` whether its holder
    /// was alive then, and `has_data` whether a consumer has something to read.
    pub fn attach<M: Memory>(memory: &M, role: Role, seen: Presence, is_there: bool, has_data: bool) -> Ends {
        let generation = seen.generation();
        let concerns = is_there
            || match role {
                Role::Producer => false,
                // The word is the role's own; its last writer released the role's lock before this process took it.
                Role::Consumer => has_data || memory.told().load(Ordering::Relaxed) < generation,
            };
        Ends { past: if concerns { generation.saturating_sub(1) } else { generation } }
    }

    /// Returns whether the end of the holder that this presence is of concerns the handle. A holder that never attached
    /// has not ended.
    #[inline]
    pub fn concern(&self, peer: Presence) -> bool {
        peer.generation() > self.past
    }

    /// Notes that the user of this handle is told of the end of the holder that this presence is of, or leaves it in
    /// order.
    pub fn mark_told<M: Memory>(&self, memory: &M, role: Role, peer: Presence) {
        if role == Role::Consumer && self.concern(peer) {
            // Only the next holder of this role reads it, which takes the lock after this one has given it back.
            memory.told().store(peer.generation(), Ordering::Relaxed);
        }
    }
}
