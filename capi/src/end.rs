//! One end of a ring: how it is attached, what can be known of it, and how it is left.
//!
//! A guard of the library borrows its handle. Here both lie in one value on the heap, which never moves, and while
//! there is a guard nothing but that is used: each call goes through `idle`, `handle` or `guard`, which refuse
//! all others, and refuse a child that was forked, which only closes its copy. A guard is dropped before its handle.
//! What a call that moves data asks is one word, `ringmain_end::idle`: what it takes from there is nothing in a child.

use core::ffi::{c_char, c_int};
use std::ffi::CString;
use std::hint::unreachable_unchecked;
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use ringmain::{Broken, Descriptor, Epoch, Error, PeerState, PopError, PushError, WaitError, message, stream};

use crate::code::{Passing, Refusal, counted, invalid, status};
use crate::options::{
    Asked, RINGMAIN_MESSAGE_CONSUMER, RINGMAIN_MESSAGE_PRODUCER, RINGMAIN_NOW, RINGMAIN_STREAM_CONSUMER,
    RINGMAIN_STREAM_PRODUCER, Source, limit, ringmain_options, strategy, text,
};

/// Nobody was attached to the other end yet.
pub const RINGMAIN_PEER_NEVER: c_int = 0;
/// A process is attached to the other end.
pub const RINGMAIN_PEER_ALIVE: c_int = 1;
/// The last process at the other end said that it left.
pub const RINGMAIN_PEER_CLOSED: c_int = 2;
/// The last process at the other end is gone without having said so.
pub const RINGMAIN_PEER_CRASHED: c_int = 3;

/// The word of an end that is not idle.
const BUSY: u32 = 0;

/// One end of a ring.
#[derive(Debug)]
pub struct ringmain_end {
    /// Which end it is, as long as nothing is open and no set waits at it; else [`BUSY`].
    idle: u32,
    /// The one that it belongs to.
    process: Epoch,
    guard: Guard,
    /// That of the ring, which it keeps.
    descriptor: c_int,
    /// For an event loop, if it was asked for. It is dropped before the ring.
    readiness: Option<Descriptor>,
    ring: Ring,
    facts: ringmain_info,
    /// What `facts` points to.
    _name: CString,
}

/// The handle of an end.
#[derive(Debug)]
pub(crate) enum Ring {
    StreamProducer(stream::Producer<[u8]>),
    StreamConsumer(stream::Consumer<[u8]>),
    MessageProducer(message::Producer),
    MessageConsumer(message::Consumer),
}

