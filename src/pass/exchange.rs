//! A descriptor that is offered, and what became of it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::PassError;
use super::answer::{Answer, LEN, answer, parse};
use super::greeting::{WANTS_AN_ANSWER, greet, greeted};
use super::socket::{self, SocketTimeout};
use crate::error::Error;

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
///     Err(pass::PassError::Refused { reason }) => assert!(reason.contains("expected 2 (message)")),
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
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::ErrorKind;
/// use std::os::unix::net::UnixStream;
///
/// use ringmain::pass::{self, Answer, PassError};
/// use ringmain::Options;
///
/// let tx = Options::anonymous().capacity(64).stream_producer::<u64>()?;
/// let (server, client) = UnixStream::pair()?;
/// let mut offer = pass::offer(&server, tx.descriptor())?;
///
/// // An event loop asks without a wait, and again whenever the socket is readable.
/// server.set_nonblocking(true)?;
/// assert!(matches!(offer.answer(), Err(PassError::Os { source, .. }) if source.kind() == ErrorKind::WouldBlock));
/// # let rx = pass::accept(&client, |ring| Options::from_fd(ring).stream_consumer::<u64>())?;
/// // Once the other process has attached:
/// assert_eq!(offer.answer()?, Answer::Attached);
/// # Ok(())
/// # }
/// ```
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
