//! Memory that somebody looks at who holds no role, and the words as he sees them.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory over private copies")]

use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::fence;

use crate::access::TestAccess;
use crate::awake::Awake;
use crate::checked::{CheckedMemory, CheckedWord, UNIT};
use crate::ring::memory::{Memory, Role, Word};
use crate::ring::observe::{self, Copied, Observed};

/// Memory whose data are words. Clones are the same memory.
///
/// Who observes a ring copies what may be written meanwhile, which shadow cells refuse. So each unit of the data is a
/// word that is loaded and stored Relaxed: a copy finds in it whatever the memory model allows.
#[derive(Clone, Debug)]
pub struct ObservedMemory {
    words: CheckedMemory,
    units: Rc<[CheckedWord]>,
    /// Whether a store of data reaches an observer only with all that its writer had seen. The language promises that
    /// of no Relaxed store; processors whose stores reach all others at once do it. A fence stands for it.
    reaches_all: bool,
}

impl ObservedMemory {
    /// Makes the memory of a stream ring with as many slots of one unit.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        ObservedMemory::over(CheckedMemory::new(slots))
    }

    /// Makes the memory of a message ring of as many bytes. Every header is 0.
    #[must_use]
    pub fn of_records(bytes: usize) -> Self {
        ObservedMemory::over(CheckedMemory::of_records(bytes))
    }

    fn over(words: CheckedMemory) -> Self {
        let units = (0..words.len() / UNIT).map(|_| CheckedWord::default()).collect();
        ObservedMemory { words, units, reaches_all: true }
    }

    /// Turns it into one on a processor that keeps no more than what the language promises.
    #[must_use]
    pub fn that_reaches_some(self) -> Self {
        ObservedMemory { reaches_all: false, ..self }
    }

    fn units(&self, offset: usize, len: usize) -> impl Iterator<Item = &CheckedWord> {
        assert!(offset.is_multiple_of(UNIT) && len.is_multiple_of(UNIT), "{len} bytes at {offset}");
        (offset / UNIT..(offset + len) / UNIT).map(|at| &self.units[at % self.units.len()])
    }
}

// SAFETY: the words never move, and an access is to as many private bytes, which live until it ends and are copied from
// the units or to them.
unsafe impl Memory for ObservedMemory {
    type Word = CheckedWord;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn tail(&self) -> &CheckedWord {
        self.words.tail()
    }

    fn head(&self) -> &CheckedWord {
        self.words.head()
    }

    fn presence(&self, role: Role) -> &CheckedWord {
        self.words.presence(role)
    }

    fn told(&self) -> &CheckedWord {
        self.words.told()
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.words.len()
    }

    fn is_mirrored(&self) -> bool {
        self.words.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.words.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &CheckedWord {
        assert!(offset.is_multiple_of(UNIT), "a header at {offset}");
        &self.units[offset / UNIT]
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        let copy: Vec<u64> = self.units(offset, len).map(|unit| unit.load(Ordering::Relaxed)).collect();
        TestAccess::new(copy.as_ptr().cast(), || drop(copy))
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        let mut copy = vec![0_u64; len / UNIT];
        TestAccess::new(copy.as_mut_ptr().cast(), move || {
            if self.reaches_all {
                fence(Ordering::Release);
            }
            self.units(offset, len).zip(copy).for_each(|(unit, value)| unit.store(value, Ordering::Relaxed));
        })
    }
}

/// A word as an observer sees it, who makes fences or, on purpose, none.
#[derive(Clone, Debug)]
pub struct ObservedWord {
    word: CheckedWord,
    fences: bool,
}

impl ObservedWord {
    /// Copies a word.
    #[must_use]
    pub fn new(word: &CheckedWord, fences: bool) -> ObservedWord {
        ObservedWord { word: word.clone(), fences }
    }
}

impl Observed for ObservedWord {
    #[track_caller]
    fn copy(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    fn fence(&self) {
        if self.fences {
            fence(Ordering::Acquire);
        }
    }
}

/// What an observer leaves out of what the library does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// Nothing.
    None,
    /// The fence behind a load that stands for an Acquire.
    BehindLoad,
    /// The fence between a copy and the positions that are loaded again.
    BehindCopy,
}

/// What an observer finds at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitCopy {
    /// Nothing was sent yet.
    Nothing,
    /// The consumer has passed it, so that it may have been written over.
    Overwritten,
    /// This unit of data.
    Complete(u64),
}

impl Omission {
    /// Copies an element of a stream ring as a tap does.
    #[must_use]
    pub fn element(self, memory: &ObservedMemory, position: u64) -> UnitCopy {
        let tail = ObservedWord::new(memory.tail(), self != Omission::BehindLoad);
        if observe::tail(&Copied(tail.clone())) <= position {
            return UnitCopy::Nothing;
        }
        self.copy(memory, position, position as usize * UNIT % memory.len())
    }

    /// Copies a message of one unit as a tap does.
    #[must_use]
    pub fn message(self, memory: &ObservedMemory, position: u64) -> UnitCopy {
        let start = position as usize % memory.len();
        // SAFETY: a position is a multiple of a unit, and the index below the length.
        let header = ObservedWord::new(unsafe { memory.header(start) }, self != Omission::BehindLoad);
        match observe::header(&Copied(header.clone())) {
            0 => UnitCopy::Nothing,
            _ => self.copy(memory, position, (start + UNIT) % memory.len()),
        }
    }

    fn copy(self, memory: &ObservedMemory, position: u64, offset: usize) -> UnitCopy {
        let unit = memory.units[offset / UNIT].load(Ordering::Relaxed);
        let [head, tail] =
            [memory.head(), memory.tail()].map(|word| ObservedWord::new(word, self != Omission::BehindCopy));
        let (head, _) = observe::positions_after_copy(&Copied(head.clone()), &Copied(tail.clone()));
        if head > position { UnitCopy::Overwritten } else { UnitCopy::Complete(unit) }
    }
}
