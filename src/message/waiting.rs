//! The calls of a message ring that wait.

use std::io::IoSlice;

use bytemuck::{AnyBitPattern, NoUninit};

use super::{Claim, Consumer, PeekBatch, Producer, Record};
use crate::ring::endpoint::Kind;
use crate::ring::error::PopError;
use crate::ring::message::{Payload, Push, Staged};
use crate::segment::Segment;
use crate::wait::{Deadline, Interest, WaitError, Waiting, next, waited};

/// # In a set
impl Producer {
    /// Waits in a [`WaitSet`](crate::WaitSet) until there is room for a message of `len` bytes.
    #[inline]
    pub fn writable(&mut self, len: usize) -> Interest<'_> {
        let max = self.max_len();
        let need = self.needed(0, len).unwrap_or(0);
        Interest::new(self, need, len, max)
    }
}

/// # In a set
impl Consumer {
    /// Waits in a [`WaitSet`](crate::WaitSet) until a message is there.
    #[inline]
    pub fn readable(&mut self) -> Interest<'_> {
        let need = self.record_alignment() as u64;
        Interest::new(self, need, 0, 0)
    }
}

/// For a producer and for a batch of it.
impl<'a, H: Push<Segment>> Waiting<'a, H> {
    /// Pushes one message, as soon as there is room. In a batch, that is room after the messages of the batch.
    ///
    /// # Errors
    ///
    /// [`WaitError::TooLong`] at once; else one that says why there will be no room.
    #[inline]
    pub fn push(self, bytes: &[u8]) -> Result<(), WaitError> {
        self.push_payload(None, bytes)
    }

    /// Pushes one message with a word of the user's, as soon as there is room.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`WaitError::NoWord`].
    #[inline]
    pub fn push_tagged(self, word: u64, bytes: &[u8]) -> Result<(), WaitError> {
        self.push_payload(Some(word), bytes)
    }

    /// Pushes one message that lies in several parts, as soon as there is room.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_vectored(self, parts: &[IoSlice<'_>]) -> Result<(), WaitError> {
        self.push_payload(None, parts)
    }

    /// Pushes the bytes of a value as one message, as soon as there is room.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_value<T: NoUninit>(self, value: &T) -> Result<(), WaitError> {
        self.push_payload(None, value)
    }

    /// Takes room for a message of up to `len` bytes in place, as soon as it is free.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), for a message of `len` bytes.
    pub fn claim(mut self, len: usize) -> Result<Claim<'a>, WaitError> {
        wait_for_room(self.handle, len, &mut self.deadline)?;
        waited(self.handle.claim_room(len))
    }

    /// Waits until there is room for a message of `len` bytes.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn until_free(mut self, len: usize) -> Result<(), WaitError> {
        wait_for_room(self.handle, len, &mut self.deadline)
    }

    #[inline(always)]
    fn push_payload<P: Payload + ?Sized>(mut self, word: Option<u64>, payload: &P) -> Result<(), WaitError> {
        self.until(
            |handle| handle.push_payload(word, payload),
            |handle, deadline| wait_for_room(handle, payload.len(), deadline),
        )
    }
}

/// Waits until there is room for a message of `len` bytes.
#[inline(never)]
fn wait_for_room<H: Push<Segment>>(handle: &mut H, len: usize, deadline: &mut Deadline<'_>) -> Result<(), WaitError> {
    let (producer, batch) = handle.parts();
    let need = waited(producer.needed(batch.as_deref().map_or(0, Staged::bytes), len))?;
    producer.wait_until_ready(need, deadline)
}

impl<'a> Waiting<'a, Consumer> {
    /// Pops one message into a buffer, as soon as one is there, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`WaitError::BufferTooShort`]: the message is longer than the buffer, and stays in the ring.
    /// - One that says why none will come, when all that was sent has been read.
    #[inline]
    pub fn pop(self, bytes: &mut [u8]) -> Result<usize, WaitError> {
        self.receive(|consumer| consumer.pop(bytes))
    }