/// What its user has open. It borrows from the handle beside it.
#[derive(Debug)]
pub(crate) enum Guard {
    Nothing,
    /// Slots in place.
    Claim(stream::Claim<'static, [u8]>),
    /// Elements in place, or that were copied.
    Peek(stream::Peek<'static, [u8]>),
    MessageClaim(message::Claim<'static>),
    Batch(message::Batch<'static>),
    Record(message::Record<'static>),
    PeekBatch(message::PeekBatch<'static>),
}

impl Guard {
    fn what(&self) -> &'static str {
        match self {
            Guard::Nothing => "nothing is open",
            Guard::Claim(_) => "a claim of slots is open: end it by ringmain_stream_commit() or ringmain_abort()",
            Guard::Peek(_) => "a peek at elements is open: end it by ringmain_stream_release() or ringmain_keep()",
            Guard::MessageClaim(_) => {
                "a claim of room is open: end it by ringmain_message_commit() or ringmain_abort()"
            }
            Guard::Batch(_) => "a batch is open: end it by ringmain_batch_commit() or ringmain_abort()",
            Guard::Record(_) | Guard::PeekBatch(_) => {
                "a peek at messages is open: end it by ringmain_message_release() or ringmain_keep()"
            }
        }
    }
}

/// Makes an expression of whatever handle there is.
macro_rules! each {
    ($ring:expr, $handle:ident => $call:expr) => {
        match $ring {
            Ring::StreamProducer($handle) => $call,
            Ring::StreamConsumer($handle) => $call,
            Ring::MessageProducer($handle) => $call,
            Ring::MessageConsumer($handle) => $call,
        }
    };
}
pub(crate) use each;

impl Ring {
    fn attach(which: u32, asked: &Asked) -> Result<Ring, Error> {
        let options = &asked.options;
        match which {
            RINGMAIN_STREAM_PRODUCER => options.sized_stream_producer(asked.layout()?).map(Ring::StreamProducer),
            RINGMAIN_STREAM_CONSUMER => options.sized_stream_consumer(asked.layout()?).map(Ring::StreamConsumer),
            RINGMAIN_MESSAGE_PRODUCER => options.message_producer().map(Ring::MessageProducer),
            _ => options.message_consumer().map(Ring::MessageConsumer),
        }
    }

    fn which(&self) -> u32 {
        match self {
            Ring::StreamProducer(_) => RINGMAIN_STREAM_PRODUCER,
            Ring::StreamConsumer(_) => RINGMAIN_STREAM_CONSUMER,
            Ring::MessageProducer(_) => RINGMAIN_MESSAGE_PRODUCER,
            Ring::MessageConsumer(_) => RINGMAIN_MESSAGE_CONSUMER,
        }
    }
}

fn name_of(which: u32) -> &'static str {
    match which {
        RINGMAIN_STREAM_PRODUCER => "the producer of a stream ring",
        RINGMAIN_STREAM_CONSUMER => "the consumer of a stream ring",
        RINGMAIN_MESSAGE_PRODUCER => "the producer of a message ring",
        _ => "the consumer of a message ring",
    }
}

/// Checks which end is asked for.
pub(crate) fn check_which(which: u32) -> Result<(), c_int> {
    match which {
        RINGMAIN_STREAM_PRODUCER..=RINGMAIN_MESSAGE_CONSUMER => Ok(()),
        other => Err(invalid(format_args!(
            "which is {other}, expected RINGMAIN_STREAM_PRODUCER, _CONSUMER, RINGMAIN_MESSAGE_PRODUCER or _CONSUMER"
        ))),
    }
}

/// A handle of one kind.
pub(crate) trait Handle: Sized {
    const WHICH: u32;

    /// Returns it.
    ///
    /// # Safety
    ///
    /// The ring is of this kind.
    unsafe fn of(ring: &mut Ring) -> &mut Self;
}

macro_rules! handles {
    ($($variant:ident($handle:ty) = $which:ident;)*) => {$(
        impl Handle for $handle {
            const WHICH: u32 = $which;

            #[inline(always)]
            unsafe fn of(ring: &mut Ring) -> &mut Self {
                match ring {
                    Ring::$variant(handle) => handle,
                    // SAFETY: the caller's promise.
                    _ => unsafe { unreachable_unchecked() },
                }
            }
        }
    )*};
}

handles! {
    StreamProducer(stream::Producer<[u8]>) = RINGMAIN_STREAM_PRODUCER;
    StreamConsumer(stream::Consumer<[u8]>) = RINGMAIN_STREAM_CONSUMER;
    MessageProducer(message::Producer) = RINGMAIN_MESSAGE_PRODUCER;
    MessageConsumer(message::Consumer) = RINGMAIN_MESSAGE_CONSUMER;
}

#[cold]
#[inline(never)]
fn null(what: &str) -> c_int {
    invalid(format_args!("{what} is NULL"))
}

#[cold]
#[inline(never)]
fn other_kind(found: &Ring, expected: u32) -> c_int {
    invalid(format_args!("the handle is {}, expected {}", name_of(found.which()), name_of(expected)))
}

/// Says that the handle belongs to another process.
#[cold]
#[inline(never)]
fn forked() -> c_int {
    Broken::Forked.refuse()
}

#[cold]
#[inline(never)]
pub(crate) fn not_open(guard: &Guard, expected: &str) -> c_int {
    invalid(format_args!("{}, expected {expected}", guard.what()))
}

/// Says why an end is not idle.
#[cold]
#[inline(never)]
fn busy(guard: &Guard) -> c_int {
    match guard {
        Guard::Nothing => invalid(format_args!("a set waits at the handle, expected nothing else that uses it")),
        guard => not_open(guard, "nothing"),
    }
}

/// Refuses a null pointer, and a handle of the process that this one was forked from, whatever is open at it.
///
/// # Safety
///
/// As [`idle`].
#[inline(always)]
unsafe fn check(end: *mut ringmain_end) -> Result<(), c_int> {
    if end.is_null() {
        return Err(null("the handle"));
    }
    // SAFETY: the caller's promise. No guard borrows the word.
    if unsafe { (*end).process }.is_current() { Ok(()) } else { Err(forked()) }
}

/// Returns the ring of an end that has nothing open.
///
/// # Safety
///
/// `end` is null, or a handle that was attached and not closed, and no other thread uses it now. The result is not used
/// after the call, but by a guard that is kept in `end`.
pub(crate) unsafe fn idle(end: *mut ringmain_end) -> Result<&'static mut Ring, c_int> {
    // SAFETY: the same promise.
    unsafe { check(end) }?;
    // SAFETY: the caller's promise.
    if unsafe { (*end).idle } == BUSY {
        // SAFETY: the same.
        return Err(busy(unsafe { &(*end).guard }));
    }
    // SAFETY: the caller's promise. No guard borrows from the ring.
    Ok(unsafe { &mut (*end).ring })
}

/// Returns the handle of an end that is of one kind and has nothing open.
///
/// # Safety
///
/// As [`idle`].
#[inline(always)]
pub(crate) unsafe fn handle<H: Handle + 'static>(end: *mut ringmain_end) -> Result<&'static mut H, c_int> {
    // SAFETY: the same promise.
    match unsafe { handle_of(end) } {
        // SAFETY: the same.
        Some(handle) => unsafe { check(end) }.map(|()| handle),
        // SAFETY: the same.
        None => Err(unsafe { refused(end, H::WHICH) }),
    }
}

/// The same, for a caller that says why not.
///
/// # Safety
///
/// As [`idle`].
#[inline(always)]
pub(crate) unsafe fn handle_of<H: Handle + 'static>(end: *mut ringmain_end) -> Option<&'static mut H> {
    // SAFETY: the caller's promise.
    if end.is_null() || unsafe { (*end).idle } != H::WHICH {
        return None;
    }
    // SAFETY: the caller's promise. No guard borrows from the ring.
    let ring = unsafe { &mut (*end).ring };
    // SAFETY: the word says of which kind the ring is.
    Some(unsafe { H::of(ring) })
}

/// Says why a handle is not the one of this kind that has nothing open.
///
/// # Safety
///
/// As [`idle`].
#[cold]
#[inline(never)]
pub(crate) unsafe fn refused(end: *mut ringmain_end, expected: u32) -> c_int {
    // SAFETY: the same promise.
    match unsafe { idle(end) } {
        Ok(ring) => other_kind(ring, expected),
        Err(code) => code,
    }
}

/// Returns what an end has open.
///
/// # Safety
///
/// As [`idle`].
#[inline(always)]
pub(crate) unsafe fn guard(end: *mut ringmain_end) -> Result<&'static mut Guard, c_int> {
    // SAFETY: the same promise.
    unsafe { check(end) }?;
    // SAFETY: the caller's promise. A guard does not overlap what it borrows from.
    Ok(unsafe { &mut (*end).guard })
}

/// Keeps what its user has opened.
///
/// # Safety
///
/// As [`idle`], and the end is idle.
#[inline(always)]
pub(crate) unsafe fn open(end: *mut ringmain_end, guard: Guard) {
    // SAFETY: the caller's promise. Nothing is dropped that needs it.
    unsafe { (*end).guard = guard };
    // SAFETY: the same.
    unsafe { (*end).idle = BUSY };
}

/// Takes what its user has opened, to end it. The end is idle then.
///
/// # Safety
///
/// As [`idle`], and there is a guard.
#[inline(always)]
pub(crate) unsafe fn close(end: *mut ringmain_end) -> Guard {
    // SAFETY: the caller's promise.
    let which = unsafe { (*end).facts.which };
    // SAFETY: the same.
    unsafe { (*end).idle = which };
    // SAFETY: the same.
    mem::replace(unsafe { &mut (*end).guard }, Guard::Nothing)
}

/// Lends the ring of an idle end to a set; no other call may use it until it is given back by [`return_ring`].
///
/// # Safety
///
/// As [`idle`].
pub(crate) unsafe fn lend_ring(end: *mut ringmain_end) -> Result<&'static mut Ring, c_int> {
    // SAFETY: the same promise.
    let ring = unsafe { idle(end) }?;
    // SAFETY: the same; the word does not overlap the ring.
    unsafe { (*end).idle = BUSY };
    Ok(ring)
}

/// Ends a loan.
///
/// # Safety
///
/// The ring of this end was lent, and is not used any more.
pub(crate) unsafe fn return_ring(end: *mut ringmain_end) {
    // SAFETY: the caller's promise.
    let which = unsafe { (*end).facts.which };
    // SAFETY: the same.
    unsafe { (*end).idle = which };
}

/// Returns the ring of an idle end, and where its descriptor for an event loop is kept.
///
/// # Safety
///
/// As [`idle`].
pub(crate) unsafe fn readiness(
    end: *mut ringmain_end,
) -> Result<(&'static mut Ring, &'static mut Option<Descriptor>), c_int> {
    // SAFETY: the same promise.
    let ring = unsafe { idle(end) }?;
    // SAFETY: the same; it does not overlap the ring.
    Ok((ring, unsafe { &mut (*end).readiness }))
}

/// Refuses a pointer to a result that is null.
///
/// # Safety
///
/// `pointer` is null, or valid for a write for as long as the result is used.
#[inline(always)]
pub(crate) unsafe fn out<'a, T>(what: &str, pointer: *mut T) -> Result<&'a mut mem::MaybeUninit<T>, c_int> {
    // SAFETY: the caller's promise; it need not be initialised.
    unsafe { pointer.cast::<mem::MaybeUninit<T>>().as_mut() }.ok_or_else(|| null(what))
}

/// Returns bytes of C's.
///
/// # Safety
///
/// `bytes` is valid for reads of `len` bytes, unless it is null or `len` is 0.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(what: &str, bytes: *const u8, len: usize) -> Result<&'a [u8], c_int> {
    check_bytes(what, bytes, len)?;
    // SAFETY: the caller's promise; an empty slice begins anywhere.
    Ok(unsafe { std::slice::from_raw_parts(if len == 0 { ptr::dangling() } else { bytes }, len) })
}

