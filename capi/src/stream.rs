//! Elements of one size: copied, or in place.

use core::ffi::{c_int, c_void};
use std::mem::transmute;
use std::slice;
use std::time::Instant;

use ringmain::stream::{Claim, Consumer, Peek, Producer};

use crate::code::{counted, invalid, status};
use crate::end::{Guard, buffer, bytes, close, guard, handle, handle_of, not_open, open, out, patiently, ringmain_end};
use crate::options::limit;

type Tx = Producer<[u8]>;
type Rx = Consumer<[u8]>;

/// Slots of a claim, in place: to be written. They lie before the end of the ring's buffer and after it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_slots {
    /// The first slot.
    pub first: *mut c_void,
    /// How many slots lie there.
    pub first_count: usize,
    /// The slot that follows those.
    pub second: *mut c_void,
    /// How many slots lie there: often 0.
    pub second_count: usize,
}

/// Elements of a peek, in place: to be read. They lie before the end of the ring's buffer and after it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_elements {
    /// The first element.
    pub first: *const c_void,
    /// How many elements lie there.
    pub first_count: usize,
    /// The element that follows those.
    pub second: *const c_void,
    /// How many elements lie there: often 0.
    pub second_count: usize,
    /// The position of the first element.
    pub position: u64,
}

/// Returns how many bytes so many elements have.
#[inline(always)]
fn len_of(count: usize, size: usize) -> Result<usize, c_int> {
    count.checked_mul(size).ok_or_else(|| too_many(count, size))
}

#[cold]
#[inline(never)]
fn too_many(count: usize, size: usize) -> c_int {
    invalid(format_args!("{count} elements of {size} bytes, expected less than an address space"))
}

/// Pushes as many of `count` elements as there is room for, from the first on, and returns how many that is: at least
/// one, unless `count` is 0. Waits for room for one. They are visible together when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_push(
    tx: *mut ringmain_end,
    elements: *const c_void,
    count: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    match unsafe { push_one(tx, elements.cast(), count) } {
        Some(()) => 1,
        // SAFETY: the same.
        None => unsafe { push_some(tx, elements, count, limit_ns) },
    }
}

/// Pushes one small element if a slot is known to be free: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_stream_push`].
#[inline(always)]
unsafe fn push_one(tx: *mut ringmain_end, element: *const u8, count: usize) -> Option<()> {
    // SAFETY: the caller's promise.
    let tx = unsafe { handle_of::<Tx>(tx) }?;
    if count != 1 || element.is_null() {
        return None;
    }
    // SAFETY: the caller's promise: one element.
    let element = unsafe { slice::from_raw_parts(element, tx.element_size()) };
    tx.push_if_known(element).then_some(())
}

/// Does all that [`ringmain_stream_push`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn push_some(tx: *mut ringmain_end, elements: *const c_void, count: usize, limit_ns: i64) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Tx>(tx) }.and_then(|tx| {
        // SAFETY: the caller's promise.
        let elements = unsafe { bytes("elements", elements.cast(), len_of(count, tx.element_size())?) }?;
        push(tx, elements, limit_ns)
    }))
}

#[inline(never)]
fn push(tx: &mut Tx, elements: &[u8], limit_ns: i64) -> Result<usize, c_int> {
    patiently!(tx, 1, limit_ns, |tx| tx.push_slice(elements))
}

/// Pops as many elements as are there, at most `count`, and returns how many that is: at least one, unless `count` is
/// 0. Waits for one. Their slots are free when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_pop(
    rx: *mut ringmain_end,
    elements: *mut c_void,
    count: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    match unsafe { pop_one(rx, elements.cast(), count) } {
        Some(()) => 1,
        // SAFETY: the same.
        None => unsafe { pop_some(rx, elements, count, limit_ns) },
    }
}

/// Pops one small element if one is known to be there: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_stream_pop`].
#[inline(always)]
unsafe fn pop_one(rx: *mut ringmain_end, element: *mut u8, count: usize) -> Option<()> {
    // SAFETY: the caller's promise.
    let rx = unsafe { handle_of::<Rx>(rx) }?;
    if count != 1 || element.is_null() {
        return None;
    }
    // SAFETY: the caller's promise: room for one element, which is written and not read.
    let element = unsafe { slice::from_raw_parts_mut(element, rx.element_size()) };
    rx.pop_if_known(element).then_some(())
}