    /// Pops one message into a buffer, as soon as one is there, and returns the word that its producer gave it, and its
    /// length.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn pop_tagged(self, bytes: &mut [u8]) -> Result<(u64, usize), WaitError> {
        self.receive(|consumer| consumer.pop_tagged(bytes))
    }

    /// Pops one message of any length into a vector, replacing its contents, as soon as one is there, and returns its
    /// length.
    ///
    /// # Errors
    ///
    /// One that says why none will come, when all that was sent has been read.
    #[inline]
    pub fn pop_into(self, bytes: &mut Vec<u8>) -> Result<usize, WaitError> {
        self.receive(|consumer| consumer.pop_into(bytes))
    }

    /// Pops one message as a value, as soon as one is there.
    ///
    /// # Errors
    ///
    /// - [`WaitError::WrongSize`]: the message has another length than the value, and stays in the ring.
    /// - One that says why none will come, when all that was sent has been read.
    #[inline(always)]
    pub fn pop_value<T: AnyBitPattern>(self) -> Result<T, WaitError> {
        self.receive(Consumer::pop_value)
    }

    /// Waits until a message is there.
    ///
    /// # Errors
    ///
    /// One that says why none will come, when all that was sent has been read.
    pub fn until_available(mut self) -> Result<(), WaitError> {
        wait(self.handle, 0, &mut self.deadline)
    }

    /// Peeks at the next message in place, as soon as one is there.
    ///
    /// # Errors
    ///
    /// As [`until_available`](Self::until_available).
    pub fn peek(mut self) -> Result<Record<'a>, WaitError> {
        wait(self.handle, 0, &mut self.deadline)?;
        waited(self.handle.peek())
    }

    /// Hands each message that is there, at most `max` of them, to `read`, as soon as one is, and releases it
    /// afterwards. Returns how many there were.
    ///
    /// # Errors
    ///
    /// As [`until_available`](Self::until_available).
    pub fn drain(mut self, max: usize, read: impl FnMut(&Record<'_>)) -> Result<usize, WaitError> {
        if max > 0 {
            wait(self.handle, 0, &mut self.deadline)?;
        }
        Ok(self.handle.drain(max, read)?)
    }

    /// Pops the messages one after the other, and waits for each. It ends when the producer has closed the ring and all
    /// is read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-messages-{}", std::process::id());
    /// use ringmain::Options;
    ///
    /// let mut tx = Options::new(&name).capacity(4096).message_producer()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).message_consumer()?;
    /// tx.push(b"buy 100")?;
    /// tx.push(b"sell 7")?;
    /// tx.close()?;
    /// let mut orders = Vec::new();
    /// for message in rx.blocking().messages() {
    ///     orders.push(message?);
    /// }
    /// assert_eq!(orders, [&b"buy 100"[..], b"sell 7"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn messages(self) -> IncomingMessages<'a> {
        IncomingMessages { waiting: Some(self) }
    }

    /// The wait is out of line, so that a value stays in registers.
    #[inline(always)]
    fn receive<R>(mut self, pop: impl FnMut(&mut Consumer) -> Result<R, PopError>) -> Result<R, WaitError> {
        self.until(pop, |consumer, deadline| wait(consumer, 0, deadline))
    }
}

impl Waiting<'_, PeekBatch<'_>> {
    /// Returns the length of the next message, as soon as one is there.
    ///
    /// # Errors
    ///
    /// One that says why none will come. That is [`WaitError::TooLong`] if the messages of the batch fill the ring.
    pub fn next_len(mut self) -> Result<usize, WaitError> {
        self.wait()?;
        waited(self.handle.next_len())
    }

    /// Copies the next message to the end of a vector, as soon as one is there, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`next_len`](Self::next_len).
    pub fn append_next(mut self, bytes: &mut Vec<u8>) -> Result<usize, WaitError> {
        self.wait()?;
        waited(self.handle.append_next(bytes))
    }

    /// Copies the next message to a buffer, as soon as one is there, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`next_len`](Self::next_len), and [`WaitError::BufferTooShort`]: the message stays the next one.
    pub fn copy_next(mut self, bytes: &mut [u8]) -> Result<usize, WaitError> {
        self.wait()?;
        waited(self.handle.copy_next(bytes))
    }

    fn wait(&mut self) -> Result<(), WaitError> {
        let (consumer, peeked) = self.handle.parts();
        wait(consumer, peeked, &mut self.deadline)
    }
}

/// Waits for a message after `peeked` bytes of records.
#[inline(never)]
fn wait(consumer: &mut Consumer, peeked: u64, deadline: &mut Deadline<'_>) -> Result<(), WaitError> {
    let need = peeked + consumer.record_alignment() as u64;
    let max = consumer.kind.max_used();
    if need > max {
        return Err(WaitError::TooLong { len: need as usize, max: max as usize });
    }
    consumer.wait_until_ready(need, deadline)
}

/// The messages of a ring, popped one after the other as they come.
///
/// Each message has the whole limit of [`within`](crate::message::Consumer::within). It ends after the first error.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// use ringmain::WaitError;
///
/// tx.push(b"buy 100")?;
/// // As if the producer's process had crashed.
/// tx.abandon();
/// let mut orders = rx.blocking().messages();
/// assert_eq!(orders.next(), Some(Ok(b"buy 100".to_vec())));
/// assert_eq!(orders.next(), Some(Err(WaitError::Crashed)));
/// assert_eq!(orders.next(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct IncomingMessages<'a> {
    waiting: Option<Waiting<'a, Consumer>>,
}

impl Iterator for IncomingMessages<'_> {
    type Item = Result<Vec<u8>, WaitError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        next(&mut self.waiting, |rx| {
            let mut bytes = Vec::new();
            rx.pop_into(&mut bytes).map(|_| bytes)
        })
    }
}
