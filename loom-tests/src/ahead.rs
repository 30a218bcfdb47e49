//! What a producer prepares ahead of its tail, and mistakes in that.

#![allow(unsafe_code, reason = "takes a slot ahead that is not free, on purpose")]

use crate::ring::memory::Memory;
use crate::ring::{message, stream};

/// Returns where a producer of messages has stored the header 0 already.
#[must_use]
pub fn zeroed<M: Memory>(producer: &message::Producer<M>) -> u64 {
    producer.kind.zeroed
}

/// Makes a producer of messages believe that the header there is 0.
pub fn believe_zeroed<M: Memory>(producer: &mut message::Producer<M>, position: u64) {
    producer.kind.zeroed = position;
}

/// Makes a producer take the slot ahead that lies so many behind its tail: two lines are more than a model has.
pub fn take_ahead<M: Memory>(producer: &mut stream::Producer<u64, M>, slots: u64) {
    producer.kind.ahead = slots;
}

/// Takes a slot ahead, wherever it lies: it may not be free.
pub fn take<M: Memory>(producer: &stream::Producer<u64, M>, position: u64) {
    // SAFETY: the memory of a model has a slot at every position. That another end may read it is the mistake.
    unsafe { producer.fetch_ahead(position) };
}
