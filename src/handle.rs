//! What the handles of both rings have in common.

/// What every handle can say of its ring.
macro_rules! handle {
    () => {
        /// Returns the name of the ring; `(anonymous)`, which no ring can be named, where it has none.
        #[must_use]
        pub fn name(&self) -> &str {
            self.ring.memory().name()
        }

        /// Returns the number of the ring, which was chosen at random when it was created: another ring that comes to stand under
        /// the same name has another one.
        #[must_use]
        pub fn ring_id(&self) -> u64 {
            self.ring.memory().ring_id()
        }

        /// Returns the position at which the ring began: 0, or what [`Options::start_at`](crate::Options::start_at) gave.
        #[must_use]
        pub fn first_position(&self) -> u64 {
            self.ring.memory().first_position()
        }

        /// Returns how many holders this role has had, this one included.
        #[must_use]
        pub fn generation(&self) -> u64 {
            self.ring.memory().generation()
        }

        /// Returns how many holders the other role has had. A change means that a new process has come. In a forked child that is 0.
        #[must_use]
        pub fn peer_generation(&self) -> u64 {
            self.ring.memory().peer_generation()
        }

        /// Finds out who is at the other end. Makes two system calls at most, about 0.4 us.
        ///
        /// A process that is gone, though one that it forked or spawned keeps its lock, has crashed: this call knows that as soon as
        /// the process is reaped. Until then, or where another process has its number, it takes a wait to find that out, which
        /// looks closer, once in 100 ms; afterwards this call knows it too.
        ///
        /// In a forked child that is [`PeerState::Never`]: the handle is the parent's, and nobody comes to this copy.
        #[must_use]
        pub fn peer_state(&self) -> PeerState {
            self.ring.memory().peer_state()
        }

        /// Returns whether another process has come to the other end since this was asked last, or since this handle came.
        /// In a forked child that is never so.
        pub fn peer_changed(&mut self) -> bool {
            if !crate::ring::memory::Memory::is_here(self.ring.memory()) {
                return false;
            }
            let generation = self.peer_generation();
            std::mem::replace(&mut self.seen, generation) != generation
        }

        /// Changes how the calls that wait do so, as [`Options::wait`](crate::Options::wait) says it at attach.
        pub fn set_wait(&mut self, strategy: Wait) {
            self.waiter.strategy = strategy;
            self.ring.memory_mut().set_parks_always(strategy == Wait::Park);
            self.ring.renew_sleeper();
        }

        /// Returns whether the name of the ring was removed, so that nobody else can attach. Makes a system call.
        ///
        /// Two handles that are attached go on working. A ring that never had a name is not orphaned: whoever has a descriptor
        /// can attach.
        #[must_use]
        pub fn is_orphaned(&self) -> bool {
            self.ring.memory().is_orphaned()
        }

        /// Returns whether another process has shortened the memory of the ring. Makes a system call.
        ///
        /// What lies behind the new end is gone, and an access to it ends this process with `SIGBUS`: only
        /// [`close`](Self::close) and a drop are safe then. A call that sleeps returns
        /// [`WaitError::Truncated`](crate::WaitError::Truncated) within 100 ms, where the header is left.
        #[must_use]
        pub fn is_truncated(&self) -> bool {
            self.ring.memory().truncated().is_some()
        }

        /// Leaves the role in order, and removes the name if
        /// [`unlink_on_close`](crate::Options::unlink_on_close) was asked for.
        ///
        /// Dropping the handle does the same silently, but for a drop by a panic that unwinds: that is an
        /// [`abandon`](Self::abandon). In a forked child both do nothing, and do not disturb the parent.
        ///
        /// # Errors
        ///
        /// [`Error::PermissionDenied`] or another error of the system where the name cannot be removed. The role is left all
        /// the same.
        pub fn close(mut self) -> Result<(), Error> {
            self.leave(false)
        }

        /// Leaves the role without saying so, as a crash of the process would: the other end is told that it crashed, at once, and
        /// the name stays, whatever [`unlink_on_close`](crate::Options::unlink_on_close) says.
        ///
        /// All that was pushed is there, and all that was popped is gone. The role is free when this returns. For whoever finds that
        /// he cannot go on, and does not want that taken for the end of the stream.
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
            self.ring.memory_mut().abandon();
        }

        /// Leaves the role as [`close`](Self::close) does, and returns a descriptor of the ring, by which any process can attach
        /// ([`Options::from_fd`](crate::Options::from_fd)) where the ring has no name. The role is free when this returns, but for a
        /// forked child, where it is the parent's: there the descriptor is all that this gives.
        ///
        /// # Errors
        ///
        /// [`Error::Os`] where the process can have no more descriptors; otherwise as [`close`](Self::close). The role is left all
        /// the same.
        pub fn into_fd(mut self) -> Result<OwnedFd, Error> {
            let descriptor = self.ring.memory().descriptor_to_keep()?;
            self.leave(true)?;
            Ok(descriptor)
        }

        fn leave(&mut self, hands_on: bool) -> Result<(), Error> {
            let Some(generation) = self.ring.memory_mut().take_generation() else { return Ok(()) };
            if self.ring.memory().has_header() {
                self.ring.leave(generation, (!hands_on).then_some(&self.waiter.ends));
            }
            self.ring.memory_mut().unlink_if_asked()
        }

        /// What a drop does: who is dropped by a panic has not come to an end in order.
        fn dropped(&mut self) {
            match std::thread::panicking() {
                true => self.ring.memory_mut().abandon(),
                // A name that cannot be removed stays; `close` says so to those who ask.
                false => drop(self.leave(false)),
            }
        }
    };
}
pub(crate) use handle;

/// Lends the descriptor of a ring.
macro_rules! as_fd {
    ($handle:ident $(<$element:ident: $bound:ident>)?) => {
        impl $(<$element: $bound>)? AsFd for $handle $(<$element>)? {
            /// Lends a descriptor of the ring that holds no role, to be passed to another process: a role ends with its handle, not
            /// with the last process that has the descriptor.
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.ring.memory().descriptor()
            }
        }
    };
}
pub(crate) use as_fd;
