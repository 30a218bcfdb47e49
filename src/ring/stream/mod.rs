//! The stream ring: elements of one type, no header per element, published by the tail.
//!
//! Slot `i` holds the elements whose position is `i` modulo the capacity. The producer owns the slots from its tail up to
//! the head plus the capacity, the consumer those from its head up to the tail; each learns the other's position only when
//! its own copy of it is used up. Four rules decide the speed:
//!
//! - **The producer publishes at once.** A push is visible when it returns; nothing is held back.
//! - **The consumer gives back at once.** A slot is the producer's when its pop returns.
//! - **Nobody looks early.** A position is loaded only when the private view of it cannot serve the call.
//! - **Both pace their looks.** An end that is faster than the other one would take the line of its position from it at
//!   every element. It waits a little before a look that would find few, and not at all once a look found nothing, so that
//!   an idle end answers at once.
//!
//! The cached positions are those of rigtorp's and rtrb's queues; the paced look is a measured addition (docs/performance.md).

mod claim;
mod consumer;
mod error;
mod peek;
mod producer;

use bytemuck::{AnyBitPattern, NoUninit};

pub use claim::Claim;
pub use consumer::Consumer;
pub use error::{ClaimError, PeekError, PopError, PushError, PushSliceError};
pub use peek::{Elements, Peek};
pub use producer::Producer;

use super::memory::{DATA_ALIGN, Memory};

/// What a stream ring carries: plain data, every byte of which is written and every bit pattern of which is a value.
///
/// It is implemented for all types that are both [`NoUninit`] and [`AnyBitPattern`]: integers, floats, arrays of them, and
/// structs for which bytemuck's derives hold. A `bool`, a `char` or a reference is refused at compile time, because the
/// other process could write bytes that are none:
///
/// ```compile_fail,E0277
/// let tx = ringmain::Options::new("flags").capacity(8).stream_producer::<bool>();
/// ```
///
/// So is a type of size zero, of which there is nothing to carry:
///
/// ```compile_fail,E0080
/// let tx = ringmain::Options::new("nothing").capacity(8).stream_producer::<()>();
/// ```
pub trait Element: NoUninit + AnyBitPattern {}

impl<T: NoUninit + AnyBitPattern> Element for T {}

/// Refuses element types and capacities that the slots cannot hold. Every later access rests on it.
///
/// # Panics
///
/// If `capacity` is no power of two or its slots do not fit the data area: the caller has checked both.
fn fits<T: Element, M: Memory>(memory: &M, capacity: usize) {
    const {
        assert!(size_of::<T>() > 0, "a zero-sized type carries nothing: count with an integer instead");
        assert!(align_of::<T>() <= DATA_ALIGN, "the alignment of an element is at most a page");
    }
    assert!(capacity.is_power_of_two(), "the capacity {capacity} is no power of two");
    let len = capacity.checked_mul(size_of::<T>());
    assert!(len.is_some_and(|len| len <= memory.len()), "{capacity} slots do not fit the data area");
}
