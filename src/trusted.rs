//! Views of handles whose peer is trusted.

use std::time::Duration;

use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::segment::Segment;
use crate::wait::Waiting;

/// A handle whose peer is trusted, or a claim, peek or record taken by one: the bytes in the ring can be referred to in
/// place.
///
/// [`trust_peer`](crate::stream::Producer::trust_peer), an unsafe method of every handle, makes a view of it. The view
/// has the calls that work in place; they return guards that are slices:
///
/// - of a [`stream::Producer<T>`](crate::stream::Producer): claims that are `&mut [T]`;
/// - of a [`stream::Consumer<T>`](crate::stream::Consumer): peeks that are `&[T]`; for `u8`, the view itself is
///   [`Read`](std::io::Read) and [`BufRead`](std::io::BufRead);
/// - of a [`message::Producer`](crate::message::Producer): claims that are `&mut [u8]`;
/// - of a [`message::Consumer`](crate::message::Consumer): records that are `&[u8]`.
///
/// # What is promised
///
/// A reference to bytes that another process changes is undefined behaviour, whatever the bytes are. So the caller of
/// `trust_peer` promises, for as long as the view and what is borrowed from it live:
///
/// - Every process that can write to the segment either leaves it alone or runs this protocol: this crate, or code that
///   keeps to `docs/format.md`.
/// - That holds for the process at the other end, and for each one that follows it in its role.
/// - It holds for processes that have the segment open without a role: a debugger, a script that writes to `/dev/shm`.
/// - No process truncates the object. A read after its new end is not undefined behaviour: it ends this process with
///   `SIGBUS`.
///
/// It need not be promised that the peer is alive, is fast, or sends data that makes sense. Elements are plain data:
/// every bit pattern is a value. Positions and lengths are checked in a view as everywhere.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-trusted-{}", std::process::id());
/// use ringmain::Options;
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// // SAFETY: both ends are this process's, and nobody else knows the name.
/// let (mut tx, mut rx) = unsafe { (tx.trust_peer(), rx.trust_peer()) };
/// let mut claim = tx.claim_contiguous(3)?;
/// claim.copy_from_slice(&[1, 2, 3]);
/// claim.commit();
/// let peek = rx.blocking().peek_contiguous(8)?;
/// assert_eq!(*peek, [1, 2, 3]);
/// peek.release();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a view or a guard does nothing by itself"]
pub struct Trusted<H>(pub(crate) H);

/// # In place
impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Returns a view that refers to the ring's bytes in place.
    ///
    /// # Safety
    ///
    /// Every process that can write to the segment keeps to this protocol for as long as the view lives: the list of
    /// facts is at [`Trusted`].
    #[allow(unsafe_code, reason = "the promise that the view rests on")]
    pub unsafe fn trust_peer(&mut self) -> Trusted<&mut Self> {
        Trusted(self)
    }
}

impl<K: Kind, R: Side> Trusted<&mut Endpoint<K, R, Segment>> {
    /// Returns this view with calls that wait for as long as it takes.
    #[inline(always)]
    pub fn blocking(&mut self) -> Trusted<Waiting<'_, Endpoint<K, R, Segment>>> {
        Trusted(Waiting::new(self.0, None))
    }

    /// Returns this view with calls that wait for `limit` at most.
    #[inline(always)]
    pub fn within(&mut self, limit: Duration) -> Trusted<Waiting<'_, Endpoint<K, R, Segment>>> {
        Trusted(Waiting::new(self.0, Some(limit)))
    }
}
