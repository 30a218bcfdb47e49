//! The answer to a greeting that asks for one: whether the ring was attached, and if not, why. `docs/format.md` draws
//! it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::PassError;
use super::greeting::{WANTS_AN_ANSWER, bytes_of, check, greet, greeted, words_of};
use super::socket::{self, SocketTimeout};
use crate::error::Error;

/// The first word: `RINGTOLD` in ASCII, the first letter in the lowest byte.
const MAGIC: u64 = 0x444c_4f54_474e_4952;

/// Changes with every change of these bytes.
const VERSION: u64 = 1;

/// The bytes of an answer.
const LEN: usize = 512;

/// Where the reason starts.
const REASON: usize = 32;

/// What the fourth word can say.
const ATTACHED: u64 = 1;
const RECEIVED: u64 = 2;
const REFUSED: u64 = 3;

/// What became of a descriptor that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "a descriptor that was received is not attached yet"]
pub enum Answer {
    /// The other process has attached to the ring.
    Attached,
    /// The other process has received the descriptor, and says no more: it may attach later, or pass it on.
    Received,
}

/// What an answer says: that the ring was attached or received, or why not.
type Verdict = Result<Answer, String>;

/// Writes an answer. A reason that is too long is cut.
fn write(verdict: &Verdict) -> [u8; LEN] {
    let (code, reason) = match verdict {
        Ok(Answer::Attached) => (ATTACHED, ""),
        Ok(Answer::Received) => (RECEIVED, ""),
        Err(reason) => (REFUSED, reason.as_str()),
    };
    let mut bytes = bytes_of::<LEN>(&[MAGIC, VERSION, LEN as u64, code]);
    let mut len = reason.len().min(LEN - REASON);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    bytes[REASON..REASON + len].copy_from_slice(&reason.as_bytes()[..len]);
    bytes
}

/// Reads an answer, as far as it has arrived; `None` if more is to come.
fn parse(bytes: &[u8]) -> Result<Option<Verdict>, PassError> {
    check(bytes, [MAGIC, VERSION, LEN as u64], ("answer", ATTACHED..=REFUSED))?;
    let Some(reason) = bytes.get(REASON..LEN) else { return Ok(None) };
    Ok(Some(match words_of(bytes).nth(3) {
        Some(ATTACHED) => Ok(Answer::Attached),
        Some(RECEIVED) => Ok(Answer::Received),
        _ => {
            let len = reason.iter().position(|&byte| byte == 0).unwrap_or(reason.len());
            Err(String::from_utf8_lossy(&reason[..len]).into_owned())
        }
    }))
}

/// Answers, without a wait. A sender that does not read, or has exited, gets no answer.
pub(super) fn answer(socket: &UnixStream, verdict: &Verdict) {
    // The sender learns of an answer that never comes by the end of the socket, or by its own limit.
    let _ = socket::send(socket, SocketTimeout::NONE, &write(verdict), None);
}

/// Sends a descriptor through a socket as [`send`](super::send) does, and asks what becomes of it:
/// [`Offer::answer`] waits for that.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::os::unix::net::UnixStream;
///
/// use ringmain::{Options, pass};
///
/// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let (server, client) = UnixStream::pair()?;
/// let mut offer = pass::offer(&server, tx.descriptor())?;
///
/// // In the process of the client, which takes it for a ring of messages:
/// let attached = pass::accept(&client, |ring| ringmain::Options::from_fd(ring).message_consumer());
/// assert!(attached.is_err());
///
/// match offer.answer() {
///     Err(pass::PassError::Refused { reason }) => assert!(reason.contains("has kind 1, expected 2")),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`send`](super::send).
pub fn offer(socket: &UnixStream, descriptor: impl AsFd) -> Result<Offer<'_>, PassError> {
    greet(socket, descriptor, WANTS_AN_ANSWER)?;
    Ok(Offer { socket, bytes: Box::new([0; LEN]), received: 0 })
}

/// A descriptor that was sent, and that is to be answered. Its 512 bytes come before all that the other process sends
/// afterwards: whoever drops this without having read them finds them in the socket.
#[derive(Debug)]
#[must_use = "the answer stays in the socket until it is read"]
pub struct Offer<'a> {
    socket: &'a UnixStream,
    bytes: Box<[u8; LEN]>,
    received: usize,
}

