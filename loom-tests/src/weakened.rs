//! Checked memory in which one ordering of `src/ring/` is Relaxed.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on")]

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use crate::access::TestAccess;
use crate::awake::Awake;
use crate::checked::{CheckedMemory, CheckedWord};
use crate::ring::memory::{Memory, Role, Word};
use crate::words::{Purpose, Words};

/// What a Release or an Acquire in `src/ring/` is for. Both rings do the same with the tail and with the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The producer publishes elements, or says how far its records go.
    TailStore,
    /// The consumer observes them.
    TailLoad,
    /// The consumer gives space back.
    HeadStore,
    /// The producer observes that space is free.
    HeadLoad,
    /// The producer publishes records.
    HeaderStore,
    /// The consumer observes a record.
    HeaderLoad,
    /// A holder says that it came.
    Enter,
    /// A holder says that it left.
    Leave,
    /// The peer observes whether a holder came or left.
    PresenceLoad,
    /// A creator says that a segment is made.
    MagicStore,
    /// Another process observes that a segment is made.
    MagicLoad,
    /// An end says that it will sleep.
    ParkingStore,
    /// The end that publishes observes what one that sleeps wants.
    ParkingLoad,
    /// The end that publishes says that it makes its own fences.
    WakesStore,
}

/// Where an ordering is written: the file below `src/ring/`, the function, and what it is.
pub type Place = (&'static str, &'static str, Ordering);

impl Site {
    /// Every site. A test looks them up in the source.
    pub const ALL: [Site; 14] = [
        Site::TailStore,
        Site::TailLoad,
        Site::HeadStore,
        Site::HeadLoad,
        Site::HeaderStore,
        Site::HeaderLoad,
        Site::Enter,
        Site::Leave,
        Site::PresenceLoad,
        Site::MagicStore,
        Site::MagicLoad,
        Site::ParkingStore,
        Site::ParkingLoad,
        Site::WakesStore,
    ];

    /// The sites that order the elements of a stream.
    pub const POSITIONS: [Site; 4] = [Site::TailStore, Site::TailLoad, Site::HeadStore, Site::HeadLoad];

    /// The sites that order messages which a consumer finds at their headers.
    pub const HEADERS: [Site; 4] = [Site::HeaderStore, Site::HeaderLoad, Site::HeadStore, Site::HeadLoad];

