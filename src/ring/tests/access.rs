//! An access that does something when it ends.

use core::fmt;

use crate::ring::memory::Access;

/// Bytes that are read or written, and what is done when that ends.
pub struct TestAccess<'a> {
    address: *mut u8,
    end: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> TestAccess<'a> {
    /// Begins an access to the bytes at an address, which `end` keeps valid until it is called.
    pub fn new(address: *mut u8, end: impl FnOnce() + 'a) -> TestAccess<'a> {
        TestAccess { address, end: Some(Box::new(end)) }
    }
}

impl Access for TestAccess<'_> {
    fn address(&self) -> *mut u8 {
        self.address
    }
}

impl Drop for TestAccess<'_> {
    fn drop(&mut self) {
        // A test that failed reports that, not what follows from it.
        if let Some(end) = self.end.take().filter(|_| !std::thread::panicking()) {
            end();
        }
    }
}

impl fmt::Debug for TestAccess<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestAccess").field("address", &self.address).finish_non_exhaustive()
    }
}
