//! What comes from the network to the thread that owns ring A. It waits at the ring, or for what comes, and is woken
//! where it waits.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain::Waker;

use crate::protocol::{Answer, Malformed};

/// What came.
#[derive(Debug)]
pub enum Event {
    /// The answer to a query of this number.
    Answered(u64, Result<Answer, Malformed>),
    /// The query of this number has ended without an answer.
    Ended(u64),
    /// Somebody answers at the key who did not before.
    Matched,
}

/// Where the owner is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owner {
    #[default]
    Busy,
    AtTheRing,
    /// The same, and it does not mind to hear of an answer later.
    AtTheRingForLong,
    AtTheInbox,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    owner: Owner,
}

/// The events, and what wakes their owner.
pub struct Inbox {
    inner: Mutex<Inner>,
    came: Condvar,
    waker: Waker,
}

impl Inbox {
    /// Makes an inbox of the owner of a ring, whose waits `waker` ends.
    #[must_use]
    pub fn new(waker: Waker) -> Inbox {
        Inbox { inner: Mutex::default(), came: Condvar::new(), waker }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub fn post(&self, event: Event) {
        let mut inner = self.lock();
        let is_answer = matches!(event, Event::Answered(_, Ok(Answer::At { .. })));
        inner.events.push_back(event);
        let owner = inner.owner;
        drop(inner);
        match owner {
            Owner::Busy => {}
            Owner::AtTheRingForLong if is_answer => {}
            Owner::AtTheRing | Owner::AtTheRingForLong => self.waker.wake(),
            Owner::AtTheInbox => self.came.notify_one(),
        }
    }

    /// Takes the first event.
    pub fn take(&self) -> Option<Event> {
        self.lock().events.pop_front()
    }

    /// Waits for an event.
    pub fn wait(&self, limit: Duration) {
        let mut inner = self.lock();
        if inner.events.is_empty() {
            inner.owner = Owner::AtTheInbox;
            inner = self.came.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner).0;
            inner.owner = Owner::Busy;
        }
    }

    /// Waits by `wait`, which the waker ends; not at all if there is an event: `None`. With `is_patient` an answer does
    /// not end it: for a wait that is short by itself.
    pub fn wait_at<R>(&self, is_patient: bool, wait: impl FnOnce() -> R) -> Option<R> {
        {
            let mut inner = self.lock();
            if !inner.events.is_empty() {
                return None;
            }
            inner.owner = if is_patient { Owner::AtTheRingForLong } else { Owner::AtTheRing };
        }
        let waited = wait();
        self.lock().owner = Owner::Busy;
        Some(waited)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_event_ends_a_wait_at_the_ring_and_one_at_the_inbox() {
        let mut rx = ringmain::Options::anonymous().capacity(8).stream_consumer::<u8>().unwrap();
        let inbox = Arc::new(Inbox::new(rx.waker()));
        for at_the_ring in [true, false, true, false] {
            let posting = Arc::clone(&inbox);
            let thread = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                posting.post(Event::Matched);
            });
            while inbox.take().is_none() {
                if at_the_ring {
                    inbox.wait_at(true, || rx.within(LONG).pop());
                } else {
                    inbox.wait(LONG);
                }
            }
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_patient_wait_goes_on_after_an_answer() {
        let mut rx = ringmain::Options::anonymous().capacity(8).stream_consumer::<u8>().unwrap();
        let inbox = Inbox::new(rx.waker());
        let waited = inbox.wait_at(true, || {
            inbox.post(Event::Answered(7, Ok(Answer::At { tail: 0, free: 0 })));
            rx.within(Duration::from_millis(1)).pop()
        });
        assert_eq!(waited, Some(Err(ringmain::WaitError::TimedOut)));
        assert!(matches!(inbox.take(), Some(Event::Answered(7, Ok(_)))));
    }

    #[test]
    fn what_came_before_is_not_waited_for() {
        let mut rx = ringmain::Options::anonymous().capacity(8).stream_consumer::<u8>().unwrap();
        let inbox = Inbox::new(rx.waker());
        inbox.post(Event::Ended(7));
        inbox.wait(LONG);
        assert!(inbox.wait_at(false, || rx.within(LONG).pop()).is_none());
        assert!(matches!(inbox.take(), Some(Event::Ended(7))));
    }
}
