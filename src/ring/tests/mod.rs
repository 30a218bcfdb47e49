//! What the rings promise, as one list of scenarios that runs over heap memory and over a real segment.

#![allow(
    clippy::forget_non_drop,
    clippy::drop_non_drop,
    reason = "a guard ends in every way that its user has, whatever its drop does"
)]
#![allow(unsafe_code, reason = "the heap memory implements an unsafe trait")]

/// Runs each scenario over heap memory and over a segment.
macro_rules! scenarios {
    ($($scenario:ident),* $(,)?) => {
        mod on_heap {
            $(#[test] fn $scenario() { super::$scenario::<super::OnHeap>(); })*
        }
        #[cfg(not(miri))]
        mod in_segment {
            $(#[test] fn $scenario() { super::$scenario::<super::InSegment>(); })*
        }
    };
}

mod access;
mod awake;
mod detach;
mod footprint;
mod heap;
mod message;
mod message_ahead;
mod message_in_place;
mod message_model;
mod message_peer;
mod planted;
mod stream;
mod stream_model;

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::{Memory, Role, Word};
use super::message::Geometry;
use crate::error::Error;
use crate::options::Options;
use crate::segment::{Segment, unlink};
use heap::Heap;

/// Where a ring can live.
trait Place {
    type Memory: Memory + Debug;

    /// Makes a fresh data area of `capacity` elements, and returns the memory of the producer and that of the consumer.
    fn memories<T>(capacity: usize) -> (Self::Memory, Self::Memory);

    /// The smallest capacity of a message ring.
    const SMALLEST: usize;

    /// Makes a fresh data area for messages, and returns the memory of the producer and that of the consumer.
    fn message_memories(geometry: Geometry) -> (Self::Memory, Self::Memory);
}

struct OnHeap;

impl Place for OnHeap {
    type Memory = Heap;

    fn memories<T>(capacity: usize) -> (Heap, Heap) {
        let heap = Heap::new(capacity * size_of::<T>());
        (heap.clone(), heap)
    }

    const SMALLEST: usize = 256;

    fn message_memories(geometry: Geometry) -> (Heap, Heap) {
        let heap = Heap::new(geometry.capacity());
        (heap.clone(), heap)
    }
}

struct InSegment;

impl Place for InSegment {
    type Memory = Segment;

    fn memories<T>(capacity: usize) -> (Segment, Segment) {
        attach(
            |options| options.capacity(capacity),
            |options, role| options.stream_segment(role, std::alloc::Layout::new::<T>()),
        )
    }

    const SMALLEST: usize = 4096;

    fn message_memories(geometry: Geometry) -> (Segment, Segment) {
        attach(
            |options| options.capacity(geometry.capacity()).record_alignment(geometry.alignment()),
            |options, role| options.message_segment(role),
        )
    }
}

/// Makes a ring and attaches both roles to it.
fn attach(
    options: impl FnOnce(Options) -> Options,
    segment: impl Fn(&Options, Role) -> Result<Segment, Error>,
) -> (Segment, Segment) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("unit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let options = options(Options::new(&name));
    let producer = segment(&options, Role::Producer).expect("the ring is created");
    let consumer = segment(&options, Role::Consumer).expect("the ring is there");
    unlink(&name).expect("the name is there");
    (producer, consumer)
}

/// Lets an unused ring start at a position, so that a test reaches the wrap of 2^64.
fn start_at<M: Memory>(memory: &M, position: u64) {
    memory.tail().store(position, Ordering::Relaxed);
    memory.head().store(position, Ordering::Relaxed);
}
