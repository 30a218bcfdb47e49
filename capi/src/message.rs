//! Messages of any length: copied, in place, and in batches.

use core::ffi::{c_int, c_void};
use std::mem::transmute;
use std::slice;

use libc::iovec;
use ringmain::PushError;
use ringmain::message::{Batch, Claim, Consumer, PeekBatch, Producer, Record};

use crate::code::{Refusal, counted, invalid, status, write};
use crate::end::{
    Guard, Handle, buffer, bytes, close, guard, handle, handle_of, not_open, open, out, patiently, refused,
    ringmain_end,
};

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
    /// Each of them was checked; with the number of their bytes.
    Parts(&'a [iovec], usize),
}

impl Message<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        match *self {
            Message::Plain(bytes) | Message::Tagged(_, bytes) => bytes.len(),
            Message::Parts(_, len) => len,
        }
    }
}

/// Makes the call of a producer or a batch that pushes a message.
macro_rules! push {
    ($to:expr, $message:expr) => {
        match $message {
            Message::Plain(bytes) => $to.push(bytes),
            Message::Tagged(word, bytes) => $to.push_tagged(word, bytes),
            // SAFETY: the parts are those that the caller promised.
            Message::Parts(parts, len) => $to.claim(len).map(|claim| unsafe { gather(claim, parts) }),
        }
    };
}

/// Pushes parts, each of which was checked, as one message.
///
/// # Safety
///
/// Each of them is as [`bytes`].
unsafe fn gather(mut claim: Claim<'_>, parts: &[iovec]) {
    let mut at = 0;
    for part in parts {
        // SAFETY: the caller's promise.
        let bytes = unsafe { bytes("a part of the message", part.iov_base.cast_const().cast(), part.iov_len) };
        let bytes = bytes.unwrap_or_default();
        claim.write_at(at, bytes);
        at += bytes.len();
    }
    claim.commit_len(at);
}

/// Pushes one message, or adds it to the batch that is open.
///
/// # Safety
///
/// As [`handle`].
#[inline(always)]
unsafe fn push(tx: *mut ringmain_end, limit_ns: i64, message: Message<'_>) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { handle_of::<Producer>(tx) } {
        Some(producer) => status(patiently!(producer, message.len(), limit_ns, |tx| push!(tx, message))),
        // SAFETY: the same.
        None => unsafe { add(tx, limit_ns, message) },
    }
}

/// Adds a message to the batch that is open, or says why there is none.
///
/// # Safety
///
/// As [`handle`].
#[inline(never)]
unsafe fn add(tx: *mut ringmain_end, limit_ns: i64, message: Message<'_>) -> c_int {
    // SAFETY: the caller's promise.
    let batch = match unsafe { guard(tx) } {
        Ok(Guard::Batch(batch)) => batch,
        // SAFETY: the same.
        _ => return unsafe { refused(tx, Producer::WHICH) },
    };
    let len = message.len();
    status(patiently!(batch, len, limit_ns, |batch| match push!(batch, message) {
        // It will never have the room, however much is read.
        Err(PushError::Full(_)) if batch.max_len().is_none_or(|max| len > max) => return too_many(batch, len),
        result => result,
    }))
}

#[cold]
#[inline(never)]
fn too_many(batch: &Batch<'_>, len: usize) -> c_int {
    let (count, max) = (batch.len(), batch.max_len().unwrap_or(0));
    write(format_args!(
        "{len} bytes after {count} messages of the batch that is open: the ring can hold {max} beside those; commit \
         the batch, and begin another"
    ));
    -libc::EMSGSIZE
}

/// Pushes one message of `len` bytes. It is visible when this returns, or, if a batch is open, with the batch. Waits
/// for room. -EMSGSIZE: the ring can never hold it, or not beside those of the batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_push(
    tx: *mut ringmain_end,
    message: *const c_void,
    len: usize,
    limit_ns: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { push_known(tx, message.cast(), len) } {
        Some(()) => 0,
        // SAFETY: the same.
        None => unsafe { push_plain(tx, message, len, limit_ns) },
    }
}

