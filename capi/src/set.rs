//! Waiting at many rings at once, or in an event loop, and ending a wait from outside.

use core::ffi::{c_char, c_int, c_void};
use std::mem::{MaybeUninit, transmute};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::sync::Once;

use ringmain::{Interest, WaitError, WaitSet, Waker, Woken};

use crate::code::{Refusal, counted, invalid, of_entry, status};
use crate::end::{Ring, each, idle, lend_ring, out, readiness, return_ring, ringmain_end};
use crate::options::{limit, strategy};

/// At how many handles a set waits at most.
pub const RINGMAIN_MOST_INTERESTS: usize = 127;

/// What a set waits for at one handle.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_interest {
    /// The handle. Nothing is open at it, and nothing else uses it during the wait.
    pub end: *mut ringmain_end,
    /// As for ringmain_wait(): how many free slots, or elements; to the producer of a message ring, room for a message
    /// of how many bytes.
    pub need: usize,
    /// After the wait: 1 if it is ready, else 0.
    pub ready: c_int,
    /// Not looked at.
    pub reserved: c_int,
}

/// Waits at many rings at once, of either kind, at either end.
#[derive(Debug)]
pub struct ringmain_waitset {
    set: WaitSet,
}

/// Ends a wait of a set or of a handle from outside.
#[derive(Debug)]
pub struct ringmain_waker {
    waker: Waker,
}

/// Makes a set, which holds no descriptor and nothing of any ring. It is stored in `*set`; ringmain_waitset_free() ends
/// it. It is used by one thread at a time. A thread of the library's own, which blocks all signals, learns of deaths
/// for sets that sleep; the library stays loaded from then on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waitset_open(set: *mut *mut ringmain_waitset) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("set", set) }.map(|to| {
        stay_loaded();
        to.write(Box::into_raw(Box::new(ringmain_waitset { set: WaitSet::new() })));
    }))
}

/// Frees a set. NULL is allowed. Its wakers stay, and do nothing then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waitset_free(set: *mut ringmain_waitset) {
    if !set.is_null() {
        // SAFETY: the caller's promise: it came from ringmain_waitset_open().
        drop(unsafe { Box::from_raw(set) });
    }
}

/// Returns the set behind a pointer.
///
/// # Safety
///
/// `set` is null, or a set that is not freed, and no other thread uses it now.
unsafe fn set_of<'a>(set: *mut ringmain_waitset) -> Result<&'a mut WaitSet, c_int> {
    // SAFETY: the caller's promise.
    unsafe { set.as_mut() }.map(|set| &mut set.set).ok_or_else(|| invalid(format_args!("the set is NULL")))
}

/// Changes how a set waits, however its handles do: RINGMAIN_SPIN_THEN_PARK, as at first, RINGMAIN_SPIN or
/// RINGMAIN_PARK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waitset_set_wait(set: *mut ringmain_waitset, wait: u32) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { set_of(set) }.and_then(|set| {
        set.set_wait(strategy(wait)?);
        Ok(())
    }))
}