impl Offer<'_> {
    /// Waits for the answer, as the socket does: not at all if that is nonblocking, at most for its read timeout if it
    /// has one. That limit holds for the whole call. Reads no byte beyond the answer; descriptors that come with it are
    /// closed. Once it has returned the answer, it returns the same again.
    ///
    /// # Errors
    ///
    /// - [`PassError::Refused`]: the other process did not attach, and says why.
    /// - [`PassError::Os`]: the system call failed, such as by [`WouldBlock`](std::io::ErrorKind::WouldBlock) if not
    ///   all has come yet: call it again later.
    /// - [`PassError::Ended`]: the other end is gone, or closed the socket because it does not know such a greeting.
    /// - [`PassError::OtherProtocol`]: the other end speaks another protocol.
    pub fn answer(&mut self) -> Result<Answer, PassError> {
        let timeout = SocketTimeout::to_read(self.socket)?;
        loop {
            if let Some(verdict) = parse(&self.bytes[..self.received])? {
                return verdict.map_err(|reason| PassError::Refused { reason });
            }
            match socket::receive_bytes(self.socket, timeout, &mut self.bytes[self.received..])? {
                0 => return Err(PassError::Ended { found: self.received, expected: LEN }),
                len => self.received += len,
            }
        }
    }
}

/// Receives a descriptor as [`receive`](super::receive) does, attaches to its ring by `attach`, and tells a sender that
/// asked for it ([`offer`]) whether that succeeded.
///
/// It never waits to answer. A sender that does not read, or has exited, gets no answer, and the ring is attached all
/// the same.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::os::unix::net::UnixStream;
///
/// use ringmain::pass::{self, Answer};
/// use ringmain::Options;
///
/// let mut tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let (server, client) = UnixStream::pair()?;
/// let mut offer = pass::offer(&server, tx.descriptor())?;
///
/// // In the process of the client:
/// let mut rx = pass::accept(&client, |ring| Options::from_fd(ring).stream_consumer::<u64>())?;
///
/// assert_eq!(offer.answer()?, Answer::Attached);
/// tx.push(7)?;
/// assert_eq!(rx.pop()?, 7);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`PassError::NotAttached`]: `attach` failed. A sender that asked for an answer is told the reason.
/// - Others as [`receive`](super::receive).
pub fn accept<H>(socket: &UnixStream, attach: impl FnOnce(OwnedFd) -> Result<H, Error>) -> Result<H, PassError> {
    let greeted = greeted(socket)?;
    let attached = attach(greeted.descriptor).map_err(|source| PassError::NotAttached { source });
    if greeted.wants_an_answer {
        answer(socket, &attached.as_ref().map(|_| Answer::Attached).map_err(PassError::with_causes));
    }
    attached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_the_format_has_the_answer() {
        let document = include_str!("../../docs/format.md");
        for constant in [format!("`{MAGIC:#018x}`"), format!("answer version is {VERSION}"), format!("{LEN} bytes")] {
            assert!(document.contains(&constant), "docs/format.md lacks {constant:?}");
        }
    }

    #[test]
    fn the_magic_spells_what_it_is_for() {
        assert_eq!(&MAGIC.to_le_bytes(), b"RINGTOLD");
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let refused = |reason: &str| Err(reason.to_owned());
        for verdict in [Ok(Answer::Attached), Ok(Answer::Received), refused("not \u{20ac}nough")] {
            let bytes = write(&verdict);
            assert_eq!(parse(&bytes).unwrap(), Some(verdict));
            for len in 0..LEN {
                assert_eq!(parse(&bytes[..len]).unwrap(), None, "{len} bytes of an answer");
            }
        }
        // What is too long is cut between two letters.
        let long = refused(&"\u{20ac}".repeat(LEN));
        assert_eq!(parse(&write(&long)).unwrap(), Some(refused(&"\u{20ac}".repeat((LEN - REASON) / 3))));
    }

    #[test]
    fn what_is_no_answer_is_refused_as_soon_as_it_is_there() {
        let bytes = write(&Ok(Answer::Attached));
        let refused = |at: usize, len: usize| {
            let mut bytes = bytes;
            bytes[at] ^= 8;
            match parse(&bytes[..len]) {
                Err(PassError::OtherProtocol { word, found, expected }) => (word, found, expected),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(0, 8), ("magic", MAGIC ^ 8, MAGIC..=MAGIC));
        assert_eq!(refused(8, 16), ("version", 9, 1..=1));
        assert_eq!(refused(16, 24), ("length", 520, 512..=512));
        assert_eq!(refused(24, LEN), ("answer", 9, 1..=3));
        let mut bytes = write(&Err("a".into()));
        bytes[REASON] = 0xff;
        assert_eq!(parse(&bytes).unwrap(), Some(Err("\u{fffd}".into())));
    }
}