/// Pushes one short message if room for it is known: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_message_push`].
#[inline(always)]
unsafe fn push_known(tx: *mut ringmain_end, message: *const u8, len: usize) -> Option<()> {
    // SAFETY: the caller's promise.
    let tx = unsafe { handle_of::<Producer>(tx) }?;
    if message.is_null() || len > isize::MAX as usize {
        return None;
    }
    // SAFETY: the caller's promise.
    tx.push_if_known(unsafe { slice::from_raw_parts(message, len) }).then_some(())
}

/// Does all that [`ringmain_message_push`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn push_plain(tx: *mut ringmain_end, message: *const c_void, len: usize, limit_ns: i64) -> c_int {
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

/// Pushes one message that lies in `count` parts; one of 0 bytes may be NULL. Else as ringmain_message_push().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_push_vectored(
    tx: *mut ringmain_end,
    parts: *const iovec,
    count: usize,
    limit_ns: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { checked(parts, count) } {
        // SAFETY: the caller's promise.
        Ok((parts, len)) => unsafe { push(tx, limit_ns, Message::Parts(parts, len)) },
        Err(code) => code,
    }
}

/// Returns parts of C's, each of which is checked, and how many bytes they have together.
///
/// # Safety
///
/// `parts` is valid for reads of `count` parts, and each of them as [`bytes`].
unsafe fn checked<'a>(parts: *const iovec, count: usize) -> Result<(&'a [iovec], usize), c_int> {
    if count > 0 && (parts.is_null() || !parts.is_aligned()) || count > isize::MAX as usize / size_of::<iovec>() {
        return Err(invalid(format_args!("{count} parts at {parts:?}, expected an array of them")));
    }
    if count == 0 {
        return Ok((&[], 0));
    }
    // SAFETY: the caller's promise.
    let (given, mut len) = (unsafe { slice::from_raw_parts(parts, count) }, 0_usize);
    for part in given {
        // SAFETY: the caller's promise.
        unsafe { bytes("a part of the message", part.iov_base.cast_const().cast(), part.iov_len) }?;
        len = len.saturating_add(part.iov_len);
    }
    Ok((given, len))
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
    match unsafe { claim_known(tx, len, bytes) } {
        Some(()) => 0,
        // SAFETY: the same.
        None => unsafe { claim_some(tx, len, limit_ns, bytes) },
    }
}

/// Takes room that is known: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_message_claim`].
#[inline(always)]
unsafe fn claim_known(tx: *mut ringmain_end, len: usize, bytes: *mut *mut c_void) -> Option<()> {
    // SAFETY: the caller's promise.
    let producer = unsafe { handle_of::<Producer>(tx) }?;
    if bytes.is_null() {
        return None;
    }
    let mut claim = keep_claim(producer.claim_if_known(len)?);
    // SAFETY: the caller's promise.
    unsafe { bytes.write(claim.as_mut_ptr().cast()) };
    // SAFETY: the same.
    unsafe { open(tx, Guard::MessageClaim(claim)) };
    Some(())
}

/// Does all that [`ringmain_message_claim`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn claim_some(tx: *mut ringmain_end, len: usize, limit_ns: i64, bytes: *mut *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Producer>(tx) }.and_then(|producer| {
        // SAFETY: the caller's promise.
        let bytes = unsafe { out("bytes", bytes) }?;
        let mut claim = patiently!(producer, len, limit_ns, |tx| tx.claim(len).map(keep_claim))?;
        bytes.write(claim.as_mut_ptr().cast());
        // SAFETY: the caller's promise.
        unsafe { open(tx, Guard::MessageClaim(claim)) };
        Ok(())
    }))
}

