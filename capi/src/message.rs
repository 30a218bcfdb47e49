//! Messages of any length: copied, in place, and in batches.

use core::ffi::{c_int, c_void};
use std::io::IoSlice;
use std::mem::{replace, transmute};
use std::time::Duration;

use libc::iovec;
use ringmain::message::{Batch, Claim, Consumer, PeekBatch, Producer, Record};
use ringmain::{Trusted, WaitError};

use crate::code::{Refusal, counted, invalid, status};
use crate::end::{Guard, buffer, bytes, guard, handle, not_open, out, patiently, ringmain_end, waiting};

/// A message of a peek, in place: to be read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_record {
    /// Its bytes.
    pub bytes: *const c_void,
    /// How many.
    pub len: usize,
    /// The word that its producer gave it (ringmain_message_push_tagged); else 0.
    pub word: u64,
    /// Its position: how many bytes of records lie before it.
    pub position: u64,
}

/// What is pushed as one message.
#[derive(Clone, Copy)]
enum Message<'a> {
    Plain(&'a [u8]),
    Tagged(u64, &'a [u8]),
    Parts(&'a [IoSlice<'a>]),
}

impl Message<'_> {
    fn len(&self) -> usize {
        match self {
            Message::Plain(bytes) | Message::Tagged(_, bytes) => bytes.len(),
            Message::Parts(parts) => parts.iter().fold(0, |len: usize, part| len.saturating_add(part.len())),
        }
    }
}

/// Makes the call of a producer or a batch that pushes a message.
macro_rules! push {
    ($to:expr, $message:expr) => {
        match $message {
            Message::Plain(bytes) => $to.push(bytes),
            Message::Tagged(word, bytes) => $to.push_tagged(word, bytes),
            Message::Parts(parts) => $to.push_vectored(parts),
        }
    };
}

/// Pushes one message, or adds it to the batch that is open.
///
/// # Safety
///
/// As [`handle`].
#[inline(always)]
unsafe fn push(tx: *mut ringmain_end, limit_ns: i64, message: Message<'_>) -> c_int {
    // SAFETY: the caller's promise.
    let pushed = match unsafe { guard(tx) } {
        Ok(Guard::Batch(batch)) => add(batch, limit_ns, message),
        // SAFETY: the same; nothing is open, or the call is refused.
        Ok(_) => unsafe { handle::<Producer>(tx) }.and_then(|tx| {
            let wait = |tx: &mut Producer, limit| waiting!(tx, limit).until_free(message.len());
            patiently(tx, limit_ns, |tx| push!(tx, message), wait)
        }),
        Err(code) => Err(code),
    };
    status(pushed)
}

#[inline(never)]
fn add(batch: &mut Batch<'static>, limit_ns: i64, message: Message<'_>) -> Result<(), c_int> {
    let wait = |batch: &mut Batch<'static>, limit| waiting!(batch, limit).until_free(message.len());
    patiently(batch, limit_ns, |batch| push!(batch, message), wait)
}

/// Pushes one message of `len` bytes. It is visible when this returns, or, if a batch is open, with the batch. Waits
/// for room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_push(
    tx: *mut ringmain_end,
    message: *const c_void,
    len: usize,
    limit_ns: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { bytes("the message", message.cast(), len) } {
        // SAFETY: the caller's promise.
        Ok(message) => unsafe { push(tx, limit_ns, Message::Plain(message)) },
        Err(code) => code,
    }
}

/// Pushes one message with a word of the user's, which its reader finds beside it: a kind, a number, a time. It needs
/// records aligned to 16 bytes or more. Else as ringmain_message_push().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_push_tagged(
    tx: *mut ringmain_end,
    word: u64,
    message: *const c_void,
    len: usize,
    limit_ns: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { bytes("the message", message.cast(), len) } {
        // SAFETY: the caller's promise.
        Ok(message) => unsafe { push(tx, limit_ns, Message::Tagged(word, message)) },
        Err(code) => code,
    }
}

/// Pushes one message that lies in `count` parts. Else as ringmain_message_push().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_push_vectored(
    tx: *mut ringmain_end,
    parts: *const iovec,
    count: usize,
    limit_ns: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { slices(parts, count) } {
        // SAFETY: the caller's promise.
        Ok(parts) => unsafe { push(tx, limit_ns, Message::Parts(parts)) },
        Err(code) => code,
    }
}

