//! What every handle can tell of its ring, and how it detaches.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::{Error, Role};
use crate::ring::endpoint::{Endpoint, Kind, Side};
use crate::ring::error::Broken;
use crate::segment::{PeerState, Segment};
use crate::wait::Waiter;

/// # The ring, the other end, and leaving
impl<K: Kind, R: Side> Endpoint<K, R, Segment> {
    /// Stores that this process is attached, and finds out which ends of the other side it has to report.
    pub(crate) fn enter(&mut self, waiter: Waiter) {
        self.waiter = waiter;
        self.memory.enter();
        // A sleeper at the other end may wait for this.
        self.wake();
        let peer = self.memory.peer_now();
        // Checked after that, so that a consumer finds all that a producer sent before it detached.
        let has_data = R::ROLE == Role::Consumer && self.is_ready(self.kind.step()) == Ok(true);
        self.ends = self.memory.ends(peer, has_data);
        self.seen = self.peer_generation();
    }

    /// Returns the name of the ring; `(anonymous)`, which no ring can be named, if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.memory.name()
    }

    /// Returns the number of the ring, chosen at random when it was created, or given by
    /// [`Options::ring_id`](crate::Options::ring_id): a later ring of the same name has another one.
    #[must_use]
    pub fn ring_id(&self) -> u64 {
        self.memory.identity.ring_id
    }

    /// Returns the position at which the ring began: 0, or what [`Options::start_at`](crate::Options::start_at) gave.
    #[must_use]
    pub fn first_position(&self) -> u64 {
        self.memory.identity.first_position
    }

    /// Returns how often this role has been taken, this time included.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.memory.generation
    }

    /// Loads the presence of the other end, without a system call: [`PeerState::Alive`] if it attached and has not
    /// detached. Only [`peer_state`](Self::peer_state) tells whether it was killed since.
    #[must_use]
    pub fn peer(&self) -> PeerState {
        self.peer_presence().into()
    }

    /// Finds out the state of the other end. Makes at most two system calls, about 0.4 us.
    ///
    /// A process that exited has crashed, even if one that it forked or spawned keeps its lock: this call finds that as
    /// soon as the process is reaped. Until then, or if another process has its pid, only a call that waits finds it,
    /// which reads `/proc` every 100 ms; afterwards this call returns it too.
    ///
    /// In a forked child that is [`PeerState::Never`]: the handle is the parent's.
    #[must_use]
    pub fn peer_state(&self) -> PeerState {
        self.memory.peer_state(false)
    }

    /// Returns whether the name of the ring was removed, so that no other process can attach. Makes a system call.
    ///
    /// Handles that are attached go on working. A ring that never had a name is not orphaned: a process with a
    /// descriptor can attach.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.memory.is_orphaned()
    }

    /// Returns whether another process has truncated the object of the ring. Makes a system call.
    ///
    /// What lay after the new end is missing, and an access to it ends this process with `SIGBUS`: only
    /// [`close`](Self::close) and a drop are safe then. A call that sleeps returns
    /// [`WaitError::Truncated`](crate::WaitError::Truncated) within 100 ms, if the header is left.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.memory.truncated().is_some()
    }

    /// Returns whether every call of this handle fails as [`Forked`](crate::Broken::Forked), and a guard that ends has
    /// done nothing: this is a child that was forked from the process of the handle, or the process is exiting. Makes
    /// no system call.
    #[must_use]
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.check_process().is_err()
    }

    /// Wakes the other end without a publication, if it sleeps: for the conformance kit.
    #[doc(hidden)]
    pub fn wake_spuriously(&mut self) -> Result<(), Broken> {
        self.check()?;
        self.wake();
        Ok(())
    }

    /// Lends a descriptor of the ring that holds no role, to be passed to another process: a role ends with its handle,
    /// not with the last process that has the descriptor. `poll` reports nothing for it; it does for that of
    /// [`into_readiness`](Self::into_readiness).
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.memory.descriptor()
    }

    /// Closes a ring without a name to all processes that are not attached: none of them can map it for writing, write
    /// it, or punch holes into it (`F_SEAL_FUTURE_WRITE`), even with its descriptor. Attached processes go on. No other
    /// one can attach: that fails with [`Error::Seals`].
    ///
    /// So call it once both ends are attached; the descriptor can then be given to processes that may read but not
    /// write.
    ///
    /// # Errors
    ///
    /// [`Error::Unsealable`]: the ring was not created by [`Options::sealable`](crate::Options::sealable), it has a
    /// name, or this is a forked child.
    pub fn seal(&self) -> Result<(), Error> {
        self.memory.seal()
    }

    /// Leaves the role in order, and removes the name if [`unlink_on_close`](crate::Options::unlink_on_close) was asked
    /// for.
    ///
    /// Dropping the handle does the same silently, except for a drop by a panic that unwinds: that is an
    /// [`abandon`](Self::abandon). In a forked child both do nothing, and do not disturb the parent.
    ///
    /// # Errors
    ///
    /// If the name cannot be removed, [`Error::NotReady`] or [`Error::ReadLocked`] after a second in which another
    /// process kept it, [`Error::PermissionDenied`], or another error of the system. The role is left all the same, and
    /// before that second.
    pub fn close(mut self) -> Result<(), Error> {
        self.leave_now(false)
    }

    /// Gives the role up as a crash of the process would: the other end gets `Crashed`, at once, and the name stays,
    /// whatever [`unlink_on_close`](crate::Options::unlink_on_close) says.
    ///
    /// All that was pushed stays in the ring, and all that was popped is gone. The role is free when this returns. Use
    /// it if the process cannot go on, and its peer must not take that for the end of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-abandon-{}", std::process::id());
    /// use ringmain::{Options, PeerState};
    ///
    /// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
    /// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
    /// tx.push(7)?;
    /// tx.abandon();
    /// assert_eq!(rx.peer_state(), PeerState::Crashed);
    /// assert_eq!(rx.pop()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abandon(mut self) {
        self.memory.abandon();
    }

    /// Leaves the role as [`close`](Self::close) does, and returns a descriptor of the ring, by which any process can
    /// attach ([`Options::from_fd`](crate::Options::from_fd)) if the ring has no name. The role is free when this
    /// returns, except in a forked child, where it is the parent's: there this only returns the descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::Os`] if the process can have no more descriptors; else as [`close`](Self::close). The role is left all
    /// the same.
    pub fn into_fd(mut self) -> Result<OwnedFd, Error> {
        let descriptor = self.memory.descriptor_to_keep()?;
        self.leave_now(true)?;
        Ok(descriptor)
    }

    /// Leaves the role as a drop does. The handle can no longer be used.
    #[cfg(feature = "async")]
    pub(crate) fn leave_for_good(&mut self) {
        let _ = self.leave_now(false);
        self.poison(Broken::Left);
    }

    fn leave_now(&mut self, hands_over: bool) -> Result<(), Error> {
        if self.memory.leave(hands_over) { self.memory.unlink_if_asked() } else { Ok(()) }
    }
}
