//! Memory that loom watches.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory over an allocation")]

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicU64;

use crate::access::TestAccess;
use crate::awake::Awake;
use crate::data::Data;
use crate::ring::memory::{Memory, Role, Word};

pub use crate::data::UNIT;

/// A shared word in loom's memory model: a load returns any value that its ordering permits.
///
/// It begins at 0. Clones are the same word. Loom runs the threads of a model as coroutines of one thread, hence `Rc`.
#[derive(Clone, Debug, Default)]
pub struct CheckedWord(Rc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    word: AtomicU64,
    /// Stored to before each load; it orders nothing. Loom tries a store on the other side of the last access to its
    /// word only. Where the storing thread has just loaded the word itself, that hides the loads of other threads
    /// (tokio-rs/loom, issue 392). Two stores are tried both ways round, and the loads behind them with them.
    loads: AtomicU64,
    /// Where the word is the header of a record: the data area and its number there.
    place: Option<(Rc<Data>, usize)>,
}

impl Word for CheckedWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        self.0.loads.store(0, Ordering::Relaxed);
        let value = self.0.word.load(ordering);
        match &self.0.place {
            Some((data, at)) => data.load_header(*at, value),
            None => value,
        }
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        if let Some((data, at)) = &self.0.place {
            data.check_header_store(*at);
        }
        self.0.word.store(value, ordering);
        if let Some((data, at)) = &self.0.place {
            data.store_header(*at, value);
        }
    }
}

/// A ring's memory, each access of which is checked. Clones are the same memory.
///
/// Loom does not see the bytes. It sees their shadows, one per unit: where a write of a unit and another access to it
/// are not ordered, the model fails, whatever the bytes were. A unit of records has two, so that a header may be loaded
/// while it is stored, but not while payload is written there, and not be stored while payload is read there.
#[derive(Clone, Debug)]
pub struct CheckedMemory {
    tail: CheckedWord,
    head: CheckedWord,
    producer: CheckedWord,
    consumer: CheckedWord,
    told: CheckedWord,
    /// What the producer and the consumer keep for themselves.
    own: Rc<[UnsafeCell<[u64; 2]>; 2]>,
    /// Of records alone.
    headers: Rc<[CheckedWord]>,
    data: Rc<Data>,
}

impl CheckedMemory {
    /// Makes the memory of a stream ring with as many slots of one unit.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        CheckedMemory::over(Data::new(slots, false))
    }

    /// Makes the memory of a message ring of as many bytes. Every header is 0.
    #[must_use]
    pub fn of_records(bytes: usize) -> Self {
        CheckedMemory::over(Data::new(bytes / UNIT, true))
    }

    fn over(data: Data) -> Self {
        let word = CheckedWord::default;
        let headers = if data.is_of_records() { data.len() / UNIT } else { 0 };
        let data = Rc::new(data);
        let header = |at| CheckedWord(Rc::new(Watched { place: Some((Rc::clone(&data), at)), ..Watched::default() }));
        let headers = (0..headers).map(header).collect();
        CheckedMemory {
            tail: word(),
            head: word(),
            producer: word(),
            consumer: word(),
            told: word(),
            own: Rc::default(),
            headers,
            data,
        }
    }
}

// SAFETY: the words never move, and hold the data behind any aligned start; the shadows, one for each word, refuse a
// range beyond them. Where a range is cut, words with its contents stand in for it.
unsafe impl Memory for CheckedMemory {
    type Word = CheckedWord;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    /// A model's elements are single words.
    const SMALLEST_AHEAD: usize = 8;

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

    fn told(&self) -> &CheckedWord {
        &self.told
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.data.len()
    }

    fn is_mirrored(&self) -> bool {
        self.data.is_of_records()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        NonNull::new(self.own[usize::from(role == Role::Consumer)].get()).expect("a cell has an address")
    }

    unsafe fn header(&self, offset: usize) -> &CheckedWord {
        assert!(offset.is_multiple_of(UNIT), "a header at {offset}");
        &self.headers[offset / UNIT]
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        self.data.read(offset, len)
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        self.data.write(offset, len)
    }
}