/// Returns a buffer of C's.
///
/// # Safety
///
/// `bytes` is valid for writes of `len` bytes, unless it is null or `len` is 0.
#[inline(always)]
pub(crate) unsafe fn buffer<'a>(what: &str, bytes: *mut u8, len: usize) -> Result<&'a mut [u8], c_int> {
    check_bytes(what, bytes, len)?;
    // SAFETY: the caller's promise; an empty slice begins anywhere. The bytes are written and not read.
    Ok(unsafe { std::slice::from_raw_parts_mut(if len == 0 { ptr::dangling_mut() } else { bytes }, len) })
}

#[inline(always)]
fn check_bytes(what: &str, bytes: *const u8, len: usize) -> Result<(), c_int> {
    if bytes.is_null() && len > 0 || len > isize::MAX as usize { Err(bad_bytes(what, len)) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn bad_bytes(what: &str, len: usize) -> c_int {
    match len > isize::MAX as usize {
        true => invalid(format_args!("{what} has {len} bytes, expected at most {}", isize::MAX)),
        false => invalid(format_args!("{what} is NULL, and has {len} bytes")),
    }
}

/// Returns a handle with calls that wait.
macro_rules! waiting {
    ($handle:expr, $limit:expr) => {
        match $limit {
            None => $handle.blocking(),
            Some(limit) => $handle.within(limit),
        }
    };
}

/// What waits until a call has what it needs.
pub(crate) trait Waits {
    /// Waits for `need` slots or elements, for room for a message of `need` bytes, or for a message.
    fn wait(&mut self, need: usize, limit: Option<Duration>) -> Result<(), WaitError>;
}

macro_rules! waits {
    ($($handle:ty: $call:ident($($need:ident)?);)*) => {$(
        impl Waits for $handle {
            fn wait(&mut self, _need: usize, limit: Option<Duration>) -> Result<(), WaitError> {
                $(let $need = _need;)?
                waiting!(self, limit).$call($($need)?).map(|_| ())
            }
        }
    )*};
}

waits! {
    stream::Producer<[u8]>: until_free(need);
    stream::Consumer<[u8]>: until_available(need);
    message::Producer: until_free(need);
    message::Batch<'static>: until_free(need);
    message::Consumer: until_available();
    message::PeekBatch<'static>: next_len();
}

/// Makes a call that does not wait. If it came too early and there is a limit, waits for what it needs, and makes it
/// once more: then that is there, and nobody else takes it. A macro, since a closure would not be inlined for size.
macro_rules! patiently {
    ($handle:expr, $need:expr, $limit_ns:expr, |$name:ident| $call:expr) => {{
        let ($name, mut limit_ns) = ($handle, $limit_ns);
        loop {
            match $call {
                Ok(result) => break Ok(result),
                Err(error) => match $crate::end::wait_for($name, $need, limit_ns, error) {
                    Ok(()) => limit_ns = $crate::options::RINGMAIN_NOW,
                    Err(code) => break Err(code),
                },
            }
        }
    }};
}
pub(crate) use patiently;

/// Out of line, so that a call that succeeds at once keeps its values in registers.
#[cold]
#[inline(never)]
pub(crate) fn wait_for<H: Waits, E: Passing>(
    handle: &mut H,
    need: usize,
    limit_ns: i64,
    error: E,
) -> Result<(), c_int> {
    if limit_ns <= RINGMAIN_NOW || !error.passes() {
        return Err(error.refuse());
    }
    handle.wait(need, limit(limit_ns)).map_err(Refusal::refuse)
}

/// What an end is. It does not change while it is attached.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_info {
    /// sizeof(ringmain_info), given by the caller; how many bytes of it were written, afterwards.
    pub size: usize,
    /// The name of the ring; "(anonymous)" if it has none. It lives as long as the handle.
    pub name: *const c_char,
    /// The capacity: elements, or bytes with the headers of messages.
    pub capacity: usize,
    /// The size of an element in bytes; 0 for messages.
    pub element_size: usize,
    /// The alignment of the records of messages in bytes; 0 for a stream ring.
    pub record_alignment: usize,
    /// The length of the longest message; 0 for a stream ring.
    pub max_len: usize,
    /// The number of the ring, chosen at random when it was created.
    pub ring_id: u64,
    /// The position at which the ring began.
    pub first_position: u64,
    /// How often this role has been taken, this time included.
    pub generation: u64,
    /// RINGMAIN_STREAM_PRODUCER, RINGMAIN_STREAM_CONSUMER, RINGMAIN_MESSAGE_PRODUCER or RINGMAIN_MESSAGE_CONSUMER.
    pub which: u32,
    /// 0.
    pub reserved: u32,
}

impl ringmain_end {
    /// Puts a handle of this process on the heap.
    fn of(ring: Ring, process: Epoch) -> *mut ringmain_end {
        // A name has no 0.
        let name = CString::new(each!(&ring, handle => handle.name())).unwrap_or_default();
        let (element_size, record_alignment, max_len) = match &ring {
            Ring::StreamProducer(tx) => (tx.element_size(), 0, 0),
            Ring::StreamConsumer(rx) => (rx.element_size(), 0, 0),
            Ring::MessageProducer(tx) => (0, tx.record_alignment(), tx.max_len()),
            Ring::MessageConsumer(rx) => (0, rx.record_alignment(), rx.max_len()),
        };
        let facts = ringmain_info {
            size: size_of::<ringmain_info>(),
            name: name.as_ptr(),
            capacity: each!(&ring, handle => handle.capacity()),
            element_size,
            record_alignment,
            max_len,
            ring_id: each!(&ring, handle => handle.ring_id()),
            first_position: each!(&ring, handle => handle.first_position()),
            generation: each!(&ring, handle => handle.generation()),
            which: ring.which(),
            reserved: 0,
        };
        let descriptor = each!(&ring, handle => handle.descriptor().as_raw_fd());
        let (idle, guard, readiness) = (facts.which, Guard::Nothing, None);
        let end = ringmain_end { idle, process, guard, descriptor, readiness, ring, facts, _name: name };
        Box::into_raw(Box::new(end))
    }

    /// Takes the handle back from the heap. What is open is given up.
    ///
    /// # Safety
    ///
    /// As [`idle`], and the handle is never used again.
    unsafe fn take(end: *mut ringmain_end) -> Result<Ring, c_int> {
        if end.is_null() {
            return Err(null("the handle"));
        }
        // SAFETY: the caller's promise. What it borrows from is dropped later.
        let _: Guard = unsafe { close(end) };
        // SAFETY: `of` put it there, and nothing borrows from it.
        Ok(unsafe { Box::from_raw(end) }.ring)
    }
}

/// Attaches by `asked`, and hands the handle over.
pub(crate) fn attach_as(which: u32, asked: &Asked) -> Result<*mut ringmain_end, Error> {
    let ring = Ring::attach(which, asked)?;
    Ok(ringmain_end::of(ring, Epoch::current()?))
}

/// Attaches to one end of a ring, and creates the ring if the options allow it.
///
/// `which` is RINGMAIN_STREAM_PRODUCER, RINGMAIN_STREAM_CONSUMER, RINGMAIN_MESSAGE_PRODUCER or
/// RINGMAIN_MESSAGE_CONSUMER. `name` has 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot; if it is NULL, the ring has
/// no name: a new one, or the one behind `options->descriptor`, which is not given beside a name. `options` may be
/// NULL. The handle is stored in `*end` (NULL, if the call fails); ringmain_close() or ringmain_abandon() ends it.
///
/// Fails with -ENOENT if there is no such ring and none may be created, -EBUSY if another handle has this end, -EPROTO
/// if the ring is another one than was asked for, and others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_attach(
    which: u32,
    name: *const c_char,
    options: *const ringmain_options,
    end: *mut *mut ringmain_end,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("end", end) }.and_then(|end| {
        end.write(ptr::null_mut());
        check_which(which)?;
        // SAFETY: the caller's promise.
        let asked = unsafe { Asked::read(name, options, Source::Given) }?;
        asked.check(which)?;
        end.write(attach_as(which, &asked).map_err(Refusal::refuse)?);
        Ok(())
    }))
}