/// Waits until something of a list is ready, and returns how much is: `ready` of each says which. Returns 0 if the
/// limit passes before that. A list of nothing waits for a waker.
///
/// One is ready as soon as a call on its handle that waits for as much would not wait: because that is there, or free,
/// or because the wait has ended, since the other end has left, is gone, or cannot come. The call that is made then
/// tells which; ringmain_wait() with RINGMAIN_NOW, too. What is left in a ring is ready again at the next wait, and an
/// end stays ready: take it out of the list. A crash is told within 100 ms.
///
/// Fails with -ECANCELED if a waker of the set was used, which comes first: the next wait looks at the rings before it
/// takes another call. -EINVAL: more than RINGMAIN_MOST_INTERESTS, or a handle that is there twice, that has something
/// open, or that another set waits at; -ECHILD: a handle of another process; -EMSGSIZE: more is needed than its ring
/// can ever hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waitset_wait(
    set: *mut ringmain_waitset,
    interests: *mut ringmain_interest,
    count: usize,
    limit_ns: i64,
) -> isize {
    // SAFETY: the caller's promise.
    counted(unsafe { set_of(set) }.and_then(|set| {
        // SAFETY: the caller's promise.
        let given = unsafe { list_of(interests, count) }?;
        given.iter_mut().for_each(|interest| interest.ready = 0);
        let mut list = [const { MaybeUninit::<Interest<'_>>::uninit() }; RINGMAIN_MOST_INTERESTS];
        let mut len = 0;
        let mut woken = Ok(Woken::TimedOut);
        for (interest, place) in given.iter_mut().zip(&mut list) {
            // SAFETY: the caller's promise. It is given back below.
            match unsafe { lend_ring(interest.end) } {
                Ok(ring) => place.write(asked_of(ring, interest.need)),
                Err(code) => {
                    woken = Err(of_entry(len, code));
                    break;
                }
            };
            len += 1;
        }
        if woken.is_ok() {
            // SAFETY: as many are written.
            let interests = unsafe { std::slice::from_raw_parts_mut(list.as_mut_ptr().cast(), len) };
            woken = set.wait(interests, limit(limit_ns)).map_err(Refusal::refuse);
        }
        for interest in &given[..len] {
            // SAFETY: it was lent, and the list is not used any more.
            unsafe { return_ring(interest.end) };
        }
        match woken? {
            Woken::Ready(ready) => {
                let len = ready.len();
                ready.for_each(|at| given[at].ready = 1);
                Ok(len)
            }
            Woken::Called => Err(WaitError::Called.refuse()),
            Woken::TimedOut => Ok(0),
        }
    }))
}

/// Returns a list of C's.
///
/// # Safety
///
/// `interests` is valid for reads and writes of `count` of them, unless it is null or `count` is 0.
unsafe fn list_of<'a>(interests: *mut ringmain_interest, count: usize) -> Result<&'a mut [ringmain_interest], c_int> {
    if count > RINGMAIN_MOST_INTERESTS {
        return Err(WaitError::TooMany { len: count, max: RINGMAIN_MOST_INTERESTS }.refuse());
    }
    if count > 0 && (interests.is_null() || !interests.is_aligned()) {
        return Err(invalid(format_args!("{count} interests at {interests:?}, expected an array of them")));
    }
    // SAFETY: the caller's promise; an empty slice begins anywhere.
    Ok(unsafe { std::slice::from_raw_parts_mut(if count == 0 { ptr::dangling_mut() } else { interests }, count) })
}

/// Says what is waited for at a ring.
fn asked_of(ring: &mut Ring, need: usize) -> Interest<'_> {
    match ring {
        Ring::StreamProducer(tx) => tx.writable(need),
        Ring::StreamConsumer(rx) => rx.readable_for(need),
        Ring::MessageProducer(tx) => tx.writable(need),
        Ring::MessageConsumer(rx) => rx.readable(),
    }
}

/// Stores what ends a wait of this set in `*waker`; ringmain_waker_free() frees it. All wakers of a set are the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waitset_waker(set: *mut ringmain_waitset, waker: *mut *mut ringmain_waker) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("waker", waker) }.and_then(|to| {
        to.write(ptr::null_mut());
        // SAFETY: the caller's promise.
        let waker = unsafe { set_of(set) }?.waker();
        to.write(Box::into_raw(Box::new(ringmain_waker { waker })));
        Ok(())
    }))
}

/// Stores what ends a call of this handle that waits in `*waker` (NULL, if the call fails); ringmain_waker_free() frees
/// it. All wakers of a handle are the same. A call that finds at once what it asked for is not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_end_waker(end: *mut ringmain_end, waker: *mut *mut ringmain_waker) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("waker", waker) }.and_then(|to| {
        to.write(ptr::null_mut());
        // SAFETY: the caller's promise.
        let waker = each!(unsafe { idle(end) }?, handle => handle.waker());
        to.write(Box::into_raw(Box::new(ringmain_waker { waker })));
        Ok(())
    }))
}