    /// Returns every place of this site.
    #[must_use]
    pub fn places(self) -> &'static [Place] {
        match self {
            Site::TailStore => &[
                ("stream/producer.rs", "publish_from", Ordering::Release),
                ("message/producer.rs", "store_tail", Ordering::Release),
            ],
            Site::TailLoad => &[
                ("stream/consumer.rs", "find_tail", Ordering::Acquire),
                ("message/consumer.rs", "load_tail", Ordering::Acquire),
                ("message/consumer.rs", "available_now", Ordering::Acquire),
            ],
            Site::HeadStore => &[("reader.rs", "advance_from", Ordering::Release)],
            Site::HeadLoad => &[("writer.rs", "load_head", Ordering::Acquire)],
            Site::HeaderStore => &[("message/producer.rs", "publish_after", Ordering::Release)],
            Site::HeaderLoad => &[
                ("message/consumer.rs", "poll", Ordering::Acquire),
                ("message/consumer.rs", "poll_for_value", Ordering::Acquire),
            ],
            Site::Enter => &[("presence.rs", "store_attached", Ordering::Release)],
            Site::Leave => &[("presence.rs", "store_detached", Ordering::Release)],
            Site::PresenceLoad => &[("presence.rs", "observe", Ordering::Acquire)],
            Site::MagicStore => &[("identity.rs", "publish", Ordering::Release)],
            Site::MagicLoad => &[("identity.rs", "observe", Ordering::Acquire)],
            Site::ParkingStore => &[("park.rs", "announce", Ordering::Release)],
            Site::ParkingLoad => &[("park.rs", "answer", Ordering::Acquire)],
            Site::WakesStore => &[
                ("park.rs", "attach", Ordering::Release),
                ("park.rs", "answer", Ordering::Release),
                ("leave.rs", "leave", Ordering::Release),
            ],
        }
    }

    /// Makes the memory of a stream ring with as many slots, too weak at this site.
    #[must_use]
    pub fn memory(self, slots: usize) -> WeakenedMemory {
        self.over(CheckedMemory::new(slots))
    }

    /// Makes the memory of a message ring of as many bytes, too weak at this site.
    #[must_use]
    pub fn records(self, bytes: usize) -> WeakenedMemory {
        self.over(CheckedMemory::of_records(bytes))
    }

    fn over(self, memory: CheckedMemory) -> WeakenedMemory {
        let word = |purpose, word: &CheckedWord| WeakenedWord {
            word: word.clone(),
            site: (self.purpose() == Some(purpose)).then_some(self),
        };
        WeakenedMemory { words: Words::of(&memory, word), memory }
    }

    /// Makes the word of this site, too weak at it.
    #[must_use]
    pub fn word(self) -> WeakenedWord {
        WeakenedWord { word: CheckedWord::default(), site: Some(self) }
    }

    /// Returns which words of a memory this site is about.
    fn purpose(self) -> Option<Purpose> {
        match self {
            Site::TailStore | Site::TailLoad => Some(Purpose::Tail),
            Site::HeadStore | Site::HeadLoad => Some(Purpose::Head),
            Site::HeaderStore | Site::HeaderLoad => Some(Purpose::Header),
            Site::Enter | Site::Leave | Site::PresenceLoad => Some(Purpose::Presence),
            Site::MagicStore | Site::MagicLoad => None,
            Site::ParkingStore | Site::ParkingLoad | Site::WakesStore => None,
        }
    }

    fn weakens_load(self) -> bool {
        self.places().iter().all(|&(_, _, ordering)| ordering == Ordering::Acquire)
    }

    fn weakens_store(self, value: u64) -> bool {
        match self {
            // One word with two stores: the one makes it odd, the other even.
            Site::Enter => !value.is_multiple_of(2),
            Site::Leave => value.is_multiple_of(2),
            _ => !self.weakens_load(),
        }
    }
}

/// A word that is too weak at one site, or by default at none.
#[derive(Clone, Debug, Default)]
pub struct WeakenedWord {
    word: CheckedWord,
    site: Option<Site>,
}

impl Word for WeakenedWord {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        let weak = self.site.is_some_and(Site::weakens_load);
        self.word.load(if weak { Ordering::Relaxed } else { ordering })
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        let weak = self.site.is_some_and(|site| site.weakens_store(value));
        self.word.store(value, if weak { Ordering::Relaxed } else { ordering });
    }
}

/// Checked memory that is too weak at one site. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct WeakenedMemory {
    memory: CheckedMemory,
    words: Words<WeakenedWord>,
}

// SAFETY: everything but the orderings is that of the checked memory.
unsafe impl Memory for WeakenedMemory {
    type Word = WeakenedWord;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    /// A model's elements are single words.
    const SMALLEST_AHEAD: usize = 8;

    fn tail(&self) -> &WeakenedWord {
        &self.words.tail
    }

    fn head(&self) -> &WeakenedWord {
        &self.words.head
    }

    fn presence(&self, role: Role) -> &WeakenedWord {
        self.words.presence(role)
    }

    fn told(&self) -> &WeakenedWord {
        &self.words.told
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    fn is_mirrored(&self) -> bool {
        self.memory.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.memory.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &WeakenedWord {
        self.words.header(offset)
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        // SAFETY: the same promise.
        unsafe { self.memory.read(offset, len) }
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        // SAFETY: the same promise.
        unsafe { self.memory.write(offset, len) }
    }
}
