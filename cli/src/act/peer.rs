//! What an end of a ring does about the other one: whom it waits for, and which leaving ends it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use ringmain::{PeerState, WaitError, message, stream};

use super::ending::Ending;

/// How long to sleep between two looks at whether somebody follows one that has left.
const NAP: Duration = Duration::from_millis(10);

/// How often a writer looks whether its reader has left.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What both ends of all rings can say of the other one.
pub(super) trait End {
    fn name(&self) -> &str;
    fn peer_generation(&self) -> u64;
    fn peer_state(&self) -> PeerState;
    fn is_orphaned(&self) -> bool;
    /// Waits until there is something to read, or room for so many bytes.
    fn wait(&mut self, len: usize) -> Result<(), WaitError>;
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

            fn wait(&mut self, $len: usize) -> Result<(), WaitError> {
                let $end = self;
                $wait
            }
        }
    };
}

end!(stream::Producer<T>, [T: stream::Slot + ?Sized], |tx, _len| tx.blocking().until_free(1));
end!(stream::Consumer<T>, [T: stream::Slot + ?Sized], |rx, _len| rx.blocking().until_available(1));
end!(message::Producer, [], |tx, len| tx.blocking().until_free(len));
end!(message::Consumer, [], |rx, _len| rx.blocking().until_available());

/// Waits until somebody follows the holder that was `seen`; `false` where nobody can come, since the name is gone.
fn await_next(end: &(impl End + ?Sized), seen: u64) -> bool {
    while end.peer_generation() == seen && end.peer_state() != PeerState::Alive {
        if end.is_orphaned() {
            return false;
        }
        thread::sleep(NAP);
    }
    true
}

/// The writer, as its reader sees it.
#[derive(Debug)]
pub(super) struct Writer {
    /// Whether others may follow it.
    pub(super) follow: bool,
}

impl Writer {
    /// Waits until there is something to read; `false` at the end.
    pub(super) fn wait(&self, end: &mut (impl End + ?Sized)) -> Result<bool> {
        loop {
            let seen = end.peer_generation();
            match end.wait(1) {
                Ok(()) => return Ok(true),
                Err(WaitError::Closed | WaitError::Crashed) if self.follow => {
                    if !await_next(end, seen) {
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
                Err(WaitError::Closed) => return Err(Ending::BrokenPipe.into()),
                // One that was killed has left what it had not read, and another one may read it.
                Err(WaitError::Crashed) => {
                    if !await_next(end, seen) {
                        return Err(WaitError::Orphaned.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