/// Lets a claim be kept beside the handle that it borrows from: `end.rs`.
#[inline(always)]
fn keep_claim(claim: Claim<'_>) -> Claim<'static> {
    // SAFETY: the handle lies on the heap, is not used while there is a claim, and is dropped after it.
    unsafe { transmute(claim) }
}

/// Lets a record be kept beside the handle that it borrows from: `end.rs`.
#[inline(always)]
fn keep_record(record: Record<'_>) -> Record<'static> {
    // SAFETY: the handle lies on the heap, is not used while there is a record, and is dropped after it.
    unsafe { transmute(record) }
}

/// Ends a claim.
///
/// # Safety
///
/// As [`guard`].
#[inline(always)]
unsafe fn commit(tx: *mut ringmain_end, len: usize, word: Option<u64>) -> Result<(), c_int> {
    // SAFETY: the caller's promise.
    let guard = unsafe { guard(tx) }?;
    let Guard::MessageClaim(claim) = guard else { return Err(not_open(guard, "a claim of room")) };
    if len > claim.len() {
        return Err(too_long(len, claim.len()));
    }
    if let Some(word) = word {
        claim.set_word(word).map_err(Refusal::refuse)?;
    }
    // SAFETY: the caller's promise; it is open.
    if let Guard::MessageClaim(claim) = unsafe { close(tx) } {
        claim.commit_len(len);
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn too_long(len: usize, room: usize) -> c_int {
    invalid(format_args!("commit of {len} bytes, but {room} were claimed; it is still open"))
}

/// Pushes the first `len` bytes of the claim as one message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_commit(tx: *mut ringmain_end, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { commit(tx, len, None) })
}

/// The same, with a word of the user's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_commit_tagged(tx: *mut ringmain_end, word: u64, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { commit(tx, len, Some(word)) })
}

/// Opens a batch: the messages that are pushed until ringmain_batch_commit() become visible together, or not at all. No
/// room can be claimed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_batch_begin(tx: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Producer>(tx) }.map(|producer| {
        // SAFETY: the caller's promise. The batch borrows from the handle, and is kept beside it.
        unsafe { open(tx, Guard::Batch(producer.batch())) };
    }))
}

/// Makes all messages of the batch visible at once, and returns how many there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_batch_commit(tx: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { guard(tx) }.and_then(|guard| {
        let Guard::Batch(batch) = guard else { return Err(not_open(guard, "a batch")) };
        let len = batch.len();
        // SAFETY: the caller's promise; it is open.
        if let Guard::Batch(batch) = unsafe { close(tx) } {
            batch.commit();
        }
        // A handle that can no longer be used has committed nothing.
        // SAFETY: the caller's promise; the guard is closed.
        let producer = unsafe { handle::<Producer>(tx) }?;
        producer.free().map(|_| len).map_err(Refusal::refuse)
    }))
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
    match unsafe { pop_known(rx, message.cast(), size) } {
        Some(len) => len as isize,
        // SAFETY: the same.
        None => unsafe { pop_plain(rx, message, size, limit_ns) },
    }
}

/// Pops one short message that is known to be there: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_message_pop`].
#[inline(always)]
unsafe fn pop_known(rx: *mut ringmain_end, message: *mut u8, size: usize) -> Option<usize> {
    // SAFETY: the caller's promise.
    let rx = unsafe { handle_of::<Consumer>(rx) }?;
    if message.is_null() || size > isize::MAX as usize {
        return None;
    }
    // SAFETY: the caller's promise. The bytes are written and not read.
    rx.pop_if_known(unsafe { slice::from_raw_parts_mut(message, size) })
}

/// Does all that [`ringmain_message_pop`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn pop_plain(rx: *mut ringmain_end, message: *mut c_void, size: usize, limit_ns: i64) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Consumer>(rx) }.and_then(|rx| {
        // SAFETY: the caller's promise.
        let message = unsafe { buffer("the message", message.cast(), size) }?;
        patiently!(rx, 1, limit_ns, |rx| rx.pop(message))
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
        // SAFETY: the caller's promise.
        let word = unsafe { out("word", word) }?;
        // SAFETY: the caller's promise.
        let message = unsafe { buffer("the message", message.cast(), size) }?;
        let (found, len) = patiently!(rx, 1, limit_ns, |rx| rx.pop_tagged(message))?;
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
            .and_then(|rx| patiently!(rx, 1, limit_ns, |rx| rx.peek().map(|record| record.len()))),
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
    match unsafe { peek_known(rx, record) } {
        Some(()) => 0,
        // SAFETY: the same.
        None => unsafe { peek_some(rx, limit_ns, record) },
    }
}

