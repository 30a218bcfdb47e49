//! What an end of a ring does about the other one: whom it waits for, and which leaving ends it.

use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use ringmain::{Broken, Error, PeerState, WaitError, message, stream};

use crate::ending::Ending;
use crate::streams::{SLICE, is_deserted};

/// How long to sleep between two looks at whether somebody follows one that has left.
const NAP: Duration = Duration::from_millis(10);

/// How often a writer checks whether its reader has left.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What both ends of all rings can say of the other one.
pub(super) trait End {
    fn name(&self) -> &str;
    fn peer_generation(&self) -> u64;
    fn peer_state(&self) -> PeerState;
    fn is_orphaned(&self) -> bool;
    fn is_empty(&self) -> Result<bool, Broken>;
    /// Waits for a slice, until there is something to read, or room for so many bytes.
    fn wait(&mut self, len: usize) -> Result<(), WaitError>;
    /// Leaves the ring in order.
    fn close(self) -> Result<(), Error>
    where
        Self: Sized;
    /// Leaves the ring as a process does that is killed.
    fn abandon(self)
    where
        Self: Sized;
}

macro_rules! end {
    ($handle:ty, [$($generics:tt)*], |$end:ident, $len:ident| $wait:expr) => {
        impl<$($generics)*> End for $handle {
            fn name(&self) -> &str {
                <$handle>::name(self)
            }

            fn peer_generation(&self) -> u64 {
                <$handle>::peer_generation(self)
            }

            fn peer_state(&self) -> PeerState {
                <$handle>::peer_state(self)
            }

            fn is_orphaned(&self) -> bool {
                <$handle>::is_orphaned(self)
            }

            fn is_empty(&self) -> Result<bool, Broken> {
                <$handle>::is_empty(self)
            }

            fn wait(&mut self, $len: usize) -> Result<(), WaitError> {
                let $end = self;
                $wait
            }

            fn close(self) -> Result<(), Error> {
                <$handle>::close(self)
            }

            fn abandon(self) {
                <$handle>::abandon(self);
            }
        }
    };
}

end!(stream::Producer<T>, [T: stream::Slot + ?Sized], |tx, _len| tx.within(SLICE).until_free(1));
end!(stream::Consumer<T>, [T: stream::Slot + ?Sized], |rx, _len| rx.within(SLICE).until_available(1));
end!(message::Producer, [], |tx, len| tx.within(SLICE).until_free(len));
end!(message::Consumer, [], |rx, _len| rx.within(SLICE).until_available());

/// Waits until somebody follows the holder that was `seen`; `false` where nobody can come, since the name is gone.
fn await_next(end: &(impl End + ?Sized), seen: u64, check: impl Fn() -> Result<()>) -> Result<bool> {
    while end.peer_generation() == seen && end.peer_state() != PeerState::Alive {
        if end.is_orphaned() {
            return Ok(false);
        }
        check()?;
        thread::sleep(NAP);
    }
    Ok(true)
}

/// The writer, as its reader sees it.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    /// Whether others may follow it.
    pub(super) follow: bool,
    /// Where the reader writes.
    pub(super) output: BorrowedFd<'a>,
}

impl Writer<'_> {
    /// Waits until there is something to read; `false` at the end. Nothing is waited for that nobody would get.
    pub(super) fn wait(&self, end: &mut (impl End + ?Sized)) -> Result<bool> {
        let check = || if is_deserted(self.output) { Err(Ending::BrokenPipe.into()) } else { Ok(()) };
        loop {
            let seen = end.peer_generation();
            match end.wait(1) {
                Ok(()) => return Ok(true),
                Err(WaitError::TimedOut) => check()?,
                Err(WaitError::Closed | WaitError::Crashed) if self.follow => {
                    if !await_next(end, seen, check)? {
                        return Ok(false);
                    }
                }
                Err(WaitError::Closed) => return Ok(false),
                Err(WaitError::Crashed) => return Err(Ending::Crashed { ring: end.name().to_owned() }.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The reader, as its writer sees it.
#[derive(Debug)]
pub(super) struct Reader {
    /// Who was there last when the writer came, where that one had left already.
    past: u64,
    next_look: Instant,
}

impl Reader {
    pub(super) fn of(end: &(impl End + ?Sized)) -> Reader {
        let generation = end.peer_generation();
        let is_there = end.peer_state() == PeerState::Alive;
        Reader { past: if is_there { 0 } else { generation }, next_look: Instant::now() }
    }

    /// Ends a writer whose reader has left. Looks only so often, since the state of a ring is asked of the system.
    pub(super) fn check(&mut self, end: &(impl End + ?Sized)) -> Result<()> {
        let now = Instant::now();
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + LOOK_EVERY;
        let has_left = end.peer_generation() > self.past && end.peer_state() == PeerState::Closed;
        if has_left { Err(Ending::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Waits until there is room for so many bytes.
    pub(super) fn wait(&self, end: &mut (impl End + ?Sized), len: usize) -> Result<()> {
        loop {
            let seen = end.peer_generation();
            match end.wait(len) {
                Ok(()) => return Ok(()),
                Err(WaitError::TimedOut) => {}
                Err(WaitError::Closed) => return Err(Ending::BrokenPipe.into()),
                // One that was killed has left what it had not read, and another one may read it.
                Err(WaitError::Crashed) => {
                    if !await_next(end, seen, || Ok(()))? {
                        return Err(WaitError::Orphaned.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