/// Returns parts of C's, each of which is checked.
///
/// # Safety
///
/// `parts` is valid for reads of `count` parts, and each of them as [`bytes`].
unsafe fn slices<'a>(parts: *const iovec, count: usize) -> Result<&'a [IoSlice<'a>], c_int> {
    if count > 0 && (parts.is_null() || !parts.is_aligned()) || count > isize::MAX as usize / size_of::<iovec>() {
        return Err(invalid(format_args!("{count} parts at {parts:?}, expected an array of them")));
    }
    if count == 0 {
        return Ok(&[]);
    }
    // SAFETY: the caller's promise.
    let given = unsafe { std::slice::from_raw_parts(parts, count) };
    for part in given {
        // SAFETY: the caller's promise.
        unsafe { bytes("a part of the message", part.iov_base.cast_const().cast(), part.iov_len) }?;
        if part.iov_base.is_null() {
            return Err(invalid(format_args!("a part of the message is NULL, expected an address even for 0 bytes")));
        }
    }
    // SAFETY: an `IoSlice` has the layout of an `iovec`, and each of them is a slice.
    Ok(unsafe { std::slice::from_raw_parts(parts.cast(), count) })
}

/// Takes room for a message of up to `len` bytes in place, and stores its address in `*bytes`: it holds older bytes.
/// Waits for room. ringmain_message_commit() pushes it; ringmain_abort() gives it up.
///
/// The address is good until then. Whoever uses it trusts every process that can write to the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_claim(
    tx: *mut ringmain_end,
    len: usize,
    limit_ns: i64,
    bytes: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Producer>(tx) }.and_then(|producer| {
        let bytes = out("bytes", bytes)?;
        let take = |tx: &mut Producer| {
            // SAFETY: whoever uses the address trusts the peer: the header says so.
            unsafe { tx.trust_peer() }.claim(len).map(keep_claim)
        };
        let mut claim = patiently(producer, limit_ns, take, |tx, limit| waiting!(tx, limit).until_free(len))?;
        bytes.write(claim.as_mut_ptr().cast());
        // SAFETY: the caller's promise.
        *unsafe { guard(tx) }? = Guard::MessageClaim(claim);
        Ok(())
    }))
}

/// Lets a claim be kept beside the handle that it borrows from: `end.rs`.
fn keep_claim(claim: Trusted<Claim<'_>>) -> Trusted<Claim<'static>> {
    // SAFETY: the handle lies on the heap, is not used while there is a claim, and is dropped after it.
    unsafe { transmute(claim) }
}

/// Lets a record be kept beside the handle that it borrows from: `end.rs`.
fn keep_record(record: Trusted<Record<'_>>) -> Trusted<Record<'static>> {
    // SAFETY: the handle lies on the heap, is not used while there is a record, and is dropped after it.
    unsafe { transmute(record) }
}

fn commit(guard: &mut Guard, len: usize, word: Option<u64>) -> Result<(), c_int> {
    let Guard::MessageClaim(claim) = guard else { return Err(not_open(guard, "a claim of room")) };
    if len > claim.len() {
        let room = claim.len();
        return Err(invalid(format_args!("commit of {len} bytes, but {room} were claimed; it is still open")));
    }
    if let Some(word) = word {
        claim.set_word(word).map_err(Refusal::refuse)?;
    }
    if let Guard::MessageClaim(claim) = replace(guard, Guard::Nothing) {
        claim.commit_len(len);
    }
    Ok(())
}

/// Pushes the first `len` bytes of the claim as one message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_commit(tx: *mut ringmain_end, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(tx) }.and_then(|guard| commit(guard, len, None)))
}

/// The same, with a word of the user's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_commit_tagged(tx: *mut ringmain_end, word: u64, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(tx) }.and_then(|guard| commit(guard, len, Some(word))))
}

/// Opens a batch: the messages that are pushed until ringmain_batch_commit() become visible together, or not at all. No
/// room can be claimed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_batch_begin(tx: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Producer>(tx) }.and_then(|producer| {
        // SAFETY: the caller's promise. The batch borrows from the handle, and is kept beside it.
        *unsafe { guard(tx) }? = Guard::Batch(producer.batch());
        Ok(())
    }))
}

/// Makes all messages of the batch visible at once, and returns how many there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_batch_commit(tx: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { guard(tx) }.and_then(|guard| {
        let Guard::Batch(batch) = guard else { return Err(not_open(guard, "a batch")) };
        let len = batch.len();
        if let Guard::Batch(batch) = replace(guard, Guard::Nothing) {
            batch.commit();
        }
        // A handle that can no longer be used has committed nothing.
        // SAFETY: the caller's promise; the guard is closed.
        let producer = unsafe { handle::<Producer>(tx) }?;
        producer.free().map(|_| len).map_err(Refusal::refuse)
    }))
}

fn until_available(rx: &mut Consumer, limit: Option<Duration>) -> Result<(), WaitError> {
    waiting!(rx, limit).until_available()
}

