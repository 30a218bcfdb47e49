//! The reading end of a message ring.

#![allow(unsafe_code, reason = "reads records through raw pointers")]

use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use bytemuck::AnyBitPattern;

use super::super::copy::{Out, SHORT, by_value, copy, copy_bytes, whole_words};
use super::super::endpoint::{Endpoint, Kind, Reader};
use super::super::error::{Broken, Corrupted, PopError, SharedWord};
use super::super::memory::{Access, Memory, Word};
use super::super::pace::{Bound, Pace};
use super::super::position::Window;
use super::geometry::header;
use super::{Consumer, Geometry, Message, NO_WORD, PeekBatch, Record, header_at, load_observed, word_at};

/// A load that finds this many bytes, or half of the ring, is worth its cost; for a producer, half as much.
pub(super) const ENOUGH: u64 = 8192;

/// Why there is no message. It fits a register; the cause of an error stays in the handle.
pub(super) enum NoMessage {
    Empty,
    Unusable,
}

/// # The reading end of a message ring
impl<M: Memory> Endpoint<Message, Reader, M> {
    /// Continues at the stored head, and pauses up to `bound` before a load of the tail. The caller holds the
    /// consumer's role.
    ///
    /// # Panics
    ///
    /// If the memory is not that of a ring of this geometry.
    pub(crate) fn attach(memory: M, geometry: Geometry, bound: impl Into<Bound>) -> Result<Self, Broken> {
        let kind = Message::new(&memory, geometry);
        // The word is the role's own; its last writer released the role's lock before this process took it.
        let head = geometry.check_start(SharedWord::Head, memory.head().load(Ordering::Relaxed))?;
        let pace = Pace::of_flow(bound.into(), (geometry.capacity() as u64 / 2).min(ENOUGH));
        let mut consumer: Consumer<M> = Endpoint::begin(memory, kind, head, pace);
        consumer.load_tail()?;
        Ok(consumer)
    }

    /// Loads the producer's tail and returns how many bytes of records are there, without learning from it. A message
    /// whose tail is not stored yet counts as the smallest.
    pub(super) fn available_now(&self) -> Result<u64, Broken> {
        self.check()?;
        let position = self.cursor.position();
        // Observe: pairs with the Release in `store_tail`. A pop that polls the header finds what is counted
        // here, too.
        let found = self.memory.tail().load(Ordering::Acquire);
        let tail = self.window().check(SharedWord::Tail, found)?;
        let ahead = tail.wrapping_sub(position);
        if ahead <= self.kind.max_used() && ahead > self.cursor.known() {
            return Ok(ahead);
        }
        if self.cursor.known() > 0 {
            return Ok(self.cursor.known());
        }
        // SAFETY: the head starts a record.
        let header = unsafe { load_observed(&self.memory, position, self.kind.geometry) };
        Ok(if header == 0 { 0 } else { self.kind.step() })
    }

    /// Pops one message into a buffer, and returns its length. The rest of the buffer is left as it is.
    ///
    /// # Errors
    ///
    /// - [`PopError::Empty`]: there is no message.
    /// - [`PopError::BufferTooShort`]: the message is longer than the buffer, and stays in the ring.
    /// - [`PopError::Broken`]: the handle can no longer be used.
    #[inline]
    pub fn pop(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let head = self.cursor.position();
        let len = self.next_len_from(head, 0).map_err(|no_message| self.refusal(no_message))?;
        // SAFETY: the message at the head has that many bytes.
        unsafe { self.copy_whole(head, len, bytes) }?;
        self.release_from(head, self.kind.geometry.size(len));
        Ok(len)
    }

    /// Returns the length of the message at the head if it is known to be there and its header is right.
    #[inline(always)]
    fn len_if_known(&self, head: u64) -> Option<usize> {
        let known = self.cursor.known_end().wrapping_sub(head);
        if known == 0 {
            return None;
        }
        // SAFETY: the head starts a record.
        let header = unsafe { load_observed(&self.memory, head, self.kind.geometry) };
        self.kind.geometry.len(header, known).ok()
    }

