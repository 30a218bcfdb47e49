//! The answer to a greeting that asks for one: whether the ring was attached, and if not, why. `docs/format.md` draws
//! it.

use std::os::unix::net::UnixStream;

use super::PassError;
use super::socket::{self, SocketTimeout};
use super::words::{bytes_of, check, words_of};

/// The first word: `RINGTOLD` in ASCII, the first letter in the lowest byte.
const MAGIC: u64 = 0x444c_4f54_474e_4952;

/// Changes with every change of these bytes.
const VERSION: u64 = 1;

/// The bytes of an answer.
pub(super) const LEN: usize = 512;

/// Where the reason starts.
const REASON: usize = 32;

/// What the fourth word can say.
const ATTACHED: u64 = 1;
const RECEIVED: u64 = 2;
const REFUSED: u64 = 3;

/// What became of a descriptor that was offered.
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
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let (server, client) = UnixStream::pair()?;
/// let mut offer = pass::offer(&server, tx.descriptor())?;
///
/// // The other process only receives the descriptor, and passes it on to a third one.
/// let descriptor = pass::receive(&client)?;
///
/// // Nobody has attached by this answer. What is pushed stays in the ring until somebody does.
/// assert_eq!(offer.answer()?, Answer::Received);
/// # Ok(())
/// # }
/// ```
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
pub(super) type Verdict = Result<Answer, String>;

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
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Verdict>, PassError> {
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
