//! Mistakes that a sanitizer must find: what shows that it can. They are ignored: `.ci/sanitize` runs each by itself
//! and expects it to be found.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::access::TestAccess;
use super::awake::Awake;
use super::heap::Heap;
use super::message::EAGER;
use crate::ring::copy::{Out, copy};
use crate::ring::memory::{Access, Memory, Role, Word};
use crate::ring::message;
use crate::ring::stream::{Consumer, Element, Producer};

/// A word whose every store and load is relaxed, whatever was asked for.
#[repr(transparent)]
struct Relaxed(AtomicU64);

impl Relaxed {
    fn of(word: &AtomicU64) -> &Relaxed {
        let word: *const AtomicU64 = word;
        // SAFETY: the same type behind another name.
        unsafe { &*word.cast() }
    }
}

impl Word for Relaxed {
    fn load(&self, _ordering: Ordering) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn store(&self, value: u64, _ordering: Ordering) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Heap memory that orders nothing, and that hands out what lies `shift` bytes behind the range that is to be written.
struct Planted {
    heap: Heap,
    shift: usize,
}

// SAFETY: it is not: that is the mistake.
unsafe impl Memory for Planted {
    type Word = Relaxed;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn tail(&self) -> &Relaxed {
        Relaxed::of(self.heap.tail())
    }

    fn head(&self) -> &Relaxed {
        Relaxed::of(self.heap.head())
    }

    fn presence(&self, role: Role) -> &Relaxed {
        Relaxed::of(self.heap.presence(role))
    }

    fn told(&self) -> &Relaxed {
        Relaxed::of(self.heap.told())
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn is_mirrored(&self) -> bool {
        self.heap.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.heap.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &Relaxed {
        // SAFETY: the caller's promise.
        Relaxed::of(unsafe { self.heap.header(offset) })
    }

    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        // SAFETY: the caller's promise.
        unsafe { self.heap.read(offset, len) }
    }

    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        if self.shift == 0 {
            // SAFETY: the caller's promise.
            return unsafe { self.heap.write(offset, len) };
        }
        // SAFETY: 0 bytes.
        let access = unsafe { self.heap.write(offset, 0) };
        TestAccess::new(access.address().wrapping_add(self.shift), || drop(access))
    }
}

const COUNT: u64 = 200;

/// Makes the two ends of a memory that is right but for its orderings.
fn unordered(len: usize) -> [Planted; 2] {
    let heap = Heap::new(len);
    [Planted { heap: heap.clone(), shift: 0 }, Planted { heap, shift: 0 }]
}

/// Fills a ring of which each element is written one element too far: the last one lies outside.
fn overruns<T: Element>() {
    const CAPACITY: usize = 4;
    let heap = Heap::new(CAPACITY * size_of::<T>());
    let planted = Planted { heap, shift: size_of::<T>() };
    let mut producer = Producer::<T, _>::attach(planted, CAPACITY, 0).unwrap();
    (0..CAPACITY).for_each(|_| assert!(producer.push(T::zeroed()).is_ok()));
}

#[test]
#[ignore = "a mistake, for .ci/sanitize"]
fn a_race_of_elements() {
    let [written, read] = unordered(4 * size_of::<u64>());
    let mut producer = Producer::<u64, _>::attach(written, 4, EAGER).unwrap();
    let mut consumer = Consumer::<u64, _>::attach(read, 4, EAGER).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..COUNT {
                while producer.push(number).is_err() {
                    thread::yield_now();
                }
            }
        });
        for _ in 0..COUNT {
            while consumer.pop().is_err() {
                thread::yield_now();
            }
        }
    });
}

#[test]
#[ignore = "a mistake, for .ci/sanitize"]
fn a_race_of_messages() {
    let geometry = message::Geometry::new(256, 8);
    let [written, read] = unordered(geometry.capacity());
    let mut producer = message::Producer::attach(written, geometry, EAGER).unwrap();
    let mut consumer = message::Consumer::attach(read, geometry, EAGER).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..COUNT {
                while producer.push(&number.to_le_bytes()).is_err() {
                    thread::yield_now();
                }
            }
        });
        for _ in 0..COUNT {
            while consumer.pop(&mut [0; 8]).is_err() {
                thread::yield_now();
            }
        }
    });
}

#[test]
#[ignore = "a mistake, for .ci/sanitize"]
fn an_overrun_by_words() {
    overruns::<u64>();
}

#[test]
#[ignore = "a mistake, for .ci/sanitize"]
fn an_overrun_by_a_long_copy() {
    overruns::<[u64; 64]>();
}

#[test]
#[ignore = "a mistake, for .ci/sanitize"]
fn an_overrun_of_what_is_copied_out() {
    let shared = vec![0_u64; 64];
    let mut private = vec![0_u64; 63];
    // SAFETY: it is not: the private side is one word too short.
    unsafe { copy::<Out, u64>(shared.as_ptr().cast(), private.as_mut_ptr().cast(), 64) };
}
