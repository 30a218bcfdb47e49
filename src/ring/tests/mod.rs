//! What the rings promise, as one list of scenarios that runs over heap memory and over a real segment.

#![allow(unsafe_code, reason = "the heap memory implements an unsafe trait")]

mod heap;
mod stream;
mod stream_model;

use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::{Memory, Role, Word};
use crate::options::Options;
use crate::segment::{Segment, unlink};
use heap::Heap;

/// Where a ring can live.
trait Place {
    type Memory: Memory;

    /// Makes a fresh data area of `capacity` elements, and returns the memory of the producer and that of the consumer.
    fn memories<T>(capacity: usize) -> (Self::Memory, Self::Memory);
}

struct OnHeap;

impl Place for OnHeap {
    type Memory = Heap;

    fn memories<T>(capacity: usize) -> (Heap, Heap) {
        let heap = Heap::new(capacity * size_of::<T>());
        (heap.clone(), heap)
    }
}

struct InSegment;

impl Place for InSegment {
    type Memory = Segment;

    fn memories<T>(capacity: usize) -> (Segment, Segment) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("unit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let options = Options::new(&name).capacity(capacity);
        let producer = Segment::attach::<T>(&options, Role::Producer).expect("the ring is created");
        let consumer = Segment::attach::<T>(&options, Role::Consumer).expect("the ring is there");
        unlink(&name).expect("the name is there");
        (producer, consumer)
    }
}

/// Lets an unused ring start at a position, so that a test reaches the wrap of 2^64.
fn start_at<M: Memory>(memory: &M, position: u64) {
    memory.tail().store(position, Ordering::Relaxed);
    memory.head().store(position, Ordering::Relaxed);
}