/// Ends the wait that is made now with -ECANCELED, or the next one: a call stays until a wait takes it, and several
/// that no wait has taken are one. What was done before it can be seen by whoever it ends the wait of.
///
/// Any thread may call it at any time, and a handler of a signal: it takes no lock, allocates nothing, and leaves errno
/// as it is. After its set or handle is freed it does nothing, and in a forked child it ends no wait of the parent.
/// -EINVAL, for NULL, is all that can fail; ringmain_last_error() does not tell of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_wake(waker: *const ringmain_waker) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { waker.as_ref() } {
        Some(waker) => {
            waker.waker.wake();
            0
        }
        // No words: a handler of a signal must not write them.
        None => -libc::EINVAL,
    }
}

/// Frees a waker. NULL is allowed. No thread, and no handler of a signal, uses it then or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_waker_free(waker: *mut ringmain_waker) {
    if !waker.is_null() {
        // SAFETY: the caller's promise: it came from ringmain_waitset_waker() or ringmain_end_waker().
        drop(unsafe { Box::from_raw(waker) });
    }
}

/// Returns a descriptor by which an event loop (epoll, poll, libuv) waits for this handle, together with sockets and
/// timers. It is readable at first, and from each wake on until ringmain_is_ready() returns 0; wait for it as readable
/// at either end of a ring, by level or by edge, and neither read nor write it. It is the handle's: each call returns
/// the same one, which lives as long as the handle, and is not closed by the caller.
///
/// A thread of the library's own sleeps for the handles of up to 32 such descriptors; it blocks all signals, and the
/// library stays loaded from then on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_readiness_fd(end: *mut ringmain_end) -> c_int {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { readiness(end) }.and_then(|(ring, kept)| {
        if kept.is_none() {
            stay_loaded();
            *kept = Some(each!(ring, handle => handle.readiness()).map_err(Refusal::refuse)?);
        }
        Ok(kept.as_ref().map_or(-1, |descriptor| descriptor.as_fd().as_raw_fd()))
    });
    descriptor.unwrap_or_else(|code| code)
}

/// Returns 1 if a call that waits for `need`, as for ringmain_wait(), would not wait: because that is there, or free,
/// or because the wait has ended, which that call then tells. Returns 0 if not; then the descriptor of
/// ringmain_readiness_fd() is readable as soon as it may be so.
///
/// Ask again and again, take or send what is there, and go back to the loop when it returns 0. Each question replaces
/// the one before, and a call of this handle that waits ends what it has begun: ask again after one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_is_ready(end: *mut ringmain_end, need: usize) -> c_int {
    // SAFETY: the caller's promise.
    let is_ready = unsafe { readiness(end) }.and_then(|(ring, kept)| match kept {
        Some(descriptor) => descriptor.is_ready(asked_of(ring, need)).map_err(Refusal::refuse),
        None => Err(invalid(format_args!("the handle has no descriptor: call ringmain_readiness_fd() before"))),
    });
    is_ready.map_or_else(|code| code, c_int::from)
}

/// Keeps the code where it is: a thread runs it, also after a `dlclose`. A program that is linked with the library as a
/// whole has nothing to unload, and may have no `dlopen`.
fn stay_loaded() {
    type Open = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut place = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: the address is only looked up, and the result is written if there is one.
        if unsafe { libc::dladdr(stay_loaded as *const c_void, place.as_mut_ptr()) } == 0 {
            return;
        }
        // SAFETY: it was written.
        let place = unsafe { place.assume_init() };
        // SAFETY: the name is a text that ends with a 0.
        let open = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"dlopen".as_ptr()) };
        if open.is_null() || place.dli_fname.is_null() {
            return;
        }
        // SAFETY: that is what the function of this name is.
        let open: Open = unsafe { transmute(open) };
        // SAFETY: nothing is loaded. A reference that is not given back keeps the library, too.
        unsafe { open(place.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
    });
}
