//! What models of message rings are made of.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::model::{reached, until};
use crate::ring::error::{PopError, PushError};
use crate::ring::memory::{Memory, Word};
use crate::ring::message::{Consumer, Geometry, Producer, SMALLEST_ALIGN};

/// What a consumer says that finds no header where a record should start.
pub const NO_HEADER: &str = "the header of a record holds";

/// What [`expect`] says.
pub const OTHER_MESSAGE: &str = "not the message that was expected";

/// Attaches both ends to a ring of records that start at words, the positions of which stand at `position`.
///
/// # Panics
///
/// If they cannot be attached.
pub fn ring<M: Memory + Clone>(memory: M, position: u64) -> (Producer<M>, Consumer<M>) {
    aligned_ring(memory, SMALLEST_ALIGN, position)
}

/// Attaches both ends to a ring of records that start at multiples of `align`.
///
/// # Panics
///
/// If they cannot be attached.
pub fn aligned_ring<M: Memory + Clone>(memory: M, align: usize, position: u64) -> (Producer<M>, Consumer<M>) {
    memory.tail().store(position, Ordering::Relaxed);
    memory.head().store(position, Ordering::Relaxed);
    let geometry = Geometry::new(memory.len(), align);
    let producer = Producer::attach(memory.clone(), geometry, 0).expect("a sound head");
    (producer, Consumer::attach(memory, geometry, 0).expect("a sound tail"))
}

/// Attaches a producer of records that start at words.
///
/// # Panics
///
/// If it cannot be attached.
pub fn producer<M: Memory>(memory: M) -> Producer<M> {
    let geometry = Geometry::new(memory.len(), SMALLEST_ALIGN);
    Producer::attach(memory, geometry, 0).expect("sound words")
}

/// Attaches a consumer of records that start at words.
///
/// # Panics
///
/// If it cannot be attached.
pub fn consumer<M: Memory>(memory: M) -> Consumer<M> {
    let geometry = Geometry::new(memory.len(), SMALLEST_ALIGN);
    Consumer::attach(memory, geometry, 0).expect("sound words")
}

/// Returns how many units of positions must be free for a message of `len` bytes.
///
/// # Panics
///
/// If the ring can never hold such a message.
#[must_use]
pub fn needed<M: Memory>(producer: &Producer<M>, len: usize) -> u64 {
    producer.needed(0, len).expect("a message that the ring can hold")
}

/// Makes a message that no header looks like: what lies in the data and is taken for one is found out.
#[must_use]
pub fn message(number: u64) -> u64 {
    0x6d64 + number
}

/// Makes a call on a producer as soon as there is room. Whether it had to wait is noted as `"full"`.
///
/// # Panics
///
/// If there never is, or the call fails for another reason.
#[track_caller]
pub fn when_free<R>(mut attempt: impl FnMut() -> Result<R, PushError>) -> R {
    until(|| match attempt() {
        Ok(result) => Some(result),
        Err(PushError::Full(_)) => {
            reached("full");
            None
        }
        Err(error) => panic!("{error}"),
    })
}

/// Makes a call on a consumer as soon as a message is there. Whether it had to wait is noted as `"empty"`.
///
/// # Panics
///
/// If none comes, or the call fails for another reason.
#[track_caller]
pub fn when_there<R>(mut attempt: impl FnMut() -> Result<R, PopError>) -> R {
    until(|| match attempt() {
        Ok(result) => Some(result),
        Err(PopError::Empty) => {
            reached("empty");
            None
        }
        Err(error) => panic!("{error}"),
    })
}

/// Pushes a value as soon as there is room.
#[track_caller]
pub fn push<M: Memory>(producer: &mut Producer<M>, value: u64) {
    when_free(|| producer.push_value(&value));
}

/// Pops a value as soon as one is there.
#[track_caller]
pub fn pop<M: Memory>(consumer: &mut Consumer<M>) -> u64 {
    when_there(|| consumer.pop_value())
}

/// Pops these messages, each as soon as it is there.
///
/// # Panics
///
/// If another one comes, or none.
#[track_caller]
pub fn expect<M: Memory>(consumer: &mut Consumer<M>, numbers: Range<u64>) {
    for number in numbers {
        assert_eq!(pop(consumer), message(number), "{OTHER_MESSAGE}");
    }
}

/// Returns whether a consumer knows of messages behind the next one that it pops: it found them at the tail.
#[must_use]
pub fn knows_more<M: Memory>(consumer: &Consumer<M>) -> bool {
    // It tells nobody else: a view is no promise.
    !format!("{consumer:?}").contains(&format!("known_end: {}, ", consumer.position()))
}

/// Makes sure that no message is there.
///
/// # Panics
///
/// If one is, or the call fails for another reason.
#[track_caller]
pub fn expect_none<M: Memory>(consumer: &mut Consumer<M>) {
    assert_eq!(consumer.pop_value::<u64>(), Err(PopError::Empty), "{OTHER_MESSAGE}");
}
