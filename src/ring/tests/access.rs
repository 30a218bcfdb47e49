//! An access that does something when it ends.

use core::fmt;

use crate::ring::memory::Access;

/// Bytes that are read or written, and what is done when that ends.
pub struct TestAccess<'a, Pointer> {
    address: Pointer,
    end: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a, Pointer> TestAccess<'a, Pointer> {
    /// Begins an access to the bytes at an address, which `end` keeps valid until it is called.
    pub fn new(address: Pointer, end: impl FnOnce() + 'a) -> TestAccess<'a, Pointer> {
        TestAccess { address, end: Some(Box::new(end)) }
    }
}

impl<Pointer: Copy> Access<Pointer> for TestAccess<'_, Pointer> {
    fn address(&self) -> Pointer {
        self.address
    }
}

impl<Pointer> Drop for TestAccess<'_, Pointer> {
    fn drop(&mut self) {
        // A test that failed reports that, not what follows from it.
        if let Some(end) = self.end.take().filter(|_| !std::thread::panicking()) {
            end();
        }
    }
}

impl<Pointer: fmt::Debug> fmt::Debug for TestAccess<'_, Pointer> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestAccess").field("address", &self.address).finish_non_exhaustive()
    }
}
