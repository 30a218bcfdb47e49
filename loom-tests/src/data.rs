//! The bytes of a data area, and the shadows by which loom sees them.

use std::cell::Cell;

use loom::cell::UnsafeCell;

use crate::access::TestAccess;
use crate::ring::memory::DATA_ALIGN;

/// What a word holds that nobody has written.
const UNWRITTEN: u64 = 0xeeee_eeee_eeee_eeee;

/// The distance between two shadows in bytes: one element of every model, one header.
pub const UNIT: usize = size_of::<u64>();

/// A data area, each access of which is checked.
#[derive(Debug)]
pub(crate) struct Data {
    units: Vec<Unit>,
    /// The units' words, from the first aligned one on.
    words: Vec<Cell<u64>>,
}

/// What is known of one word.
#[derive(Debug)]
struct Unit {
    /// Written where payload is, read by every other access.
    payload: UnsafeCell<()>,
    /// Where the word may be a header too: written where that is stored, read where payload is.
    header: Option<UnsafeCell<()>>,
    /// Whether the last write was one of payload.
    is_payload: Cell<bool>,
}

impl Data {
    /// Makes a data area of as many units, of elements or of records.
    pub(crate) fn new(units: usize, of_records: bool) -> Data {
        let unit = |_| Unit {
            payload: UnsafeCell::new(()),
            header: of_records.then(|| UnsafeCell::new(())),
            is_payload: Cell::new(false),
        };
        let words = vec![Cell::new(UNWRITTEN); units + DATA_ALIGN / UNIT];
        Data { units: (0..units).map(unit).collect(), words }
    }

    pub(crate) fn len(&self) -> usize {
        self.units.len() * UNIT
    }

    /// Returns whether the words may be headers, and the end of the data is followed by its start.
    pub(crate) fn is_of_records(&self) -> bool {
        self.units.iter().all(|unit| unit.header.is_some())
    }

    /// Accesses a range of payload, which is only read.
    #[track_caller]
    pub(crate) fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        let mut reads = Vec::new();
        for at in self.range(offset, len) {
            reads.push(self.units[at].payload.get());
            if let Some(header) = &self.units[at].header {
                reads.push(header.get());
            }
        }
        if len == 0 {
            return TestAccess::new(self.address(offset).cast_const(), || ());
        }
        // The shadows are read until the access ends, and so do the words.
        let words = self.copy(offset, len);
        TestAccess::new(words.as_ptr().cast(), || drop((words, reads)))
    }

    /// Accesses a range of payload, which may be written.
    #[track_caller]
    pub(crate) fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        let mut writes = Vec::new();
        for at in self.range(offset, len) {
            writes.push(self.units[at].payload.get_mut());
            self.units[at].is_payload.set(true);
        }
        if len == 0 {
            return TestAccess::new(self.address(offset), || ());
        }
        // The shadows are written until the access ends, and then the words.
        let mut words = self.copy(offset, len);
        TestAccess::new(words.as_mut_ptr().cast(), move || {
            for (at, word) in self.range(offset, len).zip(words) {
                self.word(at).set(word);
            }
            drop(writes);
        })
    }

    /// Returns what a load of a header finds, of which `stored` is what was stored as one. It comes after the load: a
    /// write of payload that the load itself makes visible is ordered.
    #[track_caller]
    pub(crate) fn load_header(&self, at: usize, stored: u64) -> u64 {
        drop(self.units[at].payload.get());
        if self.units[at].is_payload.get() { self.word(at).get() } else { stored }
    }

    /// Checks a store of a header. It comes before the store: who observes that comes after it.
    #[track_caller]
    pub(crate) fn check_header_store(&self, at: usize) {
        drop(self.units[at].payload.get());
        if let Some(header) = &self.units[at].header {
            drop(header.get_mut());
        }
    }

    /// Notes a header that was just stored. Nothing runs between the store and this.
    pub(crate) fn store_header(&self, at: usize, value: u64) {
        self.word(at).set(value);
        self.units[at].is_payload.set(false);
    }

    /// Returns the numbers of the units in a range of bytes.
    #[track_caller]
    fn range(&self, offset: usize, len: usize) -> impl Iterator<Item = usize> + use<> {
        let whole = offset.is_multiple_of(UNIT) && len.is_multiple_of(UNIT);
        assert!(whole, "{len} bytes at {offset} share a shadow with others");
        let end = if self.is_of_records() { 2 * self.len() } else { self.len() };
        assert!(offset + len <= end && len <= self.len(), "{len} bytes at {offset} of {}", self.len());
        let count = self.units.len();
        (offset / UNIT..(offset + len) / UNIT).map(move |at| at % count)
    }

    /// Returns where an offset lies.
    fn address(&self, offset: usize) -> *mut u8 {
        let words: *mut u8 = self.words.as_ptr().cast_mut().cast();
        words.wrapping_add(words.align_offset(DATA_ALIGN) + offset % self.len())
    }

    /// Returns the words of a range, to stand in for it while it is accessed: what is used after that is seen.
    fn copy(&self, offset: usize, len: usize) -> Vec<u64> {
        self.range(offset, len).map(|at| self.word(at).get()).collect()
    }

    fn word(&self, at: usize) -> &Cell<u64> {
        &self.words[self.words.as_ptr().cast::<u8>().align_offset(DATA_ALIGN) / UNIT + at]
    }
}
