//! Checked memory with a bug, such as one end could have.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on, wrongly on purpose")]

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::access::TestAccess;
use crate::awake::Awake;
use crate::checked::{CheckedMemory, CheckedWord, UNIT};
use crate::ring::memory::{Access, Memory, Role, Word};
use crate::words::{Purpose, Words};

/// What an end does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The producer publishes, in a stream by the tail, a message by its header, then writes what it published.
    PublishBeforeWrite,
    /// The consumer stores the head, then reads what lies before it.
    ReleaseBeforeRead,
    /// The consumer does not store the head.
    NoRelease,
    /// The consumer stores the head at every second move alone.
    WithheldRelease,
    /// The consumer does not store which end it was told.
    NotTold,
    /// The producer does not zero the header behind a record.
    NextHeaderNotZeroed,
    /// The producer stores the word beside a header, in a ring of records of two units, when the header can be seen
    /// already.
    WordAfterHeader,
}

impl Bug {
    /// Makes the memory of a stream ring with as many slots and this bug.
    #[must_use]
    pub fn memory(self, slots: usize) -> PlantedMemory {
        self.over(CheckedMemory::new(slots))
    }

    /// Makes the memory of a message ring of as many bytes, aligned to one unit, and this bug.
    #[must_use]
    pub fn records(self, bytes: usize) -> PlantedMemory {
        self.over(CheckedMemory::of_records(bytes))
    }

    fn over(self, memory: CheckedMemory) -> PlantedMemory {
        let publication = if memory.is_mirrored() { Purpose::Header } else { Purpose::Tail };
        let late = Rc::new(LateWrites { memory: memory.clone(), writes: RefCell::default() });
        let store = |purpose| match self {
            Bug::PublishBeforeWrite if purpose == publication => Store::ThenWrite(Rc::clone(&late)),
            Bug::NoRelease if purpose == Purpose::Head => Store::LostPublication,
            Bug::WithheldRelease if purpose == Purpose::Head => Store::EverySecondPublication(Rc::default()),
            Bug::NotTold if purpose == Purpose::Told => Store::Lost,
            Bug::NextHeaderNotZeroed if purpose == Purpose::Header => Store::LostZero,
            _ => Store::Sound,
        };
        let pending = Rc::new(RefCell::default());
        let sound = |purpose, word: &CheckedWord| PlantedWord { word: word.clone(), store: store(purpose) };
        let mut words = Words::of(&memory, sound);
        if self == Bug::WordAfterHeader {
            let late = |(unit, header): (usize, &PlantedWord)| {
                let pending: Rc<RefCell<Option<_>>> = Rc::clone(&pending);
                let store = if unit % 2 == 0 { Store::ThenWord(pending) } else { Store::Later(pending) };
                PlantedWord { word: header.word.clone(), store }
            };
            words.headers = words.headers.iter().enumerate().map(late).collect();
        }
        PlantedMemory { bug: self, words, late }
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
    LostPublication,
    /// Whether the last one was lost.
    EverySecondPublication(Rc<Cell<bool>>),
    LostZero,
    ThenWrite(Rc<LateWrites>),
    /// Waits for the next publication.
    Later(Rc<RefCell<Option<(CheckedWord, u64)>>>),
    ThenWord(Rc<RefCell<Option<(CheckedWord, u64)>>>),
}

impl Word for PlantedWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        self.word.load(ordering)
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        // Where a position is set up for a model, or a header that nobody can see yet, nothing is published.
        let publishes = ordering == Ordering::Release;
        match &self.store {
            Store::Lost => {}
            Store::LostPublication if publishes => {}
            Store::EverySecondPublication(was_lost) if publishes && !was_lost.replace(!was_lost.get()) => {}
            Store::LostZero if value == 0 => {}
            Store::ThenWrite(late) if publishes => {
                self.word.store(value, ordering);
                late.write();
            }
            Store::Later(pending) => {
                pending.replace(Some((self.word.clone(), value)));
            }
            Store::ThenWord(pending) if publishes => {
                self.word.store(value, ordering);
                if let Some((word, value)) = pending.take() {
                    word.store(value, Ordering::Relaxed);
                }
            }
            _ => self.word.store(value, ordering),
        }
    }
}

/// Writes that wait for the next publication.
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
            let len = words.len() * UNIT;
            // SAFETY: the range is the one that was to be written.
            let slot = unsafe { self.memory.write(offset, len) };
            // SAFETY: the slot is valid for as many bytes, and the words are private.
            unsafe { slot.address().copy_from_nonoverlapping(words.as_ptr().cast(), len) };
        }
    }
}

/// Checked memory with a bug. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct PlantedMemory {
    bug: Bug,
    words: Words<PlantedWord>,
    late: Rc<LateWrites>,
}

// SAFETY: every address is one of the checked memory, or for a late write that of as many private bytes.
unsafe impl Memory for PlantedMemory {
    type Word = PlantedWord;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn tail(&self) -> &PlantedWord {
        &self.words.tail
    }

    fn head(&self) -> &PlantedWord {
        &self.words.head
    }

    fn presence(&self, role: Role) -> &PlantedWord {
        self.words.presence(role)
    }

    fn told(&self) -> &PlantedWord {
        &self.words.told
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.late.memory.len()
    }

    fn is_mirrored(&self) -> bool {
        self.late.memory.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.late.memory.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &PlantedWord {
        self.words.header(offset)
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        if self.bug == Bug::ReleaseBeforeRead {
            // A stream counts elements, a message ring the bytes of records.
            let passed = if self.is_mirrored() { UNIT + len } else { len / UNIT };
            let head = self.words.head.load(Ordering::Relaxed);
            self.words.head.store(head + passed as u64, Ordering::Release);
        }
        // SAFETY: the same promise.
        unsafe { self.late.memory.read(offset, len) }
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        if self.bug != Bug::PublishBeforeWrite {
            // SAFETY: the same promise.
            return unsafe { self.late.memory.write(offset, len) };
        }
        let mut words = vec![0_u64; len / UNIT];
        TestAccess::new(words.as_mut_ptr().cast(), move || self.late.writes.borrow_mut().push((offset, words)))
    }
}