/// Creates a ring, if it is missing, and takes neither end. Returns a descriptor of it, which the caller closes; a ring
/// without a name lives as long as it has one. `which` says what kind of ring; which of its two ends does not matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_create(which: u32, name: *const c_char, options: *const ringmain_options) -> c_int {
    let created = check_which(which).and_then(|()| {
        // SAFETY: the caller's promise.
        let asked = unsafe { Asked::read(name, options, Source::Given) }?;
        asked.check(which)?;
        let created = match which {
            RINGMAIN_STREAM_PRODUCER | RINGMAIN_STREAM_CONSUMER => {
                asked.layout().and_then(|element| asked.options.create_stream(element))
            }
            _ => asked.options.create_message(),
        };
        created.map_err(Refusal::refuse)
    });
    created.map_or_else(|code| code, OwnedFd::into_raw_fd)
}

/// Leaves the ring in order, and frees the handle: the other end is told that it closed, after all that was sent. The
/// name is removed with RINGMAIN_UNLINK_ON_CLOSE. The handle is gone whatever this returns; it fails if the name could
/// not be removed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_close(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(
        unsafe { ringmain_end::take(end) }
            .and_then(|ring| each!(ring, handle => handle.close()).map_err(Refusal::refuse)),
    )
}

/// Leaves the ring as a crash of this process would, and frees the handle: the other end is told that it crashed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_abandon(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { ringmain_end::take(end) }.map(|ring| each!(ring, handle => handle.abandon())))
}

