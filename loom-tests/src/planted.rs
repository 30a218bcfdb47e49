//! Checked memory with a bug, such as one end could have.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on, wrongly on purpose")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::checked::{CheckedMemory, CheckedWord, UNIT};
use crate::ring::memory::{Memory, Role, Word};

/// What an end does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The producer stores the tail, then writes the elements before it.
    PublishBeforeWrite,
    /// The consumer stores the head, then reads the elements before it.
    ReleaseBeforeRead,
    /// The consumer does not store the head.
    NoRelease,
}

impl Bug {
    /// Makes the memory of a ring with as many slots and this bug.
    #[must_use]
    pub fn memory(self, slots: usize) -> PlantedMemory {
        let memory = CheckedMemory::new(slots);
        let word = |word: &CheckedWord, store| PlantedWord { word: word.clone(), store };
        let late = Rc::new(LateWrites { memory: memory.clone(), writes: RefCell::default() });
        let (tail, head) = match self {
            Bug::PublishBeforeWrite => (Store::ThenWrite(Rc::clone(&late)), Store::Sound),
            Bug::ReleaseBeforeRead => (Store::Sound, Store::Sound),
            Bug::NoRelease => (Store::Sound, Store::Lost),
        };
        PlantedMemory {
            bug: self,
            tail: word(memory.tail(), tail),
            head: word(memory.head(), head),
            producer: word(memory.presence(Role::Producer), Store::Sound),
            consumer: word(memory.presence(Role::Consumer), Store::Sound),
            late,
        }
    }
}

/// A word the stores of which may go wrong.
#[derive(Clone, Debug)]
pub struct PlantedWord {
    word: CheckedWord,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Sound,
    Lost,
    ThenWrite(Rc<LateWrites>),
}

impl Word for PlantedWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        self.word.load(ordering)
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        match &self.store {
            Store::Sound => self.word.store(value, ordering),
            // Where a position is set up for a model, nothing is published.
            Store::Lost if ordering == Ordering::Release => {}
            Store::Lost => self.word.store(value, ordering),
            Store::ThenWrite(late) => {
                self.word.store(value, ordering);
                late.write();
            }
        }
    }
}

/// Writes that wait for the next store of the tail.
#[derive(Debug)]
struct LateWrites {
    memory: CheckedMemory,
    /// Offsets and bytes, the latter in words because those who fill them ask for the alignment.
    writes: RefCell<Vec<(usize, Vec<u64>)>>,
}

impl LateWrites {
    #[track_caller]
    fn write(&self) {
        for (offset, words) in self.writes.take() {
            let write = |slot: *mut u8| {
                // SAFETY: the slot is valid for as many bytes, and the words are private.
                unsafe { slot.copy_from_nonoverlapping(words.as_ptr().cast(), words.len() * UNIT) }
            };
            // SAFETY: the range is the one that was to be written.
            unsafe { self.memory.write(offset, words.len() * UNIT, write) };
        }
    }
}

/// Checked memory with a bug. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct PlantedMemory {
    bug: Bug,
    tail: PlantedWord,
    head: PlantedWord,
    producer: PlantedWord,
    consumer: PlantedWord,
    late: Rc<LateWrites>,
}

// SAFETY: every address is one of the checked memory, or for a late write that of as many private bytes.
unsafe impl Memory for PlantedMemory {
    type Word = PlantedWord;

    fn tail(&self) -> &PlantedWord {
        &self.tail
    }

    fn head(&self) -> &PlantedWord {
        &self.head
    }

    fn presence(&self, role: Role) -> &PlantedWord {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    fn len(&self) -> usize {
        self.late.memory.len()
    }

    #[track_caller]
    unsafe fn read<R>(&self, offset: usize, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        if self.bug == Bug::ReleaseBeforeRead {
            let head = self.head.load(Ordering::Relaxed);
            self.head.store(head + (len / UNIT) as u64, Ordering::Release);
        }
        // SAFETY: the same promise.
        unsafe { self.late.memory.read(offset, len, access) }
    }

    #[track_caller]
    unsafe fn write<R>(&self, offset: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        if self.bug != Bug::PublishBeforeWrite {
            // SAFETY: the same promise.
            return unsafe { self.late.memory.write(offset, len, access) };
        }
        let mut words = vec![0_u64; len / UNIT];
        let result = access(words.as_mut_ptr().cast());
        self.late.writes.borrow_mut().push((offset, words));
        result
    }
}
