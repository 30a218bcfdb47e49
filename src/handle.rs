//! What the handles of both rings have in common.

/// What every handle can say of its ring.
macro_rules! handle {
    () => {
        /// Returns the name of the ring; `(anonymous)`, which no ring can be named, where it has none.
        #[must_use]
        pub fn name(&self) -> &str {
            self.ring.memory().name()
        }

        /// Returns how many holders this role has had, this one included.
        #[must_use]
        pub fn generation(&self) -> u64 {
            self.ring.memory().generation()
        }

        /// Returns how many holders the other role has had. A change means that a new process has come.
        #[must_use]
        pub fn peer_generation(&self) -> u64 {
            self.ring.memory().peer_generation()
        }

        /// Finds out who is at the other end. Makes two system calls at most, about 0.4 us.
        ///
        /// A process that is gone, though one that it forked or spawned keeps its lock, has crashed: this call knows that as soon as
        /// the process is reaped. Until then, or where another process has its number, it takes a wait to find that out, which
        /// looks closer, once in 100 ms; afterwards this call knows it too.
        #[must_use]
        pub fn peer_state(&self) -> PeerState {
            self.ring.memory().peer_state()
        }

        /// Returns whether another process has come to the other end since this was asked last, or since this handle came.
        pub fn peer_changed(&mut self) -> bool {
            let generation = self.peer_generation();
            std::mem::replace(&mut self.seen, generation) != generation
        }

        /// Changes how the calls that wait do so.
        pub fn set_wait(&mut self, strategy: Wait) {
            self.waiter.strategy = strategy;
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
        /// [`unlink_on_close`](crate::Options::unlink_on_close) was asked for. Dropping the handle does the same silently.
        ///
        /// # Errors
        ///
        /// [`Error::PermissionDenied`] or another error of the system where the name cannot be removed. The role is left all
        /// the same.
        pub fn close(mut self) -> Result<(), Error> {
            self.leave()
        }

        /// Leaves the role as [`close`](Self::close) does, and returns a descriptor of the ring, by which any process can attach
        /// ([`Options::from_fd`](crate::Options::from_fd)) where the ring has no name. The role is free when this returns.
        ///
        /// # Errors
        ///
        /// [`Error::Os`] where the process can have no more descriptors; otherwise as [`close`](Self::close). The role is left all
        /// the same.
        pub fn into_fd(mut self) -> Result<OwnedFd, Error> {
            let descriptor = self.ring.memory().descriptor_to_keep()?;
            self.leave()?;
            Ok(descriptor)
        }

        fn leave(&mut self) -> Result<(), Error> {
            let Some(generation) = self.ring.memory_mut().take_generation() else { return Ok(()) };
            if self.ring.memory().has_header() {
                self.ring.leave(generation);
            }
            self.ring.memory_mut().unlink_if_asked()
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