/// Leaves the ring as ringmain_close() does, and returns a descriptor of it, by which the next process attaches to a
/// ring without a name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_into_fd(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    let kept = unsafe { ringmain_end::take(end) }
        .and_then(|ring| each!(ring, handle => handle.into_fd()).map_err(Refusal::refuse));
    kept.map_or_else(|code| code, OwnedFd::into_raw_fd)
}

/// Returns a descriptor of the ring that stays the handle's: to be passed to another process (ringmain_offer_send,
/// ringmain_inherit), not to be closed or polled. Allowed while something is open, and in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_descriptor(end: *const ringmain_end) -> c_int {
    if end.is_null() {
        return null("the handle");
    }
    // SAFETY: the caller's promise. It is borrowed by nobody.
    unsafe { (*end).descriptor }
}

/// Closes a ring without a name that was created with RINGMAIN_SEALABLE to all processes that are not attached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_seal(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { idle(end) }.and_then(|ring| each!(ring, handle => handle.seal()).map_err(Refusal::refuse)))
}

/// Returns how many bytes a struct of the caller's says that it has, `first` at least.
///
/// # Safety
///
/// `to` is null, or begins with its size.
pub(crate) unsafe fn check_size<T: Copy>(what: &str, to: *mut T, first: usize) -> Result<usize, c_int> {
    if to.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    match unsafe { to.cast::<usize>().read() } {
        size if size < first => {
            Err(invalid(format_args!("{what} of {size} bytes, expected at least {first}: its size comes first")))
        }
        size => Ok(size),
    }
}