/// Does all that [`ringmain_stream_pop`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn pop_some(rx: *mut ringmain_end, elements: *mut c_void, count: usize, limit_ns: i64) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Rx>(rx) }.and_then(|rx| {
        // SAFETY: the caller's promise.
        let elements = unsafe { buffer("elements", elements.cast(), len_of(count, rx.element_size())?) }?;
        pop(rx, elements, limit_ns)
    }))
}

#[inline(never)]
fn pop(rx: &mut Rx, elements: &mut [u8], limit_ns: i64) -> Result<usize, c_int> {
    patiently!(rx, 1, limit_ns, |rx| rx.pop_slice(elements))
}

/// Makes a call again and again until all elements are moved, or the limit has passed for all of them together. Returns
/// how many were moved.
fn all(
    count: usize,
    limit_ns: i64,
    mut some: impl FnMut(usize, i64) -> Result<usize, c_int>,
) -> (usize, Result<(), c_int>) {
    let end = limit(limit_ns).filter(|_| limit_ns > 0).and_then(|limit| Instant::now().checked_add(limit));
    let mut done = 0;
    while done < count {
        // Not 0, which would not find out that the other end has left.
        let rest = |end: Instant| i64::try_from(end.saturating_duration_since(Instant::now()).as_nanos());
        match some(done, end.map_or(limit_ns, |end| rest(end).unwrap_or(i64::MAX).max(1))) {
            Ok(more) => done += more,
            Err(code) => return (done, Err(code)),
        }
    }
    (done, Ok(()))
}

/// Stores a count, if that is wanted.
///
/// # Safety
///
/// `to` is null or valid for a write.
unsafe fn tell(to: *mut usize, count: usize) {
    if !to.is_null() {
        // SAFETY: the caller's promise.
        unsafe { to.write(count) };
    }
}

/// Pushes all of `count` elements, as room becomes free: visible in as many parts as that takes. `*pushed` says how
/// many were, also if this fails; it may be NULL. The limit is that of the whole call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_push_all(
    tx: *mut ringmain_end,
    elements: *const c_void,
    count: usize,
    limit_ns: i64,
    pushed: *mut usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let given = unsafe { handle::<Tx>(tx) }.and_then(|tx| {
        let size = tx.element_size();
        // SAFETY: the caller's promise.
        Ok((tx, size, unsafe { bytes("elements", elements.cast(), len_of(count, size)?) }?))
    });
    let (done, result) = match given {
        Ok((tx, size, elements)) => all(count, limit_ns, |done, limit| push(tx, &elements[done * size..], limit)),
        Err(code) => (0, Err(code)),
    };
    // SAFETY: the caller's promise.
    unsafe { tell(pushed, done) };
    status(result)
}

/// Pops `count` elements, as they come. `*popped` says how many were, also if this fails; it may be NULL. The limit is
/// that of the whole call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_pop_all(
    rx: *mut ringmain_end,
    elements: *mut c_void,
    count: usize,
    limit_ns: i64,
    popped: *mut usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let given = unsafe { handle::<Rx>(rx) }.and_then(|rx| {
        let size = rx.element_size();
        // SAFETY: the caller's promise.
        Ok((rx, size, unsafe { buffer("elements", elements.cast(), len_of(count, size)?) }?))
    });
    let (done, result) = match given {
        Ok((rx, size, elements)) => all(count, limit_ns, |done, limit| pop(rx, &mut elements[done * size..], limit)),
        Err(code) => (0, Err(code)),
    };
    // SAFETY: the caller's promise.
    unsafe { tell(popped, done) };
    status(result)
}

/// Checks how many elements a claim or a peek is to have.
#[inline(always)]
fn check_range(least: usize, most: usize) -> Result<usize, c_int> {
    if least <= most && most > 0 { Ok(least.max(1)) } else { Err(empty_range(least, most)) }
}

#[cold]
#[inline(never)]
fn empty_range(least: usize, most: usize) -> c_int {
    invalid(format_args!(
        "at least {least} and at most {most} elements were asked for, expected 1 or more, and no empty range"
    ))
}

