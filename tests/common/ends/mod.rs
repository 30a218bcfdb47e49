//! The four handles as one: an end that moves numbers, and waits for the other end.

mod play;

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::{self, Scope};
use std::time::Duration;

use ringmain::{
    Broken, Driver, Error, Interest, Options, PeerState, PopError, PushError, Readiness, Role, Wait, WaitError,
    message, stream,
};

use super::messages::header;
use super::{Part, Ring, succeed, word};
pub(crate) use play::{
    LONG, SOON, STRATEGIES, attach_peer, check_gone, check_hand_over, check_held, hold, move_late, move_with_pauses,
    mover, obey, outcome, told_in_a_set,
};

/// One end of either ring.
pub(crate) trait End: Debug + Sized + Send + 'static {
    /// The part of a process that holds it.
    const PART: &'static str;
    /// The word of the other end, or in its place, and a number there that cannot be.
    const IMPOSSIBLE: (u64, u64);
    const ROLE: Role;
    /// The word in which it says that it came.
    const PRESENCE: u64;
    /// The word in which it says that it sleeps.
    const PARKING: u64;
    /// The words of this end and of the other one about sleeping.
    const SLEEPS: &'static [u64] =
        &[word::PRODUCER_PARKING, word::PRODUCER_WAKES, word::CONSUMER_PARKING, word::CONSUMER_WAKES];
    /// How far a number moves a position, in a small ring.
    const STEP: u64;
    /// Of how many numbers it knows at most that they can go at once.
    const KNOWN: u64;
    type Peer: End;

    fn attach(options: &Options) -> Result<Self, Error>;

    /// Asks for a ring whose data area has this many bytes, a power of two, at least a page.
    fn of_bytes(options: Options, bytes: usize) -> Options;

    /// Returns how long the object of such a ring is.
    fn length_of(bytes: u64) -> u64;

    /// Sends this number, or receives one and checks that it is this.
    fn go(&mut self, number: u64, limit: Option<Duration>) -> Result<(), WaitError>;

    /// Does the same, unless it would have to wait: by a call that never does.
    fn try_go(&mut self, number: u64) -> bool;

    /// Moves numbers until it would have to wait, and returns how many. A consumer has read all before.
    fn exhaust(&mut self) -> u64 {
        let most = if Self::ROLE == Role::Producer { u64::MAX } else { 1 };
        let count = (0..most).take_while(|&number| self.try_go(number)).count() as u64;
        assert!(count < most, "there was a number to read");
        count
    }

    /// Returns of how many numbers it knows that they can go at once.
    fn known(&mut self) -> Result<u64, Broken>;

    /// Does what the other end would do to let this one go on with number 0 after `exhaust`, but wakes nobody.
    fn feed_by_hand(ring: &Ring);

    fn wait_ready(&mut self, limit: Duration) -> Result<(), WaitError>;
    /// Waits in a set, or in an event loop, for one number to go.
    fn wanted(&mut self) -> Interest<'_>;
    /// Has a driver sleep for it: this one, or one of the process's own.
    fn ready_by(self, driver: Option<&Driver>) -> Result<Readiness<Self>, Error>;
    fn set_wait(&mut self, strategy: Wait);
    /// Says that it pauses, if it can: a consumer.
    fn pause(&mut self) {}
    fn position(&self) -> u64;
    fn peer_state(&self) -> PeerState;
    fn generation(&self) -> u64;
    fn peer_generation(&self) -> u64;
    fn peer_changed(&mut self) -> bool;
    fn seal(&self) -> Result<(), Error>;
    fn is_orphaned(&self) -> bool;
    fn is_truncated(&self) -> bool;
    fn descriptor(&self) -> BorrowedFd<'_>;
    fn try_close(self) -> Result<(), Error>;
    fn close(self) {
        self.try_close().unwrap();
    }
    fn abandon(self);
    fn into_fd(self) -> OwnedFd;
}

/// An end of any ring, as a set waits at it.
pub(crate) trait Line {
    fn interest(&mut self) -> Interest<'_>;

    /// Moves a number, unless it would have to wait.
    fn try_go(&mut self, number: u64) -> bool;

    /// Says how a call ends that waits for no time.
    fn outcome(&mut self) -> Result<(), WaitError>;
}