/// Pops one message into a buffer of `size` bytes, and returns its length. Waits for one. A message that is longer
/// stays in the ring: -EMSGSIZE, and ringmain_message_next_len() tells its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_pop(
    rx: *mut ringmain_end,
    message: *mut c_void,
    size: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Consumer>(rx) }.and_then(|rx| {
        // SAFETY: the caller's promise.
        let message = unsafe { buffer("the message", message.cast(), size) }?;
        patiently(rx, limit_ns, |rx| rx.pop(message), until_available)
    }))
}

/// Pops one message as ringmain_message_pop() does, and stores the word that its producer gave it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_pop_tagged(
    rx: *mut ringmain_end,
    word: *mut u64,
    message: *mut c_void,
    size: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Consumer>(rx) }.and_then(|rx| {
        let word = out("word", word)?;
        // SAFETY: the caller's promise.
        let message = unsafe { buffer("the message", message.cast(), size) }?;
        let (found, len) = patiently(rx, limit_ns, |rx| rx.pop_tagged(message), until_available)?;
        word.write(found);
        Ok(len)
    }))
}

/// Returns the length of the next message, and leaves it in the ring. Waits for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_next_len(rx: *mut ringmain_end, limit_ns: i64) -> isize {
    // SAFETY: the caller's promise.
    counted(
        unsafe { handle::<Consumer>(rx) }
            .and_then(|rx| patiently(rx, limit_ns, |rx| rx.peek().map(|record| record.len()), until_available)),
    )
}

/// Peeks at the next message in place. Waits for one. ringmain_message_release() gives it back; ringmain_keep() leaves
/// it in the ring.
///
/// The address is good until then. Whoever uses it trusts every process that can write to the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_peek(
    rx: *mut ringmain_end,
    limit_ns: i64,
    record: *mut ringmain_record,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Consumer>(rx) }.and_then(|consumer| {
        let to = out("record", record)?;
        let look = |rx: &mut Consumer| {
            // SAFETY: whoever uses the address trusts the peer: the header says so.
            unsafe { rx.trust_peer() }.peek().map(keep_record)
        };
        let record = patiently(consumer, limit_ns, look, until_available)?;
        to.write(ringmain_record {
            bytes: record.as_ptr().cast(),
            len: record.len(),
            word: record.word(),
            position: record.position(),
        });
        // SAFETY: the caller's promise.
        *unsafe { guard(rx) }? = Guard::Record(record);
        Ok(())
    }))
}

/// Copies the next message to a buffer of `size` bytes, leaves it in the ring, and returns its length. Waits for one.
/// The next call copies the one after it. ringmain_message_release() gives all of them back; ringmain_keep() leaves
/// them: whoever is killed before a release gets them again.
///
/// A message that is longer than the buffer stays the next one: -EMSGSIZE. With RINGMAIN_NOW, -EAGAIN says that there
/// is no further one yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_copy_next(
    rx: *mut ringmain_end,
    message: *mut c_void,
    size: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { buffer("the message", message.cast(), size) }.and_then(|message| {
        // SAFETY: the caller's promise.
        if let Guard::PeekBatch(batch) = unsafe { guard(rx) }? {
            return copy_next(batch, message, limit_ns);
        }
        // SAFETY: the caller's promise. The batch borrows from the handle, and is kept beside it.
        let mut batch = unsafe { handle::<Consumer>(rx) }?.peek_batch();
        let len = copy_next(&mut batch, message, limit_ns)?;
        // SAFETY: the same.
        *unsafe { guard(rx) }? = Guard::PeekBatch(batch);
        Ok(len)
    }))
}

fn copy_next(batch: &mut PeekBatch<'static>, message: &mut [u8], limit_ns: i64) -> Result<usize, c_int> {
    let wait = |batch: &mut PeekBatch<'static>, limit| waiting!(batch, limit).next_len().map(|_| ());
    patiently(batch, limit_ns, |batch| batch.copy_next(message), wait)
}

/// Gives the message of the peek, or all that were copied, back to the producer, and returns how many those are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_release(rx: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { guard(rx) }.and_then(|guard| {
        if !matches!(guard, Guard::Record(_) | Guard::PeekBatch(_)) {
            return Err(not_open(guard, "a peek at messages"));
        }
        Ok(match replace(guard, Guard::Nothing) {
            Guard::Record(record) => {
                record.release();
                1
            }
            Guard::PeekBatch(batch) => {
                let len = batch.len();
                batch.release();
                // A handle that can no longer be used has released nothing.
                // SAFETY: the caller's promise; the guard is closed.
                let consumer = unsafe { handle::<Consumer>(rx) }?;
                consumer.available().map_err(Refusal::refuse)?;
                len
            }
            _ => 0,
        })
    }))
}
