//! What the producers of both rings share: how they learn of free space.

use core::sync::atomic::Ordering;

use super::endpoint::{Endpoint, Internal, Kind, Side, Writer};
use super::error::{Broken, SharedWord};
use super::memory::{Memory, Role, Word};
use super::position::Window;

impl Side for Writer {
    const ROLE: Role = Role::Producer;

    #[inline]
    fn is_ready<K: Kind, M: Memory>(end: &mut Endpoint<K, Writer, M>, need: u64, _: Internal) -> Result<bool, Broken> {
        if end.cursor.known() < need || need == 0 {
            end.load_head()?;
        }
        Ok(end.cursor.known() >= need)
    }

    fn len<K: Kind, M: Memory>(end: &Endpoint<K, Writer, M>, _: Internal) -> Result<u64, Broken> {
        end.free_now().map(|free| end.cursor.max_used() - free)
    }
}

impl<K: Kind, M: Memory> Endpoint<K, Writer, M> {
    /// Loads the consumer's head, paced. An impossible one poisons the handle.
    #[inline(never)]
    pub(super) fn load_head(&mut self) -> Result<(), Broken> {
        self.check()?;
        let waited = self.pace.wait();
        // Observe: pairs with the Release in `Reader::advance_from`. What lies before it has been read.
        let found = self.memory.head().load(Ordering::Acquire);
        let max_used = self.cursor.max_used();
        let lowest = self.cursor.known_end().wrapping_sub(max_used);
        match self.window().check(SharedWord::Head, found) {
            Ok(head) => {
                self.cursor.learn(head.wrapping_add(max_used));
                self.pace.learn(waited, head.wrapping_sub(lowest));
                self.pace.found_unread(self.cursor.position().wrapping_sub(head));
                Ok(())
            }
            Err(cause) => Err(self.poison(cause)),
        }
    }

    /// Returns where the head can be.
    fn window(&self) -> Window {
        let lowest = self.cursor.known_end().wrapping_sub(self.cursor.max_used());
        Window { lowest, highest: self.cursor.position(), step: self.kind.step() }
    }

    fn free_now(&self) -> Result<u64, Broken> {
        self.check()?;
        let head = self.window().check(SharedWord::Head, self.memory.head().load(Ordering::Relaxed))?;
        Ok(self.cursor.max_used() - self.cursor.position().wrapping_sub(head))
    }

    /// Loads the consumer's head and returns how much is free: slots, or bytes for records. There may be more by the
    /// time it returns.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used, or the consumer's head is impossible.
    pub fn free(&self) -> Result<usize, Broken> {
        // At most the capacity, so it fits.
        self.free_now().map(|free| free as usize)
    }

    /// Loads the consumer's head and returns whether nothing can be pushed.
    ///
    /// # Errors
    ///
    /// As [`free`](Self::free).
    pub fn is_full(&self) -> Result<bool, Broken> {
        self.free_now().map(|free| free == 0)
    }
}