/// Takes slots in place: as many as are free, at least `least` and at most `most`, and returns how many. Waits for
/// `least`. ringmain_stream_commit() makes them visible; ringmain_abort() gives them up. A slot that is not written
/// holds an element of an earlier round, or zeros.
///
/// The pointers are good until then. Whoever uses them trusts every process that can write to the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_claim(
    tx: *mut ringmain_end,
    least: usize,
    most: usize,
    limit_ns: i64,
    slots: *mut ringmain_slots,
) -> isize {
    // SAFETY: the caller's promise.
    match unsafe { claim_known(tx, least, most, slots) } {
        Some(count) => count as isize,
        // SAFETY: the same.
        None => unsafe { claim_some(tx, least, most, limit_ns, slots) },
    }
}

/// Takes slots that are known to be free: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_stream_claim`].
#[inline(always)]
unsafe fn claim_known(tx: *mut ringmain_end, least: usize, most: usize, slots: *mut ringmain_slots) -> Option<usize> {
    // SAFETY: the caller's promise.
    let producer = unsafe { handle_of::<Tx>(tx) }?;
    if least > most || most == 0 || slots.is_null() {
        return None;
    }
    let claim = keep_claim(producer.claim_if_known(most)?);
    // SAFETY: the caller's promise.
    unsafe { open_claim(tx, claim, slots) };
    Some(most)
}

/// Does all that [`ringmain_stream_claim`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn claim_some(
    tx: *mut ringmain_end,
    least: usize,
    most: usize,
    limit_ns: i64,
    slots: *mut ringmain_slots,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Tx>(tx) }.and_then(|producer| {
        // SAFETY: the caller's promise.
        unsafe { out("slots", slots) }?;
        let least = check_range(least, most)?;
        let claim = patiently!(producer, least, limit_ns, |tx| match tx.claim_up_to(most).map(keep_claim) {
            Ok(claim) if claim.len() >= least => Ok(claim),
            // Says how much is missing, and what never fits.
            _ => tx.claim(least).map(keep_claim),
        })?;
        let count = claim.len();
        // SAFETY: the caller's promise.
        unsafe { open_claim(tx, claim, slots) };
        Ok(count)
    }))
}

/// Says where the slots of a claim lie, and keeps it.
///
/// # Safety
///
/// `slots` is valid for a write; otherwise as [`open`].
#[inline(always)]
unsafe fn open_claim(tx: *mut ringmain_end, claim: Claim<'static, [u8]>, slots: *mut ringmain_slots) {
    let (first_count, second_count) = claim.parts();
    let (first, second) = claim.as_mut_ptrs();
    let (first, second) = (first.cast(), second.cast());
    // SAFETY: the caller's promise.
    unsafe { slots.write(ringmain_slots { first, first_count, second, second_count }) };
    // SAFETY: the same.
    unsafe { open(tx, Guard::Claim(claim)) };
}

/// Lets a claim be kept beside the handle that it borrows from: `end.rs`.
#[inline(always)]
fn keep_claim(claim: Claim<'_, [u8]>) -> Claim<'static, [u8]> {
    // SAFETY: the handle lies on the heap, is not used while there is a claim, and is dropped after it.
    unsafe { transmute(claim) }
}

/// Lets a peek be kept beside the handle that it borrows from: `end.rs`.
#[inline(always)]
fn keep_peek(peek: Peek<'_, [u8]>) -> Peek<'static, [u8]> {
    // SAFETY: the handle lies on the heap, is not used while there is a peek, and is dropped after it.
    unsafe { transmute(peek) }
}

/// Makes the first `count` slots of the claim visible, and gives up the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_commit(tx: *mut ringmain_end, count: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(tx) }.and_then(|guard| {
        let Guard::Claim(claim) = guard else { return Err(not_open(guard, "a claim of slots")) };
        if count > claim.len() {
            return Err(beyond("commit", count, "slots were claimed", claim.len()));
        }
        // SAFETY: the caller's promise; it is open.
        if let Guard::Claim(claim) = unsafe { close(tx) } {
            claim.commit_first(count);
        }
        Ok(())
    }))
}

/// Peeks at elements in place: as many as are there, at least `least` and at most `most`, and returns how many. Waits
/// for `least`. ringmain_stream_release() gives them back; ringmain_keep() leaves them in the ring.
///
/// The pointers are good until then. Whoever uses them trusts every process that can write to the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_peek(
    rx: *mut ringmain_end,
    least: usize,
    most: usize,
    limit_ns: i64,
    elements: *mut ringmain_elements,
) -> isize {
    // SAFETY: the caller's promise.
    match unsafe { peek_known(rx, least, most, elements) } {
        Some(count) => count as isize,
        // SAFETY: the same.
        None => unsafe { peek_some(rx, least, most, limit_ns, elements) },
    }
}