/// Peeks at a message that is known to be there: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_message_peek`].
#[inline(always)]
unsafe fn peek_known(rx: *mut ringmain_end, record: *mut ringmain_record) -> Option<()> {
    // SAFETY: the caller's promise.
    let consumer = unsafe { handle_of::<Consumer>(rx) }?;
    if record.is_null() {
        return None;
    }
    let found = keep_record(consumer.peek_if_known()?);
    // SAFETY: the caller's promise.
    unsafe { open_record(rx, found, record) };
    Some(())
}

/// Does all that [`ringmain_message_peek`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn peek_some(rx: *mut ringmain_end, limit_ns: i64, record: *mut ringmain_record) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { handle::<Consumer>(rx) }.and_then(|consumer| {
        // SAFETY: the caller's promise.
        unsafe { out("record", record) }?;
        let found = patiently!(consumer, 1, limit_ns, |rx| rx.peek().map(keep_record))?;
        // SAFETY: the caller's promise.
        unsafe { open_record(rx, found, record) };
        Ok(())
    }))
}

/// Says where a message lies, and keeps the record.
///
/// # Safety
///
/// `to` is valid for a write; otherwise as [`open`].
#[inline(always)]
unsafe fn open_record(rx: *mut ringmain_end, record: Record<'static>, to: *mut ringmain_record) {
    let (bytes, len, word) = (record.as_ptr().cast(), record.len(), record.word());
    // SAFETY: the caller's promise.
    unsafe { to.write(ringmain_record { bytes, len, word, position: record.position() }) };
    // SAFETY: the same.
    unsafe { open(rx, Guard::Record(record)) };
}

/// Copies the next message to a buffer of `size` bytes, leaves it in the ring, and returns its length. Waits for one.
/// The next call copies the one after it. ringmain_message_release() gives all of them back; ringmain_keep() leaves
/// them: whoever is killed before a release gets them again.
///
/// A message that is longer than the buffer stays the next one: -EMSGSIZE. With RINGMAIN_NOW, -EAGAIN says that there
/// is no further one; there can be none before a release once those that were copied fill the ring.
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
        unsafe { open(rx, Guard::PeekBatch(batch)) };
        Ok(len)
    }))
}

fn copy_next(batch: &mut PeekBatch<'static>, message: &mut [u8], limit_ns: i64) -> Result<usize, c_int> {
    patiently!(batch, 1, limit_ns, |batch| batch.copy_next(message))
}

/// Gives the message of the peek, or all that were copied, back to the producer, and returns how many those are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_message_release(rx: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { guard(rx) }.and_then(|guard| {
        if !matches!(guard, Guard::Record(_) | Guard::PeekBatch(_)) {
            return Err(not_open(guard, "a peek at messages"));
        }
        // SAFETY: the caller's promise; it is open.
        match unsafe { close(rx) } {
            Guard::Record(record) => {
                record.release();
                Ok(1)
            }
            // SAFETY: the caller's promise; the guard is taken.
            Guard::PeekBatch(batch) => unsafe { release(rx, batch) },
            _ => Ok(0),
        }
    }))
}

/// Gives all messages of a batch back.
///
/// # Safety
///
/// As [`handle`].
#[inline(never)]
unsafe fn release(rx: *mut ringmain_end, batch: PeekBatch<'static>) -> Result<usize, c_int> {
    let len = batch.len();
    batch.release();
    // A handle that can no longer be used has released nothing.
    // SAFETY: the caller's promise.
    let consumer = unsafe { handle::<Consumer>(rx) }?;
    consumer.available().map_err(Refusal::refuse)?;
    Ok(len)
}
