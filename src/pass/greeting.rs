//! A descriptor in a socket: one greeting of four words, with one descriptor attached to its first byte.
//! `docs/format.md` draws it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::PassError;
use super::answer::{Answer, answer};
use super::socket::{self, Beside, SocketTimeout};
use super::words::{bytes_of, check, words_of};

/// The first word: `RINGPASS` in ASCII, the first letter in the lowest byte.
const MAGIC: u64 = 0x5353_4150_474e_4952;

/// Changes with every change of these bytes.
const VERSION: u64 = 2;

/// The bytes of a greeting.
const LEN: usize = 32;

/// How many descriptors come with a greeting.
const DESCRIPTORS: usize = 1;

/// The last word of a greeting whose sender wants an answer; else it is 0.
pub(super) const WANTS_AN_ANSWER: u64 = 1;

fn check_greeting(bytes: &[u8]) -> Result<(), PassError> {
    check(bytes, [MAGIC, VERSION, LEN as u64], ("wishes", 0..=WANTS_AN_ANSWER))
}

/// Sends a descriptor through a socket, with a greeting of 32 bytes by which [`receive`] recognizes it.
///
/// It asks for no answer: [`offer`](super::offer) does. The socket can carry anything else before and after it. It
/// waits as the socket does: not at all if that is nonblocking, at most for its write timeout if it has one, counted
/// once for the whole call.
///
/// # Errors
///
/// [`PassError::Os`]: the system call failed, such as by [`WouldBlock`](std::io::ErrorKind::WouldBlock) if the socket
/// is nonblocking and full: nothing was sent. [`PassError::Unfinished`]: a part was sent; the socket can no longer be
/// used.
pub fn send(socket: &UnixStream, descriptor: impl AsFd) -> Result<(), PassError> {
    greet(socket, descriptor, 0)
}

/// Sends a descriptor with these wishes.
pub(super) fn greet(socket: &UnixStream, descriptor: impl AsFd, wishes: u64) -> Result<(), PassError> {
    let bytes: [u8; LEN] = bytes_of(&[MAGIC, VERSION, LEN as u64, wishes]);
    socket::send(socket, SocketTimeout::to_write(socket)?, &bytes, Some(descriptor.as_fd()))
}

/// Receives a descriptor that was sent by [`send`] or [`offer`](super::offer), and reads no byte beyond its greeting. A
/// sender that asked for it is told that the descriptor was received, and no more: [`accept`](super::accept) tells it
/// whether it was attached.
///
/// It waits as the socket does: not at all if that is nonblocking, at most for its read timeout if it has one. That
/// limit holds for the whole call, however slowly the bytes come. The descriptor is close-on-exec.
///
/// # Errors
///
/// After any of them, all descriptors that came are closed, and so is whatever else the system sent beside the bytes. A
/// sender that asked for an answer is told of [`PassError::Descriptors`] and [`PassError::Truncated`].
///
/// - [`PassError::Os`]: the system call failed, such as by [`WouldBlock`](std::io::ErrorKind::WouldBlock) if nothing
///   has come yet: try again later.
/// - [`PassError::Ended`], [`PassError::Unfinished`]: the other end is gone, or was too slow, in the middle of the
///   greeting.
/// - [`PassError::OtherProtocol`]: the other end speaks another protocol.
/// - [`PassError::Descriptors`]: none came, or more than one.
/// - [`PassError::Truncated`]: the process can have no more descriptors, or very many came.
pub fn receive(socket: &UnixStream) -> Result<OwnedFd, PassError> {
    let Greeted { descriptor, wants_an_answer } = greeted(socket)?;
    if wants_an_answer {
        answer(socket, &Ok(Answer::Received));
    }
    Ok(descriptor)
}

/// What a greeting brought.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) descriptor: OwnedFd,
    pub(super) wants_an_answer: bool,
}

/// Receives a descriptor, and leaves it to the caller to answer. Only what ends it here is answered here.
pub(super) fn greeted(socket: &UnixStream) -> Result<Greeted, PassError> {
    let timeout = SocketTimeout::to_read(socket)?;
    let mut bytes = [0; LEN];
    let (mut received, mut beside) = (0, Beside::default());
    while received < LEN {
        let len = socket::receive(socket, timeout, &mut bytes[received..], &mut beside);
        match len.map_err(|error| error.into()) {
            Ok(0) => return Err(PassError::Ended { found: received, expected: LEN }),
            Ok(len) => received += len,
            Err(source) if received == 0 => return Err(PassError::Os { call: "recvmsg", source }),
            Err(source) => return Err(PassError::Unfinished { found: received, expected: LEN, source }),
        }
        // As early as possible: a peer that speaks another protocol may never send the rest.
        check_greeting(&bytes[..received])?;
    }
    let wants_an_answer = words_of(&bytes).nth(3) == Some(WANTS_AN_ANSWER);
    let kept = match beside {
        Beside { count: found, is_truncated: true, .. } => Err(PassError::Truncated { found, expected: DESCRIPTORS }),
        Beside { first: Some(descriptor), count: DESCRIPTORS, .. } => socket::keep(descriptor),
        Beside { count: found, .. } => Err(PassError::Descriptors { found, expected: DESCRIPTORS }),
    };
    kept.map(|descriptor| Greeted { descriptor, wants_an_answer }).inspect_err(|error| {
        if wants_an_answer {
            answer(socket, &Err(error.with_causes()));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> [u8; LEN] {
        bytes_of(&[MAGIC, VERSION, LEN as u64, WANTS_AN_ANSWER])
    }

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
            assert!(check_greeting(&bytes[..len]).is_ok(), "{len} bytes of a greeting");
        }
        let changed = |at: usize, len: usize| {
            let mut bytes = bytes;
            bytes[at] ^= 2;
            match check_greeting(&bytes[..len]) {
                Err(PassError::OtherProtocol { word, found, expected }) => (word, found, *expected.end()),
                other => panic!("{other:?}"),
            }
        };
        for (at, len) in [(0, 8), (7, 24)] {
            assert_eq!(changed(at, len), ("magic", MAGIC ^ 2 << (8 * at), MAGIC));
        }
        assert_eq!(changed(8, LEN), ("version", VERSION ^ 2, VERSION));
        assert_eq!(changed(16, LEN), ("length", 34, 32));
        assert_eq!(changed(24, LEN), ("wishes", 3, 1));
        // What has not arrived completely is not checked.
        let mut bytes = bytes;
        bytes[16] ^= 2;
        assert!(check_greeting(&bytes[..23]).is_ok());
    }
}