/// Peeks at elements that are known to be there: for speed only, a path without a call.
///
/// # Safety
///
/// As [`ringmain_stream_peek`].
#[inline(always)]
unsafe fn peek_known(
    rx: *mut ringmain_end,
    least: usize,
    most: usize,
    elements: *mut ringmain_elements,
) -> Option<usize> {
    // SAFETY: the caller's promise.
    let consumer = unsafe { handle_of::<Rx>(rx) }?;
    if least > most || most == 0 || elements.is_null() {
        return None;
    }
    let peek = keep_peek(consumer.peek_if_known(most)?);
    // SAFETY: the caller's promise.
    unsafe { open_peek(rx, peek, elements) };
    Some(most)
}

/// Does all that [`ringmain_stream_peek`] does.
///
/// # Safety
///
/// As that.
#[inline(never)]
unsafe fn peek_some(
    rx: *mut ringmain_end,
    least: usize,
    most: usize,
    limit_ns: i64,
    elements: *mut ringmain_elements,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Rx>(rx) }.and_then(|consumer| {
        // SAFETY: the caller's promise.
        unsafe { out("elements", elements) }?;
        let least = check_range(least, most)?;
        let peek = patiently!(consumer, least, limit_ns, |rx| match rx.peek_up_to(most).map(keep_peek) {
            Ok(peek) if peek.len() >= least => Ok(peek),
            // Says how much is missing, and what never fits.
            _ => rx.peek(least).map(keep_peek),
        })?;
        let count = peek.len();
        // SAFETY: the caller's promise.
        unsafe { open_peek(rx, peek, elements) };
        Ok(count)
    }))
}

/// Says where the elements of a peek lie, and keeps it.
///
/// # Safety
///
/// `elements` is valid for a write; otherwise as [`open`].
#[inline(always)]
unsafe fn open_peek(rx: *mut ringmain_end, peek: Peek<'static, [u8]>, elements: *mut ringmain_elements) {
    let (first_count, second_count) = peek.parts();
    let (first, second) = peek.as_ptrs();
    let (first, second, position) = (first.cast(), second.cast(), peek.position());
    // SAFETY: the caller's promise.
    unsafe { elements.write(ringmain_elements { first, first_count, second, second_count, position }) };
    // SAFETY: the same.
    unsafe { open(rx, Guard::Peek(peek)) };
}

/// Copies as many elements as are there, at most `count`, leaves them in the ring, and returns how many that is: at
/// least one. Waits for one. ringmain_stream_release() gives them back; ringmain_keep() leaves them: whoever is killed
/// before a release gets them again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_copy(
    rx: *mut ringmain_end,
    elements: *mut c_void,
    count: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { handle::<Rx>(rx) }.and_then(|consumer| {
        let size = consumer.element_size();
        // SAFETY: the caller's promise.
        let elements = unsafe { buffer("elements", elements.cast(), len_of(count, size)?) }?;
        check_range(1, count)?;
        let peek = patiently!(consumer, 1, limit_ns, |rx| rx.peek_up_to(count).map(keep_peek))?;
        let count = peek.len();
        peek.copy_to_slice(0, &mut elements[..count * size]);
        // SAFETY: the caller's promise.
        unsafe { open(rx, Guard::Peek(peek)) };
        Ok(count)
    }))
}

/// Gives the first `count` elements of the peek, or of those that were copied, back to the producer, and leaves the
/// others in the ring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_stream_release(rx: *mut ringmain_end, count: usize) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { guard(rx) }.and_then(|guard| {
        let Guard::Peek(peek) = guard else { return Err(not_open(guard, "a peek at elements")) };
        if count > peek.len() {
            return Err(beyond("release", count, "elements were peeked at", peek.len()));
        }
        // SAFETY: the caller's promise; it is open.
        if let Guard::Peek(peek) = unsafe { close(rx) } {
            peek.release_first(count);
        }
        Ok(())
    }))
}

#[cold]
#[inline(never)]
fn beyond(what: &str, count: usize, of: &str, len: usize) -> c_int {
    invalid(format_args!("{what} of {count}, but {len} {of}; it is still open"))
}
