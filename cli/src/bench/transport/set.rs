//! Many rings each way, at all of which the process that is to read waits by a set. Each message goes over the next
//! ring.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use ringmain::{Options, WaitSet, Woken};

use super::ring::{AHEAD, Readable, Ring, options, strategy};
use super::side::{Created, Left, first, second};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender, Station};

/// The capacity of each of the rings, none of which ever holds more than one message: elements, or at least a page.
const CAPACITY: usize = 64;

/// Sends over one ring after the other.
struct Turns<S> {
    senders: Vec<S>,
    next: usize,
}

impl<S: Sender<WORDS>, const WORDS: usize> Sender<WORDS> for Turns<S> {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        let at = self.next;
        self.next = (at + 1) % self.senders.len();
        self.senders[at].send(message)
    }
}

/// Receives from whichever ring has something.
struct Any<R> {
    set: WaitSet,
    receivers: Vec<R>,
}

impl<R: Readable> Any<R> {
    #[inline]
    fn wait(&mut self) -> Result<&mut R> {
        let mut interests: Vec<_> = self.receivers.iter_mut().map(R::readable).collect();
        match self.set.wait(&mut interests, None)? {
            // A ring whose sender has left is ready, too, though the last message is in another one.
            Woken::Ready(mut ready) => {
                let at = ready.find(|at| self.receivers[*at].has_message());
                Ok(&mut self.receivers[at.context("the other process has ended")?])
            }
            woken => bail!("a wait without an end ended as {woken:?}"),
        }
    }
}

impl<R: Receiver<WORDS> + Readable, const WORDS: usize> Receiver<WORDS> for Any<R> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        self.wait()?.receive(message)
    }

    #[inline(always)]
    fn receive_with<T>(&mut self, buffer: &mut [u64; WORDS], read: impl FnOnce(&[u64; WORDS]) -> T) -> Result<T> {
        self.wait()?.receive_with(buffer, read)
    }
}

fn receiver<R: Ring<WORDS>, const WORDS: usize>(
    rings: impl Iterator<Item = Result<OwnedFd>>,
    case: Case,
    idle: &Idle,
) -> Result<Any<R::Pop<false>>> {
    let mut set = WaitSet::new();
    set.set_wait(strategy(case));
    let receivers = rings.map(|ring| R::pop(&options(ring?, case), idle.clone())).collect::<Result<_>>()?;
    Ok(Any { set, receivers })
}

fn sender<R: Ring<WORDS>, const WORDS: usize>(
    rings: impl Iterator<Item = Result<OwnedFd>>,
    case: Case,
    idle: &Idle,
) -> Result<Turns<R::Push<true, false>>> {
    let senders = rings.map(|ring| R::push(&options(ring?, case), idle.clone())).collect::<Result<_>>()?;
    Ok(Turns { senders, next: 0 })
}

/// Makes this process's side.
pub(super) fn create<R: Ring<WORDS>, const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let make = |ahead: bool| {
        let options = R::sized(Options::anonymous(), case).capacity(CAPACITY);
        let rings =
            (0..case.rings).map(|_| R::make(if ahead { R::ahead(options.clone(), AHEAD) } else { options.clone() }));
        rings.collect::<Result<Vec<_>>>().context("cannot make the rings")
    };
    let (incoming, outgoing) = (make(false)?, make(true)?);
    let copies = |rings: &[OwnedFd]| rings.iter().map(|ring| Ok(ring.try_clone()?)).collect::<Vec<_>>().into_iter();
    let receiver = receiver::<R, WORDS>(copies(&incoming), case, &idle)?;
    let station = first(case.test, receiver, || sender::<R, WORDS>(copies(&outgoing), case, &idle))?;
    Ok(Created { station, descriptors: [incoming, outgoing].into_iter().flatten().collect() })
}

/// Opens the peer's side.
pub(super) fn attach<R: Ring<WORDS>, const WORDS: usize>(
    case: Case,
    mut left: Left,
    idle: Idle,
) -> Result<Box<dyn Station>> {
    let sender = sender::<R, WORDS>((0..case.rings).map(|_| left.descriptor()), case, &idle)?;
    let receiver = || receiver::<R, WORDS>((0..case.rings).map(|_| left.descriptor()), case, &idle);
    second(case, sender, receiver, idle.clone())
}
