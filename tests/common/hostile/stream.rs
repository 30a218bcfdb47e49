//! The calls of a stream ring's victims.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::time::Duration;

use ringmain::stream::{Claim, Consumer, Element, Peek, Producer};
use ringmain::{Broken, Error, Interest, Options, PopError, PushError, Wait, WaitError, WaitSet};

use super::{Choices, Outcome, Shape, Victim, word};

/// What is sent and received.
pub(crate) trait Sample: Element {
    /// Calls that only elements of this type have.
    fn write(_tx: &mut Producer<Self>, _len: usize) -> Option<Outcome> {
        None
    }

    fn read(_rx: &mut Consumer<Self>, _len: usize) -> Option<Outcome> {
        None
    }

    /// Calls that only guards of elements of this type have.
    fn transfer_in(_claim: &mut Claim<'_, Self>) {}

    fn transfer_out(_peek: &Peek<'_, Self>) {}
}

/// Where bytes come from without end, and where they go.
fn device(path: &str) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

impl Sample for u64 {}
impl Sample for [u64; 3] {}

impl Sample for u8 {
    fn write(tx: &mut Producer<u8>, len: usize) -> Option<Outcome> {
        tx.set_nonblocking(true);
        // Whether the other end has left is looked at first.
        Some(of_io(tx.write(&vec![7; len.max(1)])).unwrap_or(Outcome::Never))
    }

    fn read(rx: &mut Consumer<u8>, len: usize) -> Option<Outcome> {
        rx.set_nonblocking(true);
        of_io(rx.read(&mut vec![7; len.max(1)]))
    }

    fn transfer_in(claim: &mut Claim<'_, u8>) {
        let (first, _) = claim.parts();
        assert!(claim.read_from(device("/dev/zero")).unwrap() <= first);
    }

    fn transfer_out(peek: &Peek<'_, u8>) {
        let (first, _) = peek.parts();
        assert!(peek.write_to(device("/dev/null")).unwrap() <= first);
    }
}

/// Sorts what a call of [`Read`] or [`Write`] came to; `None` for one that was refused since the other end has left.
#[track_caller]
fn of_io(result: std::io::Result<usize>) -> Option<Outcome> {
    let error = match result {
        Ok(0) => return Some(Outcome::NotNow),
        Ok(_) => return Some(Outcome::Done),
        Err(error) => error,
    };
    if let Some(&broken) = error.get_ref().and_then(|source| source.downcast_ref::<Broken>()) {
        return Some(Outcome::of_broken(broken));
    }
    match error.get_ref().and_then(|source| source.downcast_ref::<WaitError>()) {
        Some(WaitError::Closed) if error.kind() == ErrorKind::BrokenPipe => None,
        Some(&cause) => Some(Outcome::of_wait(cause)),
        None if error.kind() == ErrorKind::WouldBlock => Some(Outcome::NotNow),
        None => panic!("{error:?}"),
    }
}

impl<T: Sample> Victim for Producer<T> {
    fn make(options: &Options, shape: Shape) {
        drop(options.clone().capacity(shape.capacity as usize).stream_producer::<T>().unwrap());
    }

    fn attach(options: &Options) -> Result<Self, Error> {
        options.stream_producer()
    }

    fn call(&mut self, choices: &impl Choices, patience: u64) -> Outcome {
        push(self, choices, patience)
    }

    fn block(&mut self, choices: &impl Choices) -> Outcome {
        let (capacity, len) = (self.capacity(), choices.len(100));
        match choices.below(2) {
            0 => Outcome::of(self.blocking().push(T::zeroed()), |unsent| Outcome::of_wait(unsent.cause)),
            _ => match self.blocking().claim(len) {
                Ok(claim) => fill(Ok(claim), choices, capacity),
                Err(error) => Outcome::of_wait(error),
            },
        }
    }

    fn close(self, keeps: bool) -> Result<(), Error> {
        if keeps { self.into_fd().map(drop) } else { Producer::close(self) }
    }

    fn owns(offset: u64) -> bool {
        let slot = word::PRODUCER_PRESENCE..word::CONSUMER_PRESENCE;
        slot.contains(&offset) || offset == word::TAIL || offset >= word::DATA
    }
}

impl<T: Sample> Victim for Consumer<T> {
    fn make(options: &Options, shape: Shape) {
        Producer::<T>::make(options, shape);
    }

    fn attach(options: &Options) -> Result<Self, Error> {
        options.stream_consumer()
    }

    fn call(&mut self, choices: &impl Choices, patience: u64) -> Outcome {
        pop(self, choices, patience)
    }

    fn block(&mut self, choices: &impl Choices) -> Outcome {
        let (capacity, len) = (self.capacity(), choices.len(100));
        match choices.below(2) {
            0 => Outcome::of(self.blocking().pop(), Outcome::of_wait),
            _ => match self.blocking().peek(len) {
                Ok(peek) => look(Ok(peek), choices, capacity),
                Err(error) => Outcome::of_wait(error),
            },
        }
    }

    fn close(self, keeps: bool) -> Result<(), Error> {
        if keeps { self.into_fd().map(drop) } else { Consumer::close(self) }
    }

    fn owns(offset: u64) -> bool {
        (word::CONSUMER_PRESENCE..word::TAIL).contains(&offset) || offset == word::HEAD
    }
}

/// Makes one call of a producer. One in `patience` waits.
#[track_caller]
fn push<T: Sample>(tx: &mut Producer<T>, choices: &impl Choices, patience: u64) -> Outcome {
    let capacity = tx.capacity();
    if choices.below(patience) == patience - 1 {
        return push_patiently(tx, choices);
    }
    match choices.below(9) {
        0 | 1 => Outcome::of(tx.push(T::zeroed()), of_push),
        2 => {
            let values = vec![T::zeroed(); choices.below(2 * capacity.min(80) as u64) as usize];
            let pushed = tx.push_slice(&values);
            assert!(pushed.is_ok_and(|len| len <= values.len()) || pushed.is_err());
            Outcome::of(pushed, of_push)
        }
        3 => fill(tx.claim(choices.len(100)), choices, capacity),
        4 => fill(tx.claim_up_to(choices.len(100)), choices, capacity),
        5 => fill(tx.claim_contiguous(choices.len(100)), choices, capacity),
        6 => match choices.below(2) {
            0 => Outcome::of_glance(tx.free(), capacity),
            _ => glance(tx.len(), [tx.is_full(), tx.is_empty()], capacity),
        },
        7 => {
            let _ = (tx.peer_state(), tx.peer_generation(), tx.peer_changed(), tx.is_orphaned(), tx.is_truncated());
            let _ = (tx.name(), tx.generation(), tx.position(), tx.ring_id(), tx.first_position());
            let _ = (tx.peer(), tx.descriptor(), tx.is_forked());
            tx.set_wait(strategy(choices));
            let _ = tx.wake_spuriously();
            if choices.below(4) == 0 {
                drop(tx.waker());
            }
            Outcome::Never
        }
        _ => T::write(tx, choices.below(300) as usize).unwrap_or(Outcome::Never),
    }
}

fn push_patiently<T: Sample>(tx: &mut Producer<T>, choices: &impl Choices) -> Outcome {
    tx.set_wait(strategy(choices));
    let (capacity, limit) = (tx.capacity(), choices.wait());
    let values = vec![T::zeroed(); choices.below(2 * capacity.min(80) as u64) as usize];
    match choices.below(8) {
        7 => in_a_set(tx.writable(choices.len(100)), limit),
        0 => Outcome::of(tx.within(limit).push(T::zeroed()), |unfinished| Outcome::of_wait(unfinished.cause)),
        1 => taken(tx.within(limit).claim(choices.len(100)), |claim| fill(Ok(claim), choices, capacity)),
        2 => taken(tx.within(limit).claim_up_to(choices.len(100)), |claim| fill(Ok(claim), choices, capacity)),
        3 => taken(tx.within(limit).claim_contiguous(choices.len(100)), |claim| fill(Ok(claim), choices, capacity)),
        4 => Outcome::of(tx.within(limit).push_slice(&values), |unfinished| {
            assert!(unfinished.value < values.len().max(1));
            Outcome::of_wait(unfinished.cause)
        }),
        5 => Outcome::of(tx.within(limit).push_some(&values), Outcome::of_wait),
        _ => Outcome::of(tx.within(limit).until_free(1), Outcome::of_wait),
    }
}

/// Waits in a set. What it finds, the next call of the handle tells.
pub(super) fn in_a_set(interest: Interest<'_>, limit: Duration) -> Outcome {
    let _ = WaitSet::new().wait(&mut [interest], limit);
    Outcome::Never
}

/// Uses what a call that waits came to.
pub(super) fn taken<G>(guard: Result<G, WaitError>, take: impl FnOnce(G) -> Outcome) -> Outcome {
    guard.map_or_else(Outcome::of_wait, take)
}

/// Sorts what three calls found that take their handle by reference, one of them twice.
pub(super) fn glance(len: Result<usize, Broken>, is: [Result<bool, Broken>; 2], most: usize) -> Outcome {
    let seen = |outcome| matches!(outcome, Outcome::Seen(_)).then_some(outcome);
    let others = is.map(|is| Outcome::of_glance(is.map(usize::from), 1));
    others.into_iter().find_map(seen).unwrap_or_else(|| Outcome::of_glance(len, most))
}

pub(super) fn strategy(choices: &impl Choices) -> Wait {
    [Wait::Park, Wait::SpinThenPark, Wait::Spin][choices.below(3) as usize]
}

pub(super) fn of_push<T>(error: PushError<T>) -> Outcome {
    match error {
        PushError::Full(_) => Outcome::NotNow,
        PushError::TooLong { .. } | PushError::NoWord { .. } => Outcome::Never,
        PushError::Broken { cause, .. } => Outcome::of_broken(cause),
        _ => panic!("an unknown refusal: {error:?}"),
    }
}

fn fill<T: Sample>(claim: Result<Claim<'_, T>, PushError>, choices: &impl Choices, capacity: usize) -> Outcome {
    let mut claim = match claim {
        Ok(claim) => claim,
        Err(error) => {
            assert!(!matches!(error, PushError::Full(free) if free > capacity));
            return of_push(error);
        }
    };
    let len = claim.len();
    assert!(len <= capacity && claim.parts().0 + claim.parts().1 == len);
    assert_eq!(claim.is_empty(), len == 0);
    T::transfer_in(&mut claim);
    if len > 0 {
        claim.set(len - 1, T::zeroed());
        claim.copy_from_slice(len / 2, &vec![T::zeroed(); len - len / 2]);
        claim.fill((0..choices.below(3)).map(|_| T::zeroed()));
    }
    match choices.below(5) {
        0 => claim.commit(),
        1 => claim.commit_first(choices.below(len as u64 + 1) as usize),
        2 => claim.abort(),
        3 => mem::forget(claim),
        // Dropping it does the same.
        _ => {}
    }
    Outcome::Done
}

/// Makes one call of a consumer. One in `patience` waits.
#[track_caller]
fn pop<T: Sample>(rx: &mut Consumer<T>, choices: &impl Choices, patience: u64) -> Outcome {
    let capacity = rx.capacity();
    if choices.below(patience) == patience - 1 {
        return pop_patiently(rx, choices);
    }
    match choices.below(10) {
        0 | 1 => Outcome::of(rx.pop(), of_pop),
        2 => {
            let mut values = vec![T::zeroed(); choices.below(2 * capacity.min(80) as u64) as usize];
            let popped = rx.pop_slice(&mut values);
            assert!(popped.is_ok_and(|len| len <= values.len()) || popped.is_err());
            Outcome::of(popped, of_pop)
        }
        3 => look(rx.peek(choices.len(100)), choices, capacity),
        4 => look(rx.peek_up_to(choices.len(100)), choices, capacity),
        5 => look(rx.peek_contiguous(choices.len(100)), choices, capacity),
        6 => match choices.below(2) {
            0 => Outcome::of_glance(rx.available(), capacity),
            _ => glance(rx.len(), [rx.is_empty(); 2], capacity),
        },
        7 => {
            let _ = (rx.peer_state(), rx.peer_generation(), rx.peer_changed(), rx.is_orphaned(), rx.is_truncated());
            let _ = (rx.name(), rx.generation(), rx.position(), rx.ring_id(), rx.first_position());
            let _ = (rx.peer(), rx.descriptor(), rx.is_forked());
            rx.set_wait(strategy(choices));
            let _ = rx.wake_spuriously();
            if choices.below(4) == 0 {
                drop(rx.waker());
            }
            Outcome::Never
        }
        8 => {
            rx.release();
            Outcome::Never
        }
        _ => T::read(rx, choices.below(300) as usize).unwrap_or(Outcome::Never),
    }
}

fn pop_patiently<T: Sample>(rx: &mut Consumer<T>, choices: &impl Choices) -> Outcome {
    rx.set_wait(strategy(choices));
    let (capacity, limit) = (rx.capacity(), choices.wait());
    let mut values = vec![T::zeroed(); choices.below(2 * capacity.min(80) as u64) as usize];
    match choices.below(10) {
        8 => in_a_set(rx.readable(), limit),
        9 => in_a_set(rx.readable_for(choices.len(100)), limit),
        0 => Outcome::of(rx.within(limit).pop(), Outcome::of_wait),
        1 => taken(rx.within(limit).peek(choices.len(100)), |peek| look(Ok(peek), choices, capacity)),
        2 => taken(rx.within(limit).peek_up_to(choices.len(100)), |peek| look(Ok(peek), choices, capacity)),
        3 => taken(rx.within(limit).peek_contiguous(choices.len(100)), |peek| look(Ok(peek), choices, capacity)),
        4 => {
            let popped = rx.within(limit).pop_slice(&mut values);
            Outcome::of(popped, |unfinished| {
                assert!(unfinished.value < values.len().max(1));
                Outcome::of_wait(unfinished.cause)
            })
        }
        5 => Outcome::of(rx.within(limit).pop_some(&mut values), Outcome::of_wait),
        6 => match rx.within(limit).iter().take(3).last() {
            Some(popped) => Outcome::of(popped, Outcome::of_wait),
            None => Outcome::NotNow,
        },
        _ => Outcome::of(rx.within(limit).until_available(1), Outcome::of_wait),
    }
}

pub(super) fn of_pop(error: PopError) -> Outcome {
    match error {
        PopError::Empty => Outcome::NotNow,
        PopError::Short { available, len } => {
            assert!(available < len);
            Outcome::NotNow
        }
        PopError::BufferTooShort { len, buffer: other } | PopError::WrongSize { len, size: other } => {
            assert_ne!(len, other);
            Outcome::NotNow
        }
        PopError::TooLong { .. } => Outcome::Never,
        PopError::Broken(broken) => Outcome::of_broken(broken),
        _ => panic!("an unknown refusal: {error:?}"),
    }
}

fn look<T: Sample>(peek: Result<Peek<'_, T>, PopError>, choices: &impl Choices, capacity: usize) -> Outcome {
    let peek = match peek {
        Ok(peek) => peek,
        Err(error) => {
            assert!(!matches!(error, PopError::Short { available, .. } if available > capacity));
            return of_pop(error);
        }
    };
    let len = peek.len();
    assert!(len <= capacity && peek.parts().0 + peek.parts().1 == len);
    assert!(peek.get(len).is_none() && peek.get(len / 2).is_some() == (len > 0));
    peek.copy_to_slice(len / 2, &mut vec![T::zeroed(); len - len / 2]);
    assert_eq!(peek.iter().count(), len);
    assert_eq!(peek.is_empty(), len == 0);
    let _ = peek.position();
    T::transfer_out(&peek);
    mem::forget(peek.iter());
    match choices.below(4) {
        0 => peek.release(),
        1 => peek.release_first(choices.below(len as u64 + 1) as usize),
        2 => mem::forget(peek),
        // Dropping it releases nothing.
        _ => {}
    }
    Outcome::Done
}