impl<E: End> Line for E {
    fn interest(&mut self) -> Interest<'_> {
        self.wanted()
    }

    fn try_go(&mut self, number: u64) -> bool {
        End::try_go(self, number)
    }

    fn outcome(&mut self) -> Result<(), WaitError> {
        self.wait_ready(Duration::ZERO)
    }
}

/// Attaches one of the four ends, by its number; its peer's differs in the last bit.
pub(crate) fn attach_line(at: usize, options: &Options) -> Box<dyn Line> {
    match at % 4 {
        0 => Box::new(succeed(|| stream::Producer::attach(options))),
        1 => Box::new(succeed(|| stream::Consumer::attach(options))),
        2 => Box::new(succeed(|| message::Producer::attach(options))),
        _ => Box::new(succeed(|| message::Consumer::attach(options))),
    }
}

/// The options of a small ring of either kind.
pub(crate) fn small(options: Options) -> Options {
    // 8 elements, or of the 64-byte records that fit one page, 63.
    options.capacity(8).record_alignment(64)
}

#[track_caller]
fn has_gone<T: Debug>(pushed: Result<(), PushError<T>>) -> bool {
    match pushed {
        Ok(()) => true,
        Err(PushError::Full(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[track_caller]
fn has_come(popped: Result<u64, PopError>, expected: u64) -> bool {
    match popped {
        Ok(came) => assert_eq!(came, expected, "came, expected"),
        Err(PopError::Empty) => return false,
        Err(error) => panic!("{error:?}"),
    }
    true
}

/// A name, and what is done with a handle.
pub(crate) type Call<H, R = ()> = (&'static str, fn(&mut H) -> R);

/// A view of a handle, whose peer is trusted.
macro_rules! trust {
    ($handle:expr) => {{
        // SAFETY: handles of this library alone touch the rings of these tests, or this thread while no view is used.
        unsafe { $handle.trust_peer() }
    }};
}
pub(crate) use trust;

macro_rules! stream_sizes {
    () => {
        const STEP: u64 = 1;
        const KNOWN: u64 = u64::MAX;
        fn of_bytes(options: Options, bytes: usize) -> Options {
            options.capacity(bytes / 8)
        }
        fn length_of(bytes: u64) -> u64 {
            4096 + bytes
        }
    };
}

macro_rules! message_sizes {
    () => {
        const STEP: u64 = 64;
        const KNOWN: u64 = 1;
        fn of_bytes(options: Options, bytes: usize) -> Options {
            options.capacity(bytes)
        }
        fn length_of(bytes: u64) -> u64 {
            (rustix::param::page_size() as u64).max(4096) + bytes
        }
    };
}

macro_rules! common_calls {
    ($wait:ident($($len:expr)?), $interest:ident($($units:expr)?)) => {
        fn wanted(&mut self) -> Interest<'_> {
            self.$interest($($units)?)
        }
        fn ready_by(self, driver: Option<&Driver>) -> Result<Readiness<Self>, Error> {
            match driver {
                None => self.into_readiness(),
                Some(driver) => self.into_readiness_with(driver),
            }
        }
        fn wait_ready(&mut self, limit: Duration) -> Result<(), WaitError> {
            self.within(limit).$wait($($len)?)
        }
        fn descriptor(&self) -> BorrowedFd<'_> {
            Self::descriptor(self)
        }
        fn set_wait(&mut self, strategy: Wait) {
            Self::set_wait(self, strategy);
        }
        fn position(&self) -> u64 {
            Self::position(self)
        }
        fn peer_state(&self) -> PeerState {
            Self::peer_state(self)
        }
        fn peer_changed(&mut self) -> bool {
            Self::peer_changed(self)
        }
        fn generation(&self) -> u64 {
            Self::generation(self)
        }
        fn peer_generation(&self) -> u64 {
            Self::peer_generation(self)
        }
        fn seal(&self) -> Result<(), Error> {
            Self::seal(self)
        }
        fn is_orphaned(&self) -> bool {
            Self::is_orphaned(self)
        }
        fn is_truncated(&self) -> bool {
            Self::is_truncated(self)
        }
        fn try_close(self) -> Result<(), Error> {
            Self::close(self)
        }
        fn abandon(self) {
            Self::abandon(self);
        }
        fn into_fd(self) -> OwnedFd {
            Self::into_fd(self).unwrap()
        }
    };
}

impl End for stream::Producer<u64> {
    const PART: &'static str = "stream_producer";
    const ROLE: Role = Role::Producer;
    const PRESENCE: u64 = word::PRODUCER_PRESENCE;
    const PARKING: u64 = word::PRODUCER_PARKING;
    const IMPOSSIBLE: (u64, u64) = (word::HEAD, 1000);
    type Peer = stream::Consumer<u64>;

    fn attach(options: &Options) -> Result<Self, Error> {
        options.stream_producer()
    }

    stream_sizes!();

    fn go(&mut self, number: u64, limit: Option<Duration>) -> Result<(), WaitError> {
        let sent = match limit {
            None => self.blocking().push(number),
            Some(limit) => self.within(limit).push(number),
        };
        sent.map_err(|unsent| {
            assert_eq!(unsent.value, number);
            unsent.cause
        })
    }

    fn try_go(&mut self, number: u64) -> bool {
        has_gone(self.push(number))
    }

    fn known(&mut self) -> Result<u64, Broken> {
        self.free().map(|free| free as u64)
    }

    fn feed_by_hand(ring: &Ring) {
        ring.set_word(word::HEAD, 2);
    }

    common_calls!(until_free(1), writable(1));
}

impl End for stream::Consumer<u64> {
    const PART: &'static str = "stream_consumer";
    const ROLE: Role = Role::Consumer;
    const PRESENCE: u64 = word::CONSUMER_PRESENCE;
    const PARKING: u64 = word::CONSUMER_PARKING;
    const IMPOSSIBLE: (u64, u64) = (word::TAIL, 1000);
    type Peer = stream::Producer<u64>;

    fn attach(options: &Options) -> Result<Self, Error> {
        options.stream_consumer()
    }

    stream_sizes!();

    fn go(&mut self, number: u64, limit: Option<Duration>) -> Result<(), WaitError> {
        let received = match limit {
            None => self.blocking().pop(),
            Some(limit) => self.within(limit).pop(),
        };
        received.map(|came| assert_eq!(came, number, "came, expected"))
    }

    fn try_go(&mut self, number: u64) -> bool {
        has_come(self.pop(), number)
    }

    fn known(&mut self) -> Result<u64, Broken> {
        self.available().map(|available| available as u64)
    }

    fn feed_by_hand(ring: &Ring) {
        ring.set_word(word::DATA, 0);
        ring.set_word(word::TAIL, 1);
    }

    fn pause(&mut self) {
        self.release();
    }

    common_calls!(until_available(1), readable());
}

impl End for message::Producer {
    const PART: &'static str = "message_producer";
    const ROLE: Role = Role::Producer;
    const PRESENCE: u64 = word::PRODUCER_PRESENCE;
    const PARKING: u64 = word::PRODUCER_PARKING;
    const IMPOSSIBLE: (u64, u64) = (word::HEAD, 1 << 20);
    type Peer = message::Consumer;

    fn attach(options: &Options) -> Result<Self, Error> {
        options.message_producer()
    }

    message_sizes!();

    fn go(&mut self, number: u64, limit: Option<Duration>) -> Result<(), WaitError> {
        let bytes = number.to_ne_bytes();
        match (limit, number % 2) {
            (None, 0) => self.blocking().push(&bytes),
            (None, _) => self.blocking().push_value(&number),
            (Some(limit), 0) => self.within(limit).push(&bytes),
            (Some(limit), _) => self.within(limit).push_value(&number),
        }
    }

    fn try_go(&mut self, number: u64) -> bool {
        has_gone(self.push_value(&number))
    }

    fn known(&mut self) -> Result<u64, Broken> {
        self.can_push(8).map(u64::from)
    }

    fn feed_by_hand(ring: &Ring) {
        ring.set_word(word::HEAD, 2 * 64);
    }

    common_calls!(until_free(8), writable(8));
}

impl End for message::Consumer {
    const PART: &'static str = "message_consumer";
    const ROLE: Role = Role::Consumer;
    const PRESENCE: u64 = word::CONSUMER_PRESENCE;
    const PARKING: u64 = word::CONSUMER_PARKING;
    const IMPOSSIBLE: (u64, u64) = (word::DATA, 2);
    type Peer = message::Producer;

    fn attach(options: &Options) -> Result<Self, Error> {
        options.message_consumer()
    }

    message_sizes!();

    fn go(&mut self, number: u64, limit: Option<Duration>) -> Result<(), WaitError> {
        let mut bytes = [0; 8];
        let received = match (limit, number % 2) {
            (None, 0) => self.blocking().pop(&mut bytes).map(|_| u64::from_ne_bytes(bytes)),
            (None, _) => self.blocking().pop_value(),
            (Some(limit), 0) => self.within(limit).pop(&mut bytes).map(|_| u64::from_ne_bytes(bytes)),
            (Some(limit), _) => self.within(limit).pop_value(),
        };
        match received {
            Ok(came) => assert_eq!(came, number, "came, expected"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn try_go(&mut self, number: u64) -> bool {
        has_come(self.pop_value(), number)
    }

    fn known(&mut self) -> Result<u64, Broken> {
        self.is_empty().map(|is_empty| u64::from(!is_empty))
    }

    fn feed_by_hand(ring: &Ring) {
        ring.set_word(word::DATA + 16, 0);
        ring.set_word(word::DATA + 64, 0);
        ring.set_word(word::DATA, header(8));
        ring.set_word(word::TAIL, 64);
    }

    fn pause(&mut self) {
        self.release();
    }

    common_calls!(until_available(), readable());
}

/// Runs a check for each of the four handles: one after the other, or at once if they mostly sleep.
macro_rules! for_each_end {
    (at once: $check:ident($($argument:expr),*) for $each:pat in $values:expr) => {
        std::thread::scope(|scope| {
            for $each in $values {
                $crate::common::ends::at_once(scope, move || $check::<ringmain::stream::Consumer<u64>>($($argument),*));
                $crate::common::ends::at_once(scope, move || $check::<ringmain::stream::Producer<u64>>($($argument),*));
                $crate::common::ends::at_once(scope, move || $check::<ringmain::message::Consumer>($($argument),*));
                $crate::common::ends::at_once(scope, move || $check::<ringmain::message::Producer>($($argument),*));
            }
        });
    };
    (at once: $check:ident($($argument:expr),*)) => {
        $crate::common::ends::for_each_end!(at once: $check($($argument),*) for () in [()]);
    };
    ($check:ident $(, $argument:expr)*) => {
        $check::<ringmain::stream::Consumer<u64>>($($argument),*);
        $check::<ringmain::stream::Producer<u64>>($($argument),*);
        $check::<ringmain::message::Consumer>($($argument),*);
        $check::<ringmain::message::Producer>($($argument),*);
    };
}
pub(crate) use for_each_end;

/// Runs a check for each of the two rings: with the end that produces.
macro_rules! for_each_ring {
    (at once: $check:ident($($argument:expr),*) for $each:pat in $values:expr) => {
        std::thread::scope(|scope| {
            for $each in $values {
                $crate::common::ends::at_once(scope, move || $check::<ringmain::stream::Producer<u64>>($($argument),*));
                $crate::common::ends::at_once(scope, move || $check::<ringmain::message::Producer>($($argument),*));
            }
        });
    };
    ($check:ident $(, $argument:expr)*) => {
        $check::<ringmain::stream::Producer<u64>>($($argument),*);
        $check::<ringmain::message::Producer>($($argument),*);
    };
}
pub(crate) use for_each_ring;

/// Runs a check by a thread with the name of its test.
pub(crate) fn at_once<'scope>(scope: &'scope Scope<'scope, '_>, check: impl FnOnce() + Send + 'scope) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::Builder::new().name(name).spawn_scoped(scope, check).unwrap();
}

/// Plays a part with the end that its first argument names.
macro_rules! as_end {
    ($play:ident) => {
        |part: &mut Part| match part.argument::<String>(0).as_str() {
            "stream_producer" => $play::<ringmain::stream::Producer<u64>>(part),
            "stream_consumer" => $play::<ringmain::stream::Consumer<u64>>(part),
            "message_producer" => $play::<ringmain::message::Producer>(part),
            "message_consumer" => $play::<ringmain::message::Consumer>(part),
            other => panic!("{other} is no end"),
        }
    };
}
pub(crate) use as_end;

/// The parts that hold one of the four handles.
macro_rules! parts_of_ends {
    ($part:ident) => {
        [
            ("stream_producer", $part::<ringmain::stream::Producer<u64>> as fn(&mut Part)),
            ("stream_consumer", $part::<ringmain::stream::Consumer<u64>>),
            ("message_producer", $part::<ringmain::message::Producer>),
            ("message_consumer", $part::<ringmain::message::Consumer>),
        ]
    };
}
pub(crate) use parts_of_ends;
