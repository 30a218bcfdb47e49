//! What the consumers of both rings share: how they give space back.

use core::sync::atomic::Ordering;

use super::endpoint::{Endpoint, Internal, Kind, Reader, Side};
use super::error::Broken;
use super::memory::{Memory, Role, Word};

impl Side for Reader {
    const ROLE: Role = Role::Consumer;

    #[inline]
    fn is_ready<K: Kind, M: Memory>(
        end: &mut Endpoint<K, Reader, M>,
        need: u64,
        token: Internal,
    ) -> Result<bool, Broken> {
        K::has_arrived(end, need, token)
    }

    fn len<K: Kind, M: Memory>(end: &Endpoint<K, Reader, M>, token: Internal) -> Result<u64, Broken> {
        K::available(end, token)
    }
}

impl<K: Kind, M: Memory> Endpoint<K, Reader, M> {
    /// Moves the head, which the caller has in a register, over `len` units that were read, and gives their space back.
    #[inline(always)]
    pub(super) fn advance_from(&mut self, head: u64, len: u64) {
        let head = self.cursor.advance_from(head, len);
        // Publish: pairs with the Acquire in `Writer::load_head`. What lies before it has been read.
        self.memory.head().store(head, Ordering::Release);
        self.notifier.published(&self.memory, Role::Producer, head);
    }

    /// Loads the producer's position and returns how much is there: elements, or bytes of records. There may be more by
    /// the time it returns.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used, or the producer's tail is impossible.
    pub fn available(&self) -> Result<usize, Broken> {
        self.len()
    }

    /// Says that this consumer pauses: a producer that sleeps at a full ring and has what it asked for is woken now.
    /// Without it, the producer may sleep until a quarter of the ring is free, or for 5 ms.
    ///
    /// Every pop has given its space back already.
    #[inline]
    pub fn release(&mut self) {
        self.pause();
    }
}