    /// Pops one short message if it is known to be there and fits, or does nothing: what is inlined into the library
    /// for C.
    #[doc(hidden)]
    #[inline(always)]
    pub fn pop_if_known(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let head = self.cursor.position();
        let len = self.len_if_known(head).filter(|&len| len <= SHORT && len <= bytes.len())?;
        // SAFETY: the message at the head has that many bytes, and so has the buffer.
        unsafe { self.take(head, bytes.as_mut_ptr(), len) };
        self.release_from(head, self.kind.geometry.size(len));
        Some(len)
    }

    /// Peeks at the next message if it is known to be there: the same for a peek.
    #[doc(hidden)]
    #[inline(always)]
    pub fn peek_if_known(&mut self) -> Option<Record<'_, M>> {
        let len = self.len_if_known(self.cursor.position())?;
        Some(Record::new(self, len))
    }

    /// Pops one message into a buffer, and returns the word that its producer gave it and its length. The word is 0 if
    /// none was given, and in a ring with a [`record_alignment`](crate::Options::record_alignment) of 8.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn pop_tagged(&mut self, bytes: &mut [u8]) -> Result<(u64, usize), PopError> {
        self.next_len(0)?;
        // Before the space of the record is given back.
        let word = self.word_of(self.cursor.position());
        Ok((word, self.pop(bytes)?))
    }

    /// Pops one message into a vector, which then holds the message and nothing else, and returns its length.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), but never [`PopError::BufferTooShort`]. The vector is left as it is.
    #[inline]
    pub fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<usize, PopError> {
        let len = self.next_len(0)?;
        bytes.clear();
        // SAFETY: the message at the head has that many bytes.
        unsafe { self.append_to(self.cursor.position(), len, bytes) };
        self.release_from(self.cursor.position(), self.kind.geometry.size(len));
        Ok(len)
    }

    /// Pops one message as a value, of 64 KiB at most ([`LARGEST_BY_VALUE`](crate::LARGEST_BY_VALUE)): the fastest way
    /// for plain data, since the number of bytes is known at compile time.
    ///
    /// # Errors
    ///
    /// - [`PopError::WrongSize`]: the message has another length than the value, and stays in the ring.
    /// - [`PopError::Empty`], [`PopError::Broken`]: as [`pop`](Self::pop).
    #[inline(always)]
    pub fn pop_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let (size, head) = (self.kind.geometry.size(size_of::<T>()), self.cursor.position());
        if self.cursor.known_end().wrapping_sub(head) < size {
            return self.poll_for_value();
        }
        // SAFETY: the head starts a record.
        let found = unsafe { load_observed(&self.memory, head, self.kind.geometry) };
        // If it is the header of the value, its record ends at the known end or before.
        if found != header(size_of::<T>()) {
            return self.search_for_value();
        }
        // SAFETY: the message at the head has that many bytes.
        Ok(unsafe { self.take_value(head, size) })
    }

    /// Pops one message as a value, if too little is known to be there.
    ///
    /// A ping-pong takes this path for each poll and each message, so its two cases come first.
    #[inline(never)]
    fn poll_for_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let head = self.cursor.position();
        if self.pace.is_flowing() || head != self.cursor.known_end() || !self.memory.in_own_process() {
            return self.search_for_value();
        }
        // SAFETY: the head starts a record.
        let word = unsafe { header_at(&self.memory, head, self.kind.geometry) };
        // Observe: pairs with the Release in `Producer::publish_after`. The payload is written, and the next header is
        // 0.
        let found = word.load(Ordering::Acquire);
        if found == 0 {
            self.pace.found_nothing();
            return Err(PopError::Empty);
        }
        let size = self.kind.geometry.size(size_of::<T>());
        if found != header(size_of::<T>()) || size > self.kind.geometry.max_used() {
            return self.search_for_value();
        }
        self.learn_record(head.wrapping_add(size));
        // SAFETY: the message at the head has that many bytes.
        Ok(unsafe { self.take_value(head, size) })
    }

    /// Pops one message as a value, if it may have another length, or the tail has to be loaded.
    #[inline(never)]
    fn search_for_value<T: AnyBitPattern>(&mut self) -> Result<T, PopError> {
        let len = self.next_len(0)?;
        if len != size_of::<T>() {
            return Err(PopError::WrongSize { len, size: size_of::<T>() });
        }
        // SAFETY: the message at the head has that many bytes.
        Ok(unsafe { self.take_value(self.cursor.position(), self.kind.geometry.size(len)) })
    }

    /// Peeks at the next message in place.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`], [`PopError::Broken`]: as [`pop`](Self::pop).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push_value(&[7_u32, 8])?;
    /// let message = rx.peek()?;
    /// assert_eq!((message.len(), message.value::<u32>(4)), (8, Some(8)));
    /// // Without this it stays in the ring.
    /// message.release();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn peek(&mut self) -> Result<Record<'_, M>, PopError> {
        let len = self.next_len(0)?;
        Ok(Record::new(self, len))
    }

    /// Begins to peek at messages one after the other, to give them back together, or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push(b"one")?;
    /// tx.push(b"two")?;
    /// let mut text = Vec::new();
    /// let mut batch = rx.peek_batch();
    /// while batch.append_next(&mut text).is_ok() {}
    /// assert_eq!((batch.len(), &text[..]), (2, &b"onetwo"[..]));
    /// // Once they are safe elsewhere. A crash before this leaves both to the next consumer.
    /// batch.release();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn peek_batch(&mut self) -> PeekBatch<'_, M> {
        PeekBatch::new(self)
    }

    /// Hands each message that is there, at most `max` of them, to `read`, and releases it afterwards. Returns how many
    /// there were.
    ///
    /// These are the messages that were there when the call began, so it ends however fast the producer pushes more.
    ///
    /// A message stays in the ring if `read` panics.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used. What was read before is released.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push(b"one")?;
    /// tx.push(b"three")?;
    /// let mut lengths = Vec::new();
    /// assert_eq!(rx.drain(10, |message| lengths.push(message.len()))?, 2);
    /// assert_eq!(lengths, [3, 5]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn drain(&mut self, max: usize, mut read: impl FnMut(&Record<'_, M>)) -> Result<usize, Broken> {
        let end = self.end_of_now()?;
        let mut count = 0;
        while count < max && self.cursor.position() != end {
            let Some(record) = if_any(self.peek())? else { break };
            read(&record);
            record.release();
            count += 1;
        }
        Ok(count)
    }

    /// Pops the messages one after the other that are there when the first one is asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
    /// # let options = ringmain::Options::from_fd(ring);
    /// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
    /// tx.push(b"one")?;
    /// tx.push(b"two")?;
    /// let messages: Vec<Vec<u8>> = rx.messages().collect::<Result<_, _>>()?;
    /// assert_eq!(messages, [b"one", b"two"]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn messages(&mut self) -> Messages<'_, M> {
        Messages { consumer: self, end: None }
    }

    /// Loads the tail, and returns the position up to which messages are there now. If the tail tells of none, the next
    /// header does. A call that reads up to there ends, however many come meanwhile.
    fn end_of_now(&mut self) -> Result<u64, Broken> {
        self.check()?;
        let mut is_loaded = false;
        if self.cursor.known() == 0 {
            is_loaded = self.pace.is_flowing();
            if if_any(self.next_len(0))?.is_none() {
                return Ok(self.cursor.position());
            }
        }
        if !is_loaded {
            // A header tells of one message only, and what was known before may be old. An impossible tail is refused
            // by the next call that loads it: until then there are messages that are known.
            let _ = self.load_tail();
        }
        Ok(self.cursor.known_end())
    }

    /// Returns the error that says why there is no message.
    #[inline(always)]
    fn refusal(&self, no_message: NoMessage) -> PopError {
        match no_message {
            NoMessage::Empty => PopError::Empty,
            NoMessage::Unusable => self.cause().into(),
        }
    }

    /// Returns the length of the message after `peeked` bytes of records that were peeked at.
    #[inline(always)]
    pub(super) fn next_len(&mut self, peeked: u64) -> Result<usize, PopError> {
        self.next_len_from(self.cursor.position(), peeked).map_err(|no_message| self.refusal(no_message))
    }

    /// The same for a caller that has the head in a register, with an error that fits one.
    #[inline(always)]
    fn next_len_from(&mut self, head: u64, peeked: u64) -> Result<usize, NoMessage> {
        let known = self.cursor.known_end().wrapping_sub(head);
        // `<=`: a batch may have peeked at more than is known after a fork, or once the handle is poisoned. `load_next`
        // refuses both.
        if known <= peeked {
            return self.load_next(peeked);
        }
        self.len_at(head.wrapping_add(peeked), known - peeked)
    }

    /// Returns the length of the message at `position`, which is known to be there, `room` bytes before the known end.
    #[inline(always)]
    fn len_at(&mut self, position: u64, room: u64) -> Result<usize, NoMessage> {
        // SAFETY: a record starts there, as one does at the head.
        let header = unsafe { load_observed(&self.memory, position, self.kind.geometry) };
        self.kind.geometry.len(header, room).map_err(|cause| self.refuse(cause))
    }

    /// Loads the tail or the next header, and returns the length of the message after all that was known.
    #[inline]
    fn load_next(&mut self, peeked: u64) -> Result<usize, NoMessage> {
        if !self.memory.in_own_process() {
            return Err(NoMessage::Unusable);
        }
        if self.pace.is_flowing() { self.load_tail_in_flow(peeked) } else { self.poll(peeked) }
    }

    /// Loads the header after all that is known.
    #[inline(always)]
    fn poll(&mut self, peeked: u64) -> Result<usize, NoMessage> {
        let room = self.kind.geometry.max_used() - peeked;
        if room == 0 {
            // The ring is full of what was peeked at: there is no header after it.
            return Err(NoMessage::Empty);
        }
        let position = self.cursor.position().wrapping_add(peeked);
        // SAFETY: a record starts there, as one does at the head.
        let word = unsafe { header_at(&self.memory, position, self.kind.geometry) };
        // Observe: pairs with the Release in `Producer::publish_after`. The payload is written, and the next header is
        // 0.
        let header = word.load(Ordering::Acquire);
        if header == 0 {
            self.pace.found_nothing();
            return Err(NoMessage::Empty);
        }
        match self.kind.geometry.len(header, room) {
            Ok(len) => {
                let size = self.kind.geometry.size(len);
                self.learn_record(position.wrapping_add(size));
                Ok(len)
            }
            Err(cause) => Err(self.refuse(cause)),
        }
    }

    /// Extends the known end to `end`, where a record ends whose header was loaded.
    #[inline(always)]
    fn learn_record(&mut self, end: u64) {
        self.cursor.learn(end);
        self.pace.found_header();
    }

    /// Loads the tail, and if that has not moved, the header.
    #[inline(never)]
    fn load_tail_in_flow(&mut self, peeked: u64) -> Result<usize, NoMessage> {
        if self.broken.is_some() {
            return Err(NoMessage::Unusable);
        }
        let waited = self.pace.wait();
        let found = self.load_tail().map_err(|cause| self.refuse(cause))?;
        if found == 0 {
            return self.poll(peeked);
        }
        let len = self.len_at(self.cursor.position().wrapping_add(peeked), found)?;
        if self.kind.geometry.size(len) == found {
            self.pace.found_one();
        } else {
            self.pace.learn(waited, found);
        }
        Ok(len)
    }

    /// Loads the producer's tail, and returns how many bytes of records it found.
    ///
    /// The tail follows the header, so it may lie behind a known end that came from a header: by a batch at most.
    fn load_tail(&mut self) -> Result<u64, Corrupted> {
        let (max_used, known_end) = (self.kind.max_used(), self.cursor.known_end());
        // Observe: pairs with the Release in `store_tail`. The records before it are written.
        let found = self.memory.tail().load(Ordering::Acquire);
        let tail = self.window().check(SharedWord::Tail, found)?;
        let ahead = tail.wrapping_sub(known_end);
        if ahead > max_used {
            return Ok(0);
        }
        self.cursor.learn(tail);
        Ok(ahead)
    }

    /// Returns where the tail can be.
    fn window(&self) -> Window {
        let max_used = self.kind.max_used();
        let (lowest, highest) =
            (self.cursor.known_end().wrapping_sub(max_used), self.cursor.position().wrapping_add(max_used));
        Window { lowest, highest, step: self.kind.step() }
    }

    /// Poisons the handle.
    #[cold]
    fn refuse(&mut self, cause: Corrupted) -> NoMessage {
        self.poison(cause);
        NoMessage::Unusable
    }

    /// Releases records of this size: advances the head, which the caller has in a register.
    #[inline(always)]
    pub(super) fn release_from(&mut self, head: u64, size: u64) {
        // Not beyond the known end: the producer may be writing there.
        let distance = self.kind.prefetch_distance.min(self.cursor.known() as usize);
        self.memory.prefetch(self.kind.geometry.index(head) + distance);
        self.advance_from(head, size);
    }

    /// Loads the user's word of the record at `position`, which was found there: 0 if records have none.
    #[inline(always)]
    pub(super) fn word_of(&self, position: u64) -> u64 {
        // SAFETY: a record starts there.
        let word = unsafe { word_at(&self.memory, position, self.kind.geometry) };
        // It was observed with the tail or the header by which the record was found.
        word.map_or(NO_WORD, |word| word.load(Ordering::Relaxed))
    }

    /// Accesses `len` bytes of the payload of the record at `position`, from `at` on, which are only read.
    ///
    /// # Safety
    ///
    /// That message was found by [`Consumer::next_len`] or by its header, and has that many bytes from `at` on, or as
    /// many up to the next whole word.
    #[inline(always)]
    pub(super) unsafe fn payload(&self, position: u64, at: usize, len: usize) -> M::Read<'_> {
        let start = self.kind.geometry.index(position);
        // SAFETY: the record starts before the end of the data area and is no longer than that, and all of it is there.
        unsafe { self.memory.read(start + self.kind.geometry.payload_offset() + at, len) }
    }

    /// Copies the first `len` bytes of the message at `position` to private memory.
    ///
    /// # Safety
    ///
    /// - That message was found by [`Consumer::next_len`] and has that many bytes.
    /// - `to` is valid for that many writes.
    #[inline(always)]
    pub(super) unsafe fn take(&self, position: u64, to: *mut u8, len: usize) {
        // SAFETY: the caller's promise; a record consists of whole words.
        let payload = unsafe { self.payload(position, 0, whole_words(len)) };
        // SAFETY: the payload starts at a word, whole words of it are the record's, and `to` is private.
        unsafe { copy_bytes::<Out>(payload.address(), to, len) };
    }

    /// Copies the message at `position`, of `len` bytes, to a buffer that has room for it.
    ///
    /// # Safety
    ///
    /// That message was found by [`Consumer::next_len`] and has that many bytes.
    #[inline(always)]
    pub(super) unsafe fn copy_whole(&self, position: u64, len: usize, bytes: &mut [u8]) -> Result<(), PopError> {
        let Some(target) = bytes.get_mut(..len) else {
            return Err(PopError::BufferTooShort { len, buffer: bytes.len() });
        };
        // SAFETY: the caller's promise, and the target has that many bytes.
        unsafe { self.take(position, target.as_mut_ptr(), len) };
        Ok(())
    }

    /// Copies the message at `position`, of `len` bytes, to the end of a vector.
    ///
    /// # Safety
    ///
    /// As [`copy_whole`](Self::copy_whole).
    #[inline]
    pub(super) unsafe fn append_to(&self, position: u64, len: usize, bytes: &mut Vec<u8>) {
        bytes.reserve(len);
        let end = bytes.len();
        // SAFETY: the caller's promise, and the vector has room for that many bytes after its end.
        unsafe { self.take(position, bytes.as_mut_ptr().wrapping_add(end), len) };
        // SAFETY: that many bytes are written.
        unsafe { bytes.set_len(end + len) };
    }

    /// Pops the message at `head`, whose record has `size` bytes, as a value.
    ///
    /// # Safety
    ///
    /// - That message is the next one, was found by [`Consumer::next_len`] or by its header, and has a value's bytes.
    /// - `head` is this end's position.
    #[inline(always)]
    unsafe fn take_value<T: AnyBitPattern>(&mut self, head: u64, size: u64) -> T {
        let mut value = MaybeUninit::uninit();
        // SAFETY: the caller's promise, and a payload starts at a word.
        unsafe { self.copy_value::<T, T>(head, 0, &mut value) };
        self.release_from(head, size);
        // SAFETY: every byte is written, and every bit pattern is a `T`.
        unsafe { value.assume_init() }
    }

    /// Copies a value from byte `at` of the message at `position` on, as the elements of type `U` that it consists of.
    /// Every byte of it is written.
    ///
    /// # Safety
    ///
    /// That message was found by [`Consumer::next_len`] or by its header, and has a value's bytes there, aligned as
    /// [`copy`] needs them for `U`.
    #[inline(always)]
    pub(super) unsafe fn copy_value<T: AnyBitPattern, U>(&self, position: u64, at: usize, value: &mut MaybeUninit<T>) {
        by_value::<T>();
        let count = size_of::<T>() / size_of::<U>().max(1);
        // SAFETY: the caller's promise.
        let payload = unsafe { self.payload(position, at, size_of::<T>()) };
        // SAFETY: the caller's promise, and the value is private.
        unsafe { copy::<Out, U>(payload.address(), value.as_mut_ptr().cast(), count) };
    }
}