/// Fills a struct of the caller's, as far as it knows the fields.
///
/// # Safety
///
/// `to` begins with its size, and is valid for writes of as many bytes.
pub(crate) unsafe fn fill<T: Copy>(what: &str, to: *mut T, first: usize, from: &T) -> Result<(), c_int> {
    // SAFETY: the caller's promise.
    let known = unsafe { check_size(what, to, first) }?.min(size_of::<T>());
    // SAFETY: the caller's promise; the other is as long or longer.
    unsafe { ptr::copy_nonoverlapping(ptr::from_ref(from).cast::<u8>(), to.cast::<u8>(), known) };
    // SAFETY: the same.
    unsafe { to.cast::<usize>().write(known) };
    Ok(())
}

/// The size that the first version of `ringmain_info` had.
const FIRST_INFO: usize = 80;

/// Says what an end is: `info->size` is sizeof(ringmain_info) before the call. Allowed while something is open, and in
/// a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_end_info(end: *const ringmain_end, info: *mut ringmain_info) -> c_int {
    if end.is_null() {
        return null("the handle");
    }
    // SAFETY: the caller's promise. They are borrowed by nobody.
    let facts = unsafe { &(*end).facts };
    // SAFETY: the caller's promise.
    status(unsafe { fill("info", info, FIRST_INFO, facts) })
}

