//! Checked memory in which one ordering of `src/ring/` is Relaxed.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on")]

use std::sync::atomic::Ordering;

use crate::checked::{CheckedMemory, CheckedWord};
use crate::ring::memory::{Memory, Role, Word};

/// A place in `src/ring/` where a Release or an Acquire is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The producer publishes elements.
    TailStore,
    /// The consumer observes elements.
    TailLoad,
    /// The consumer gives slots back.
    HeadStore,
    /// The producer observes that slots are free.
    HeadLoad,
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
}

impl Site {
    /// Every site. A test looks them up in the source.
    pub const ALL: [Site; 9] = [
        Site::TailStore,
        Site::TailLoad,
        Site::HeadStore,
        Site::HeadLoad,
        Site::Enter,
        Site::Leave,
        Site::PresenceLoad,
        Site::MagicStore,
        Site::MagicLoad,
    ];

    /// The sites that order the elements.
    pub const POSITIONS: [Site; 4] = [Site::TailStore, Site::TailLoad, Site::HeadStore, Site::HeadLoad];

    /// Returns the file below `src/ring/`, the function, and the ordering.
    #[must_use]
    pub fn place(self) -> (&'static str, &'static str, Ordering) {
        match self {
            Site::TailStore => ("stream/producer.rs", "publish", Ordering::Release),
            Site::TailLoad => ("stream/consumer.rs", "refresh", Ordering::Acquire),
            Site::HeadStore => ("stream/consumer.rs", "release", Ordering::Release),
            Site::HeadLoad => ("stream/producer.rs", "refresh", Ordering::Acquire),
            Site::Enter => ("presence.rs", "enter", Ordering::Release),
            Site::Leave => ("presence.rs", "leave", Ordering::Release),
            Site::PresenceLoad => ("presence.rs", "observe", Ordering::Acquire),
            Site::MagicStore => ("identity.rs", "publish", Ordering::Release),
            Site::MagicLoad => ("identity.rs", "observe", Ordering::Acquire),
        }
    }

    /// Makes the memory of a ring with as many slots, too weak at this site.
    #[must_use]
    pub fn memory(self, slots: usize) -> WeakenedMemory {
        let memory = CheckedMemory::new(slots);
        let word = |word: &CheckedWord, sites: &[Site]| WeakenedWord {
            word: word.clone(),
            site: sites.contains(&self).then_some(self),
        };
        let presence = [Site::Enter, Site::Leave, Site::PresenceLoad];
        WeakenedMemory {
            tail: word(memory.tail(), &[Site::TailStore, Site::TailLoad]),
            head: word(memory.head(), &[Site::HeadStore, Site::HeadLoad]),
            producer: word(memory.presence(Role::Producer), &presence),
            consumer: word(memory.presence(Role::Consumer), &presence),
            memory,
        }
    }

    /// Makes the word of this site, too weak at it.
    #[must_use]
    pub fn word(self) -> WeakenedWord {
        WeakenedWord { word: CheckedWord::default(), site: Some(self) }
    }

    fn weakens_load(self) -> bool {
        matches!(self, Site::TailLoad | Site::HeadLoad | Site::PresenceLoad | Site::MagicLoad)
    }

    fn weakens_store(self, value: u64) -> bool {
        match self {
            Site::TailStore | Site::HeadStore | Site::MagicStore => true,
            // One word with two stores: the one makes it odd, the other even.
            Site::Enter => !value.is_multiple_of(2),
            Site::Leave => value.is_multiple_of(2),
            Site::TailLoad | Site::HeadLoad | Site::PresenceLoad | Site::MagicLoad => false,
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
    tail: WeakenedWord,
    head: WeakenedWord,
    producer: WeakenedWord,
    consumer: WeakenedWord,
}

// SAFETY: everything but the orderings is that of the checked memory.
unsafe impl Memory for WeakenedMemory {
    type Word = WeakenedWord;

    fn tail(&self) -> &WeakenedWord {
        &self.tail
    }

    fn head(&self) -> &WeakenedWord {
        &self.head
    }

    fn presence(&self, role: Role) -> &WeakenedWord {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    #[track_caller]
    unsafe fn read<R>(&self, offset: usize, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        // SAFETY: the same promise.
        unsafe { self.memory.read(offset, len, access) }
    }

    #[track_caller]
    unsafe fn write<R>(&self, offset: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        // SAFETY: the same promise.
        unsafe { self.memory.write(offset, len, access) }
    }
}
