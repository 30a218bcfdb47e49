//! The answer to a greeting that asks for one: whether the ring was attached, and if not, why. `docs/format.md` draws
//! it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::PassError;
use super::greeting::{bytes_of, check_head, greeted, send_for_an_answer, words_of};
use super::socket::{self, Patience};
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

/// What an answer says: an [`Answer`], or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict(Result<Answer, String>);

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Verdict {
        Verdict(Ok(answer))
    }
}

/// Refuses, for this reason and those behind it.
impl From<&PassError> for Verdict {
    fn from(error: &PassError) -> Verdict {
        Verdict(Err(error.with_causes()))
    }
}

impl Verdict {
    /// Writes the answer. A reason that is too long is cut.
    fn to_bytes(&self) -> [u8; LEN] {
        let (code, reason) = match &self.0 {
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
        check_head(bytes, [MAGIC, VERSION, LEN as u64])?;
        let Some(reason) = bytes.get(REASON..LEN) else { return Ok(None) };
        match words_of(bytes).nth(3) {
            Some(ATTACHED) => Ok(Some(Answer::Attached.into())),
            Some(RECEIVED) => Ok(Some(Answer::Received.into())),
            Some(REFUSED) => {
                let len = reason.iter().position(|&byte| byte == 0).unwrap_or(reason.len());
                Ok(Some(Verdict(Err(String::from_utf8_lossy(&reason[..len]).into_owned()))))
            }
            other => Err(PassError::Answer { found: other.unwrap_or_default() }),
        }
    }
}

/// Answers, without a wait. Whoever does not read, or is gone, is not told.
pub(super) fn answer(socket: &UnixStream, verdict: &Verdict) {
    // The sender learns of an answer that never comes by the end of the socket, or by its own limit.
    let _ = socket::send(socket, Patience::NONE, &verdict.to_bytes(), None);
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
    send_for_an_answer(socket, descriptor)?;
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
    /// - [`PassError::Magic`], [`PassError::Version`], [`PassError::Length`], [`PassError::Answer`]: the other end
    ///   speaks another protocol.
    pub fn answer(&mut self) -> Result<Answer, PassError> {
        let patience = Patience::to_read(self.socket)?;
        loop {
            if let Some(Verdict(said)) = Verdict::parse(&self.bytes[..self.received])? {
                return said.map_err(|reason| PassError::Refused { reason });
            }
            match socket::receive_bytes(self.socket, patience, &mut self.bytes[self.received..])? {
                0 => return Err(PassError::Ended { found: self.received, expected: LEN }),
                len => self.received += len,
            }
        }
    }
}

/// Receives a descriptor as [`receive`](super::receive) does, attaches to its ring by `attach`, and tells a sender that
/// asked for it ([`offer`]) whether that succeeded.
///
/// It never waits to answer. Whoever does not read what was sent before, or is gone, is not told, and the ring is
/// attached all the same.
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
        answer(socket, &attached.as_ref().map_or_else(Verdict::from, |_| Answer::Attached.into()));
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
        let refused = |reason: &str| Verdict(Err(reason.to_owned()));
        for verdict in [Answer::Attached.into(), Answer::Received.into(), refused("not \u{20ac}nough")] {
            let bytes = verdict.to_bytes();
            assert_eq!(Verdict::parse(&bytes).unwrap(), Some(verdict));
            for len in 0..LEN {
                assert_eq!(Verdict::parse(&bytes[..len]).unwrap(), None, "{len} bytes of an answer");
            }
        }
        // What is too long is cut between two letters.
        let long = refused(&"\u{20ac}".repeat(LEN));
        assert_eq!(Verdict::parse(&long.to_bytes()).unwrap(), Some(refused(&"\u{20ac}".repeat((LEN - REASON) / 3))));
    }

    #[test]
    fn what_is_no_answer_is_refused_as_soon_as_it_is_there() {
        let bytes = Verdict::from(Answer::Attached).to_bytes();
        let changed = |at: usize| {
            let mut bytes = bytes;
            bytes[at] ^= 8;
            bytes
        };
        assert!(matches!(Verdict::parse(&changed(0)[..8]), Err(PassError::Magic { .. })));
        assert!(matches!(Verdict::parse(&changed(8)[..16]), Err(PassError::Version { found: 9, expected: 1 })));
        assert!(matches!(Verdict::parse(&changed(16)[..24]), Err(PassError::Length { found: 520, expected: 512 })));
        assert!(matches!(Verdict::parse(&changed(24)), Err(PassError::Answer { found: 9 })));
        let mut bytes = Verdict(Err("a".into())).to_bytes();
        bytes[REASON] = 0xff;
        assert_eq!(Verdict::parse(&bytes).unwrap(), Some(Verdict(Err("\u{fffd}".into()))));
    }
}
