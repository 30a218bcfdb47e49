//! Memory that loom watches.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory over an allocation")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;

use crate::ring::memory::{DATA_ALIGN, Memory, Role, Word};

/// What a slot holds that nobody has written.
const UNWRITTEN: u64 = 0xeeee_eeee_eeee_eeee;

/// The distance between two shadows in bytes: one element of every model.
pub const UNIT: usize = size_of::<u64>();

/// A shared word in loom's memory model: a load returns any value that its ordering permits.
///
/// It begins at 0. Clones are the same word. Loom runs the threads of a model as coroutines of one thread, hence `Rc`.
#[derive(Clone, Debug, Default)]
pub struct CheckedWord(Rc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    word: AtomicU64,
    /// Stored to before each load; it orders nothing. Loom tries a store on the other side of the last access to its word
    /// only. Where the storing thread has just loaded the word itself, that hides the loads of other threads (tokio-rs/loom,
    /// issue 392). Two stores are tried both ways round, and the loads behind them with them.
    loads: AtomicU64,
}

impl Word for CheckedWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        self.0.loads.store(0, Ordering::Relaxed);
        self.0.word.load(ordering)
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        self.0.word.store(value, ordering);
    }
}

/// A ring's memory, each access of which is checked. Clones are the same memory.
///
/// Loom does not see the bytes. It sees their shadows, one per unit: where a write of a unit and another access to it are
/// not ordered, the model fails, whatever the bytes were.
#[derive(Clone, Debug)]
pub struct CheckedMemory {
    tail: CheckedWord,
    head: CheckedWord,
    producer: CheckedWord,
    consumer: CheckedWord,
    data: Rc<Data>,
}

#[derive(Debug)]
struct Data {
    shadows: Vec<UnsafeCell<()>>,
    /// The slots, from the first aligned word on.
    words: Vec<Cell<u64>>,
}

impl CheckedMemory {
    /// Makes the memory of a ring with as many slots of one unit.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let word = CheckedWord::default;
        let shadows = (0..slots).map(|_| UnsafeCell::new(())).collect();
        let words = vec![Cell::new(UNWRITTEN); slots + DATA_ALIGN / UNIT];
        let data = Rc::new(Data { shadows, words });
        CheckedMemory { tail: word(), head: word(), producer: word(), consumer: word(), data }
    }

    /// Returns the shadows of a range of bytes.
    fn shadows(&self, offset: usize, len: usize) -> &[UnsafeCell<()>] {
        let whole = offset.is_multiple_of(UNIT) && len.is_multiple_of(UNIT);
        assert!(whole, "{len} bytes at {offset} share a shadow with others");
        &self.data.shadows[offset / UNIT..(offset + len) / UNIT]
    }

    fn address(&self, offset: usize) -> *mut u8 {
        let words: *mut u8 = self.data.words.as_ptr().cast_mut().cast();
        words.wrapping_add(words.align_offset(DATA_ALIGN) + offset)
    }
}

// SAFETY: the words never move, and hold the slots behind any aligned start; the shadows, as many as there are slots, refuse
// a range beyond them.
unsafe impl Memory for CheckedMemory {
    type Word = CheckedWord;

    fn tail(&self) -> &CheckedWord {
        &self.tail
    }

    fn head(&self) -> &CheckedWord {
        &self.head
    }

    fn presence(&self, role: Role) -> &CheckedWord {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    fn len(&self) -> usize {
        self.data.shadows.len() * UNIT
    }

    #[track_caller]
    unsafe fn read<R>(&self, offset: usize, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        let mut reads = Vec::new();
        for shadow in self.shadows(offset, len) {
            reads.push(shadow.get());
        }
        // The shadows are read until the closure is done.
        access(self.address(offset))
    }

    #[track_caller]
    unsafe fn write<R>(&self, offset: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        let mut writes = Vec::new();
        for shadow in self.shadows(offset, len) {
            writes.push(shadow.get_mut());
        }
        // The shadows are written until the closure is done.
        access(self.address(offset))
    }
}
