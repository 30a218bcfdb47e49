//! Choices made of the bytes of an input.

use std::cell::RefCell;
use std::time::Duration;

use arbitrary::Unstructured;

use crate::hostile::Choices;

/// The bytes of an input, taken for choices. When they have run out, every choice is 0.
pub(crate) struct Bytes<'a> {
    all: &'a [u8],
    left: RefCell<Unstructured<'a>>,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(all: &'a [u8]) -> Bytes<'a> {
        Bytes { all, left: RefCell::new(Unstructured::new(all)) }
    }
}

impl Clone for Bytes<'_> {
    /// Begins at the first byte again.
    fn clone(&self) -> Self {
        Bytes::new(self.all)
    }
}

impl Choices for Bytes<'_> {
    fn any(&self) -> u64 {
        self.left.borrow_mut().arbitrary().unwrap_or(0)
    }

    /// Takes no more bytes than the limit needs.
    fn below(&self, limit: u64) -> u64 {
        self.left.borrow_mut().int_in_range(0..=limit - 1).unwrap_or(0)
    }

    fn wait(&self) -> Duration {
        Duration::from_micros(self.below(50))
    }
}
