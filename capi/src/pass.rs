//! Rings without a name, to other processes: through a socket, or to a child.

use core::ffi::{c_char, c_int};
use std::mem::{self, ManuallyDrop};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;

use ringmain::pass::{self, Answer, Offer};

use crate::code::{Refusal, copy_text, invalid, status};
use crate::end::{attach_as, check_which, out, ringmain_end};
use crate::options::{Asked, Source, borrow, copy, ringmain_options, text};

/// The other process attached to the ring.
pub const RINGMAIN_ATTACHED: c_int = 1;
/// The other process received the ring, and says no more.
pub const RINGMAIN_RECEIVED: c_int = 2;

/// How many bytes the text of ringmain_inherit() has at most, the 0 after it included.
pub const RINGMAIN_NOTE: usize = 64;

/// A ring that was sent, and that is to be answered.
#[derive(Debug)]
pub struct ringmain_offer {
    /// Borrows from the socket, so it is dropped first.
    offer: ManuallyDrop<Offer<'static>>,
    /// From the heap.
    socket: *mut UnixStream,
}

impl Drop for ringmain_offer {
    fn drop(&mut self) {
        // SAFETY: once, and it is not used again.
        unsafe { ManuallyDrop::drop(&mut self.offer) };
        // SAFETY: it came from a box, and nothing borrows from it any more.
        drop(unsafe { Box::from_raw(self.socket) });
    }
}

/// Returns a socket of this library's own, by the caller's number. Its limits and its mode are those of the caller's.
fn socket(number: c_int) -> Result<UnixStream, c_int> {
    copy("the socket", number).map(UnixStream::from)
}

/// Sends the descriptor of a ring without a name through a Unix socket, and asks for no answer. Waits as the socket
/// does. The descriptor stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn ringmain_send(socket_fd: c_int, descriptor: c_int) -> c_int {
    status(
        socket(socket_fd)
            .and_then(|socket| pass::send(&socket, borrow("the descriptor", descriptor)?).map_err(Refusal::refuse)),
    )
}

/// Receives a ring that another process sends through a Unix socket, and returns its descriptor, which the caller
/// closes: `options.descriptor` attaches to it. A sender that wants an answer is told that it was received, and no
/// more. Waits as the socket does.
#[unsafe(no_mangle)]
pub extern "C" fn ringmain_receive(socket_fd: c_int) -> c_int {
    let received = socket(socket_fd).and_then(|socket| pass::receive(&socket).map_err(Refusal::refuse));
    received.map_or_else(|code| code, IntoRawFd::into_raw_fd)
}

/// Sends a ring as ringmain_send() does, and asks what becomes of it: ringmain_offer_answer() waits for that. The offer
/// is stored in `*offer` (NULL, if the call fails); ringmain_offer_free() ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_offer_send(
    socket_fd: c_int,
    descriptor: c_int,
    offer: *mut *mut ringmain_offer,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("offer", offer) }.and_then(|to| {
        to.write(ptr::null_mut());
        let socket = Box::into_raw(Box::new(socket(socket_fd)?));
        // SAFETY: it was just put there, and is freed after the offer.
        let sent = borrow("the descriptor", descriptor)
            .and_then(|descriptor| pass::offer(unsafe { &*socket }, descriptor).map_err(Refusal::refuse));
        match sent {
            Ok(offer) => {
                let offer = ringmain_offer { offer: ManuallyDrop::new(offer), socket };
                to.write(Box::into_raw(Box::new(offer)));
                Ok(())
            }
            Err(code) => {
                // SAFETY: it came from a box, and nothing borrows from it.
                drop(unsafe { Box::from_raw(socket) });
                Err(code)
            }
        }
    }))
}

/// Waits for the answer, as the socket does: RINGMAIN_ATTACHED or RINGMAIN_RECEIVED. -ECONNREFUSED: the other process
/// did not attach, and ringmain_last_error() has its reason. -EAGAIN: not all of it has come yet; call it again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_offer_answer(offer: *mut ringmain_offer) -> c_int {
    // SAFETY: the caller's promise.
    let Some(offer) = (unsafe { offer.as_mut() }) else { return invalid(format_args!("the offer is NULL")) };
    match offer.offer.answer() {
        Ok(Answer::Attached) => RINGMAIN_ATTACHED,
        Ok(_) => RINGMAIN_RECEIVED,
        Err(error) => error.refuse(),
    }
}

/// Frees an offer. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_offer_free(offer: *mut ringmain_offer) {
    if !offer.is_null() {
        // SAFETY: the caller's promise: it came from ringmain_offer_send().
        drop(unsafe { Box::from_raw(offer) });
    }
}

/// Receives a ring as ringmain_receive() does, attaches to it as ringmain_attach() does, and tells a sender that asked
/// for it (ringmain_offer_send) whether that succeeded, and if not, why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_accept(
    socket_fd: c_int,
    which: u32,
    options: *const ringmain_options,
    end: *mut *mut ringmain_end,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("end", end) }.and_then(|end| {
        end.write(ptr::null_mut());
        check_which(which)?;
        // Before anything is received: what is wrong with them is no answer to the sender.
        // SAFETY: the caller's promise.
        unsafe { Asked::read(ptr::null(), options, Source::Socket(None)) }?;
        let socket = socket(socket_fd)?;
        let attached = pass::accept(&socket, |ring| {
            // SAFETY: the same. They were read a moment ago.
            let asked = unsafe { Asked::read(ptr::null(), options, Source::Socket(Some(ring))) };
            asked.map_or(Err(ringmain::Error::NoCapacity), |asked| attach_as(which, &asked))
        });
        end.write(attached.map_err(Refusal::refuse)?);
        Ok(())
    }))
}

/// Makes a copy of a descriptor of a ring without a name for a program that is about to be started, and writes to
/// `note` the text for the environment variable by which that program finds it (ringmain_inherited). `size` is
/// RINGMAIN_NOTE or more. Returns the copy, which the caller closes once the program is started.
///
/// The copy is close-on-exec, so that no other program inherits it. The child that runs this one clears that: by
/// fcntl(fd, F_SETFD, 0) between fork() and exec(), or by posix_spawn_file_actions_adddup2(actions, fd, fd).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_inherit(descriptor: c_int, note: *mut c_char, size: usize) -> c_int {
    if note.is_null() || size < RINGMAIN_NOTE {
        return invalid(format_args!("a note at {note:?} of {size} bytes, expected {RINGMAIN_NOTE} or more"));
    }
    let inheritable = borrow("the descriptor", descriptor)
        .and_then(|descriptor| pass::inheritable(descriptor).map_err(Refusal::refuse));
    match inheritable {
        Ok((copy, words)) => {
            // SAFETY: the caller's promise.
            let note = unsafe { std::slice::from_raw_parts_mut(note.cast::<mem::MaybeUninit<c_char>>(), size) };
            note.fill(mem::MaybeUninit::new(0));
            // SAFETY: all of it is written.
            copy_text(&words, unsafe { &mut *(ptr::from_mut(note) as *mut [c_char]) });
            copy.into_raw_fd()
        }
        Err(code) => code,
    }
}

/// Returns a descriptor of the ring that this process inherited, by the environment variable that names it; the caller
/// closes it. `options.descriptor` attaches to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_inherited(variable: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let inherited = unsafe { text("the variable", variable) }
        .and_then(|variable| pass::inherited(variable).map_err(Refusal::refuse));
    inherited.map_or_else(|code| code, IntoRawFd::into_raw_fd)
}