/// Returns what was popped, or `None` if there is nothing. An error says that the handle can no longer be used.
#[inline(always)]
pub(super) fn if_any<R>(popped: Result<R, PopError>) -> Result<Option<R>, Broken> {
    match popped {
        Ok(popped) => Ok(Some(popped)),
        Err(PopError::Broken(broken)) => Err(broken),
        Err(_) => Ok(None),
    }
}

/// The messages that are there when the first one is asked for, popped one after the other. The iterator ends after
/// them, however many come meanwhile, or after an error.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ring = ringmain::Options::anonymous().capacity(4096).create_message()?;
/// # let options = ringmain::Options::from_fd(ring);
/// # let (mut tx, mut rx) = (options.message_producer()?, options.message_consumer()?);
/// tx.push(b"ping")?;
/// for message in rx.messages() {
///     // What comes meanwhile is not one of these: the loop ends.
///     tx.push(&message?)?;
/// }
/// assert_eq!(rx.messages().count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Messages<'a, M: Memory> {
    consumer: &'a mut Consumer<M>,
    /// Where the last of them ends, once that is known.
    end: Option<u64>,
}

impl<M: Memory> Messages<'_, M> {
    fn pop_next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let end = match self.end {
            Some(end) => end,
            None => *self.end.insert(self.consumer.end_of_now()?),
        };
        if self.consumer.position() == end {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        Ok(if_any(self.consumer.pop_into(&mut bytes))?.map(|_| bytes))
    }
}

impl<M: Memory> Iterator for Messages<'_, M> {
    type Item = Result<Vec<u8>, Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.pop_next();
        if next.is_err() {
            // The handle can no longer be used, so it stays where it is, and that is the end.
            self.end = Some(self.consumer.position());
        }
        next.transpose()
    }
}
