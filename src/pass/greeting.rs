//! A descriptor in a socket: one greeting of three words, with one descriptor attached to its first byte.
//! `docs/format.md` draws it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, send as send_bytes, sendmsg,
};

use super::PassError;
use crate::segment::descriptor::lift;

/// The first word: `RINGPASS` in ASCII, the first letter in the lowest byte.
const MAGIC: u64 = 0x5353_4150_474e_4952;

/// Changes with every change of these bytes.
const VERSION: u64 = 1;

/// The bytes of a greeting.
const LEN: usize = 24;

/// How many descriptors there is room for. More than the one that is expected, so that one too many is seen and closed.
const ROOM: usize = 4;

/// How many descriptors come with a greeting.
const DESCRIPTORS: usize = 1;

/// Makes the bytes of a greeting.
fn greeting() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip([MAGIC, VERSION, LEN as u64]) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// Checks the words that have arrived completely.
fn check(bytes: &[u8]) -> Result<(), PassError> {
    let mut words = bytes.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
    match words.next() {
        Some(found) if found != MAGIC => return Err(PassError::Magic { found, expected: MAGIC }),
        _ => {}
    }
    match words.next() {
        Some(found) if found != VERSION => return Err(PassError::Version { found, expected: VERSION }),
        _ => {}
    }
    match words.next() {
        Some(found) if found != LEN as u64 => Err(PassError::Length { found, expected: LEN as u64 }),
        _ => Ok(()),
    }
}

/// Returns the error of a call that failed after `found` bytes.
fn failed(call: &'static str, found: usize, error: Errno) -> PassError {
    match found {
        0 => PassError::Os { call, source: error.into() },
        _ => PassError::Unfinished { found, expected: LEN, source: error.into() },
    }
}

/// Sends a descriptor through a socket, with a greeting of 24 bytes by which [`receive`] recognizes it.
///
/// The socket can carry anything else before and after it.
///
/// # Errors
///
/// [`PassError::Os`]: the system call failed, such as by [`WouldBlock`](std::io::ErrorKind::WouldBlock) if the socket
/// is nonblocking and full: nothing was sent. [`PassError::Unfinished`]: a part was sent; the socket can no longer be
/// used.
pub fn send(socket: &UnixStream, descriptor: impl AsFd) -> Result<(), PassError> {
    let descriptor = descriptor.as_fd();
    let bytes = greeting();
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)), "there is room for one descriptor");
    // A signal for a socket that is closed would end the process.
    let flags = SendFlags::NOSIGNAL;
    let first = rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags));
    let mut sent = first.map_err(|error| failed("sendmsg", 0, error))?;
    while sent < LEN {
        let more = rustix::io::retry_on_intr(|| send_bytes(socket, &bytes[sent..], flags));
        sent += more.map_err(|error| failed("send", sent, error))?;
    }
    Ok(())
}

/// Receives a descriptor that was sent by [`send`], and reads no byte beyond its greeting.
///
/// It waits as the socket does: not at all if that is nonblocking, at most for its read timeout if it has one. The
/// descriptor is close-on-exec.
///
/// # Errors
///
/// After any of them, all descriptors that came are closed.
///
/// - [`PassError::Os`]: the system call failed, such as by [`WouldBlock`](std::io::ErrorKind::WouldBlock) if nothing
///   has come yet: try again later.
/// - [`PassError::Ended`], [`PassError::Unfinished`]: the other end is gone, or was too slow, in the middle of the
///   greeting.
/// - [`PassError::Magic`], [`PassError::Version`], [`PassError::Length`]: the other end speaks another protocol.
/// - [`PassError::Descriptors`]: none came, or more than one.
/// - [`PassError::Truncated`]: the process can have no more descriptors, or very many came.
pub fn receive(socket: &UnixStream) -> Result<OwnedFd, PassError> {
    let mut bytes = [0; LEN];
    let mut received = 0;
    let mut descriptors = Vec::new();
    while received < LEN {
        let (len, is_truncated) = receive_some(socket.as_fd(), &mut bytes[received..], &mut descriptors)
            .map_err(|error| failed("recvmsg", received, error))?;
        if is_truncated {
            return Err(PassError::Truncated { found: descriptors.len(), expected: DESCRIPTORS });
        }
        if len == 0 {
            return Err(PassError::Ended { found: received, expected: LEN });
        }
        received += len;
        // As early as possible: a peer that speaks another protocol may never send the rest.
        check(&bytes[..received])?;
    }
    let found = descriptors.len();
    match (descriptors.pop(), found) {
        (Some(descriptor), DESCRIPTORS) => {
            lift(descriptor).map_err(|error| failed("fcntl(F_DUPFD_CLOEXEC)", received, error))
        }
        _ => Err(PassError::Descriptors { found, expected: DESCRIPTORS }),
    }
}

/// Receives some bytes and the descriptors that came with them. Returns how many bytes, and whether descriptors were
/// lost.
fn receive_some(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<(usize, bool), Errno> {
    // Credentials come too if the owner of the socket asked for them.
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(ROOM), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            message => break message?,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((message.bytes, message.flags.contains(ReturnFlags::CTRUNC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_the_format_has_the_greeting() {
        let document = include_str!("../../docs/format.md");
        for constant in [format!("`{MAGIC:#018x}`"), format!("greeting version is {VERSION}"), format!("{LEN} bytes")] {
            assert!(document.contains(&constant), "docs/format.md lacks {constant:?}");
        }
    }

    #[test]
    fn the_magic_spells_what_it_is_for() {
        assert_eq!(&MAGIC.to_le_bytes(), b"RINGPASS");
    }

    #[test]
    fn a_greeting_is_checked_word_by_word() {
        let bytes = greeting();
        for len in 0..=LEN {
            assert!(check(&bytes[..len]).is_ok(), "{len} bytes of a greeting");
        }
        let changed = |at: usize| {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            bytes
        };
        for (at, len) in [(0, 8), (7, 24)] {
            assert!(matches!(check(&changed(at)[..len]), Err(PassError::Magic { .. })));
        }
        assert!(matches!(check(&changed(8)), Err(PassError::Version { .. })));
        assert!(matches!(check(&changed(16)), Err(PassError::Length { found: 25, expected: 24 })));
        // What has not arrived completely is not checked.
        assert!(check(&changed(16)[..23]).is_ok());
    }
}
