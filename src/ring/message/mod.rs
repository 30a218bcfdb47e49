//! The message ring: byte messages of any length, each published by the header of its record.
//!
//! A record is a header word and a payload, and starts at a multiple of the alignment. The header is 0 while nothing is there;
//! the producer writes the payload, zeroes the header of the *next* record, stores this one's header, then its tail. So
//! the header at the true tail is always 0, and there are two ways to learn of a message:
//!
//! - **An idle consumer polls the header at its head.** Flag, length and a short payload travel in one cache line, and the
//!   line of the tail is never touched: one miss for each message.
//! - **In a flow it takes the tail.** A consumer that finds one message right after another looks at the published tail
//!   instead, not too soon, and reads all records up to it without a poll. Polling alone would share the line that the
//!   producer is writing, for every message.
//!
//! The data area is mirrored: it is followed by itself once more, so a record never splits, and there is no path for the
//! end of the buffer. What a record may take is the space up to the head plus the capacity, less room for the zero behind it.
//!
//! A batch fills its first header last: until then nothing of it can be seen, and from then on all of it. When a producer is
//! killed between a header and the tail, the next one walks from the stored tail over the records that are there.
//!
//! A length in the record that is stored last is how Aeron's buffers commit a record too; ARCHITECTURE.md has what was measured.

mod batch;
mod claim;
mod consumer;
mod error;
mod pace;
mod peek;
mod peek_batch;
mod producer;
mod record;

pub use batch::Batch;
pub use claim::Claim;
pub use consumer::Consumer;
pub use error::{PopError, PushError};
pub use peek::Record;
pub use peek_batch::PeekBatch;
pub use producer::Producer;
pub use record::{LARGEST_ALIGN, SMALLEST_ALIGN, Shape};

use super::memory::Memory;

/// Refuses memory that the records cannot lie in. Every later access rests on it.
///
/// # Panics
///
/// If the memory is not mirrored or not as long as the capacity: the caller has seen to both.
fn fits<M: Memory>(memory: &M, shape: Shape) {
    assert!(memory.is_mirrored(), "the memory of a message ring is mirrored");
    assert_eq!(memory.len(), shape.capacity(), "the data area of a message ring is as long as its capacity");
}
