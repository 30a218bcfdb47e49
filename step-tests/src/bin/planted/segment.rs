//! The segment that ships, and in front of it a memory with a bug.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on, wrongly on purpose")]

pub(crate) use crate::shipped_segment::*;
pub use crate::shipped_segment::{End, Features, Inspection, Permissions};

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::access::TestAccess;
use crate::bug::{Bug, is_planted};
use crate::error::Error;
use crate::ring::ends::Ends;
use crate::ring::memory::{Memory, Role, Word};
use crate::ring::presence::Presence;
use crate::shipped_segment::Segment as Shipped;

/// One role in one mapped ring.
pub(crate) struct Segment {
    tail: PlantedWord,
    head: PlantedWord,
    presence: [PlantedWord; 2],
    told: PlantedWord,
    /// One for each word of the data area.
    headers: Vec<PlantedWord>,
    /// Whether it counts as told when it comes.
    counts_as_told: bool,
    late: LateWrites,
    /// The last field: the words point into it.
    shipped: Shipped,
}

impl Segment {
    /// Creates as the segment that ships does.
    pub(crate) fn create(request: &Request, requirements: &Requirements) -> Result<OwnedFd, Error> {
        Shipped::create(request, requirements)
    }

    /// Attaches as the segment that ships does.
    pub(crate) fn attach(request: &Request, role: Role, requirements: &Requirements) -> Result<Segment, Error> {
        let shipped = Shipped::attach(request, role, requirements)?;
        let late = LateWrites::default();
        let word = |word: &AtomicU64, purpose| {
            let publishes = match shipped.is_mirrored() {
                true => purpose == Purpose::Header,
                false => purpose == Purpose::Tail,
            };
            let late = (publishes && is_planted(Bug::PublishBeforeWrite)).then(|| Arc::clone(&late));
            PlantedWord { word, purpose, late, was_lost: AtomicBool::new(false) }
        };
        let records = if shipped.is_mirrored() { shipped.len() / 8 } else { 0 };
        let header = |at: usize| {
            // SAFETY: a word of the data area.
            word(unsafe { shipped.header(8 * at) }, Purpose::Header)
        };
        Ok(Segment {
            tail: word(shipped.tail(), Purpose::Tail),
            head: word(shipped.head(), Purpose::Head),
            presence: [Role::Producer, Role::Consumer].map(|role| word(shipped.presence(role), Purpose::Other)),
            told: word(shipped.told(), Purpose::Told),
            headers: (0..records).map(header).collect(),
            counts_as_told: role == Role::Consumer && is_planted(Bug::ToldNever),
            late,
            shipped,
        })
    }

    /// Finds out which ends concern this holder, as the segment that ships does.
    pub(crate) fn ends(&self, seen: (Presence, bool), has_data: bool) -> Ends {
        let ends = self.shipped.ends(seen, has_data);
        if self.counts_as_told {
            ends.mark_told(self, Role::Consumer, seen.0);
        }
        ends
    }
}

impl Deref for Segment {
    type Target = Shipped;

    fn deref(&self) -> &Shipped {
        &self.shipped
    }
}

impl DerefMut for Segment {
    fn deref_mut(&mut self) -> &mut Shipped {
        &mut self.shipped
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Tail,
    Head,
    Told,
    Header,
    Other,
}

/// Addresses, and what is written there after the next publication.
type LateWrites = Arc<Mutex<Vec<(usize, Vec<u64>, usize)>>>;

/// A word the stores of which may go wrong. It lives as long as the segment beside it.
pub(crate) struct PlantedWord {
    word: *const AtomicU64,
    purpose: Purpose,
    late: Option<LateWrites>,
    /// Whether the last publication was lost.
    was_lost: AtomicBool,
}

// SAFETY: what it points to is an atomic, mapped for as long as the segment that has the word.
unsafe impl Send for PlantedWord {}

impl PlantedWord {
    fn word(&self) -> &AtomicU64 {
        // SAFETY: it is mapped for as long as the segment that has the word.
        unsafe { &*self.word }
    }
}

impl Word for PlantedWord {
    fn load(&self, ordering: Ordering) -> u64 {
        self.word().load(ordering)
    }

    fn store(&self, value: u64, ordering: Ordering) {
        let publishes = ordering == Ordering::Release;
        let is_lost = match self.purpose {
            Purpose::Header => value == 0 && is_planted(Bug::NextHeaderNotZeroed),
            Purpose::Told => is_planted(Bug::ToldTwice),
            Purpose::Head if publishes && is_planted(Bug::CreditWithheld) => {
                !self.was_lost.fetch_xor(true, Ordering::Relaxed)
            }
            _ => false,
        };
        if is_lost {
            return;
        }
        self.word().store(value, ordering);
        if !publishes {
            return;
        }
        let late = self.late.iter().flat_map(|late| std::mem::take(&mut *late.lock().unwrap()));
        for (address, words, len) in late {
            // SAFETY: the range is the one that was to be written, and the words are private.
            unsafe { (address as *mut u8).copy_from_nonoverlapping(words.as_ptr().cast(), len) };
        }
    }
}

// SAFETY: every address is one of the segment that ships, or for a late write that of as many private bytes.
unsafe impl Memory for Segment {
    type Word = PlantedWord;
    type Parking = Shipped;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn tail(&self) -> &PlantedWord {
        &self.tail
    }

    fn head(&self) -> &PlantedWord {
        &self.head
    }

    fn presence(&self, role: Role) -> &PlantedWord {
        &self.presence[usize::from(role == Role::Consumer)]
    }

    fn told(&self) -> &PlantedWord {
        &self.told
    }

    fn parking(&self) -> Option<&Shipped> {
        self.shipped.parking()
    }

    fn len(&self) -> usize {
        self.shipped.len()
    }

    fn is_mirrored(&self) -> bool {
        self.shipped.is_mirrored()
    }

    fn in_own_process(&self) -> bool {
        self.shipped.in_own_process()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.shipped.own(role)
    }

    fn detach(&mut self) {
        self.shipped.detach();
    }

    unsafe fn header(&self, offset: usize) -> &PlantedWord {
        &self.headers[offset / 8]
    }

    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        if is_planted(Bug::ReleaseBeforeRead) {
            // A stream counts elements, a message ring the bytes of records.
            let passed =
                if self.is_mirrored() { (8 + len).next_multiple_of(8) } else { len * self.capacity() / self.len() };
            let head = self.head.load(Ordering::Relaxed);
            self.head.store(head + passed as u64, Ordering::Release);
        }
        if !self.is_mirrored() && is_planted(Bug::CursorPastView) {
            let known_end = self.tail.load(Ordering::Acquire);
            // SAFETY: the words of the one handle of this memory, which is in this call.
            unsafe { self.shipped.own(Role::Consumer).as_mut()[1] = known_end };
        }
        // SAFETY: the same promise.
        TestAccess::new(unsafe { self.shipped.read(offset, len) }, || ())
    }

    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        // SAFETY: the same promise.
        let bytes = unsafe { self.shipped.write(offset, len) };
        if !is_planted(Bug::PublishBeforeWrite) {
            return TestAccess::new(bytes, || ());
        }
        let mut words = vec![0_u64; len.div_ceil(8)];
        TestAccess::new(words.as_mut_ptr().cast(), move || {
            self.late.lock().unwrap().push((bytes as usize, words, len));
        })
    }
}