/// Stores the position of what this end writes or reads next: how many elements, or bytes of the records of messages,
/// lie before it. It only grows, across processes too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_position(end: *mut ringmain_end, position: *mut u64) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("position", position) }.and_then(|position| {
        // SAFETY: the caller's promise.
        position.write(each!(unsafe { idle(end) }?, handle => handle.position()));
        Ok(())
    }))
}

/// Returns how much lies in the ring: elements, or bytes of the records of messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_len(end: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { idle(end) }.and_then(|ring| each!(ring, handle => handle.len()).map_err(Refusal::refuse)))
}

/// Returns how much room the ring has, to its producer: slots, or bytes for the records of messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_room(tx: *mut ringmain_end) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { idle(tx) }.and_then(|ring| match ring {
        Ring::StreamProducer(tx) => tx.free().map_err(Refusal::refuse),
        Ring::MessageProducer(tx) => tx.free().map_err(Refusal::refuse),
        other => Err(invalid(format_args!("the handle is {}, expected a producer", name_of(other.which())))),
    }))
}

pub(crate) fn peer_number(state: PeerState) -> c_int {
    match state {
        PeerState::Never => RINGMAIN_PEER_NEVER,
        PeerState::Alive => RINGMAIN_PEER_ALIVE,
        PeerState::Closed => RINGMAIN_PEER_CLOSED,
        PeerState::Crashed => RINGMAIN_PEER_CRASHED,
    }
}

/// Returns what the other end last said of itself, without a system call: RINGMAIN_PEER_NEVER, RINGMAIN_PEER_ALIVE or
/// RINGMAIN_PEER_CLOSED. Only ringmain_peer_state() tells whether it was killed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_peer(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { idle(end) }.map_or_else(|code| code, |ring| each!(ring, handle => peer_number(handle.peer())))
}

/// Finds out the state of the other end, by at most two system calls: one of RINGMAIN_PEER_NEVER to
/// RINGMAIN_PEER_CRASHED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_peer_state(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { idle(end) }.map_or_else(|code| code, |ring| each!(ring, handle => peer_number(handle.peer_state())))
}

/// Stores how often the other end has been taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_peer_generation(end: *mut ringmain_end, generation: *mut u64) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("generation", generation) }.and_then(|generation| {
        // SAFETY: the caller's promise.
        generation.write(each!(unsafe { idle(end) }?, handle => handle.peer_generation()));
        Ok(())
    }))
}

/// Returns 1 if another process has attached to the other end since the last call, or since this handle attached; else
/// 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_peer_changed(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { idle(end) }.map_or_else(|code| code, |ring| each!(ring, handle => handle.peer_changed()).into())
}

/// Returns 1 if the name of the ring was removed, so that nobody else can attach; else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_is_orphaned(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { idle(end) }.map_or_else(|code| code, |ring| each!(ring, handle => handle.is_orphaned()).into())
}

/// Returns 1 if another process has shortened the memory of the ring: close it, or abandon it. Else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_is_truncated(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { idle(end) }.map_or_else(|code| code, |ring| each!(ring, handle => handle.is_truncated()).into())
}

/// Changes how the calls of this handle wait: RINGMAIN_SPIN_THEN_PARK, RINGMAIN_SPIN or RINGMAIN_PARK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_set_wait(end: *mut ringmain_end, wait: u32) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { idle(end) }.and_then(|ring| {
        let strategy = strategy(wait)?;
        each!(ring, handle => handle.set_wait(strategy));
        Ok(())
    }))
}

/// Waits until `need` slots are free, or `need` elements are there; to the producer of a message ring, until there is
/// room for a message of `need` bytes; to its consumer, until a message is there, whatever `need` is.
///
/// Unlike a push or a pop, it also finds out with RINGMAIN_NOW that the other end has left: -EPIPE, -ECONNRESET.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_wait(end: *mut ringmain_end, need: usize, limit_ns: i64) -> c_int {
    let limit = limit(limit_ns);
    // SAFETY: the caller's promise.
    status(unsafe { idle(end) }.and_then(|ring| {
        let waited = each!(&mut *ring, handle => handle.wait(need, limit));
        waited.map_err(|error| match (error, ring) {
            (WaitError::TimedOut, Ring::StreamProducer(_) | Ring::MessageProducer(_)) if limit_ns <= RINGMAIN_NOW => {
                PushError::Full(0).refuse()
            }
            (WaitError::TimedOut, Ring::StreamConsumer(rx)) if limit_ns <= RINGMAIN_NOW => match rx.available() {
                Ok(0) => PopError::Empty.refuse(),
                Ok(available) => PopError::Short { available, len: need }.refuse(),
                Err(broken) => broken.refuse(),
            },
            (WaitError::TimedOut, _) if limit_ns <= RINGMAIN_NOW => PopError::Empty.refuse(),
            (error, _) => error.refuse(),
        })
    }))
}

/// Says that a consumer pauses: a producer that sleeps at a full ring and has what it asked for is woken now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_pause(rx: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { idle(rx) }.and_then(|ring| match ring {
        Ring::StreamConsumer(rx) => {
            rx.release();
            Ok(())
        }
        Ring::MessageConsumer(rx) => {
            rx.release();
            Ok(())
        }
        other => Err(invalid(format_args!("the handle is {}, expected a consumer", name_of(other.which())))),
    }))
}

/// Gives up the claim or the batch that a producer has open: nothing was pushed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_abort(tx: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(tx) }.and_then(|guard| match guard {
        // SAFETY: the same.
        Guard::Claim(_) | Guard::MessageClaim(_) | Guard::Batch(_) => unsafe { give_up(tx) },
        other => Err(not_open(other, "a claim or a batch")),
    }))
}

/// Ends the peek that a consumer has open, and leaves all in the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_keep(rx: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(rx) }.and_then(|guard| match guard {
        // SAFETY: the same.
        Guard::Peek(_) | Guard::Record(_) | Guard::PeekBatch(_) => unsafe { give_up(rx) },
        other => Err(not_open(other, "a peek")),
    }))
}

/// Ends what is open: nothing was pushed, or released.
///
/// # Safety
///
/// As [`close`].
unsafe fn give_up(end: *mut ringmain_end) -> Result<(), c_int> {
    // SAFETY: the caller's promise.
    let _: Guard = unsafe { close(end) };
    Ok(())
}

/// Removes the name of a ring, whatever its state. Processes that are attached go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_unlink(name: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { text("the name", name) };
    status(name.and_then(|name| ringmain::unlink(name).map_err(Refusal::refuse)))
}

/// Removes the name of a ring that nobody is attached to; -EBUSY if somebody is. Waits for `limit_ns` at most for a
/// process that creates it at this moment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_unlink_if_free(name: *const c_char, limit_ns: i64) -> c_int {
    // SAFETY: the caller's promise.
    let name = unsafe { text("the name", name) };
    let limit = limit(limit_ns).unwrap_or(Duration::MAX);
    status(name.and_then(|name| ringmain::unlink_if_free(name, limit).map_err(Refusal::refuse)))
}
