//! What both kinds of ring have in common: how they are opened, how their ends wait, and which of their forms a case
//! names.

use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};

use anyhow::{Context, Result};
use ringmain::{Interest, Options};

use super::side::{Created, Left, first, second};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender, Station};
use crate::bench::wait::Wait;

/// What both sides ask for.
pub(super) fn options(ring: OwnedFd, case: Case) -> Options {
    Options::from_fd(ring).wait(strategy(case))
}

/// How the library waits in a case.
pub(super) fn strategy(case: Case) -> ringmain::Wait {
    match case.wait {
        Wait::Busy => ringmain::Wait::Spin,
        Wait::Park => ringmain::Wait::Park,
        // Where the ends spin, they call nothing that waits.
        _ => ringmain::Wait::SpinThenPark,
    }
}

/// Messages of more words than these go by reference, and all others by value, as their users would send them.
pub(super) const WORDS_BY_VALUE: usize = 128;

/// Bytes by which the ring of the answers is ahead of the other one: half of a page and some lines. If both began at
/// the same place, a message and its answer would lie on lines that have the same place in their pages.
pub(super) const AHEAD: usize = 2048 + 192;

/// The fence that a ring would need after each message if sleepers did not make it in its place.
#[inline]
pub(super) fn publish_fence() {
    // Pairs with nothing: it stands for its cost.
    fence(Ordering::SeqCst);
}

/// An end at which a set can wait.
pub(super) trait Readable {
    fn readable(&mut self) -> Interest<'_>;
    fn has_message(&self) -> bool;
}

/// A kind of ring.
pub(super) trait Ring<const WORDS: usize> {
    type Push<const BLOCKING: bool, const FENCED: bool>: Sender<WORDS> + 'static;
    type Pop<const BLOCKING: bool>: Receiver<WORDS> + Readable + 'static;

    /// Asks for as much as every ring of a case has.
    fn sized(options: Options, case: Case) -> Options;
    /// Asks for a ring that begins about so many bytes after the start of its data area.
    fn ahead(options: Options, bytes: usize) -> Options;
    /// Makes a ring.
    fn make(options: Options) -> Result<OwnedFd>;
    fn push<const BLOCKING: bool, const FENCED: bool>(
        options: &Options,
        idle: Idle,
    ) -> Result<Self::Push<BLOCKING, FENCED>>;
    fn pop<const BLOCKING: bool>(options: &Options, idle: Idle) -> Result<Self::Pop<BLOCKING>>;
}

/// Calls a function with the two constants that a case names: whether its ends wait in the library's blocking calls,
/// and whether the sender makes fences.
///
/// Ends that spin poll by themselves, so that they can yield a processor which both processes share.
macro_rules! with_form {
    ($case:expr, $function:ident($($argument:expr),*)) => {
        match ($case.wait != Wait::Spin, $case.fenced) {
            (false, false) => $function::<R, WORDS, false, false>($($argument),*),
            (false, true) => $function::<R, WORDS, false, true>($($argument),*),
            (true, false) => $function::<R, WORDS, true, false>($($argument),*),
            (true, true) => $function::<R, WORDS, true, true>($($argument),*),
        }
    };
}

/// Makes this process's side. The rings have no names: nothing can stay behind, however either process ends.
pub(super) fn create<R: Ring<WORDS>, const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    with_form!(case, create_formed(case, idle))
}

fn create_formed<R: Ring<WORDS>, const WORDS: usize, const BLOCKING: bool, const FENCED: bool>(
    case: Case,
    idle: Idle,
) -> Result<Created> {
    let sized = || R::sized(Options::anonymous(), case);
    let ring = R::make(sized()).context("cannot make a ring")?;
    let receiver = R::pop::<BLOCKING>(&options(ring.try_clone()?, case), idle.clone())?;
    let mut descriptors = vec![ring];
    let station = first(case.test, receiver, || {
        let ring = R::make(R::ahead(sized(), AHEAD)).context("cannot make a ring")?;
        let sender = R::push::<BLOCKING, FENCED>(&options(ring.try_clone()?, case), idle)?;
        descriptors.push(ring);
        Ok(sender)
    })?;
    Ok(Created { station, descriptors })
}

pub(super) fn attach<R: Ring<WORDS>, const WORDS: usize>(
    case: Case,
    left: Left,
    idle: Idle,
) -> Result<Box<dyn Station>> {
    with_form!(case, attach_formed(case, left, idle))
}

fn attach_formed<R: Ring<WORDS>, const WORDS: usize, const BLOCKING: bool, const FENCED: bool>(
    case: Case,
    mut left: Left,
    idle: Idle,
) -> Result<Box<dyn Station>> {
    let sender = R::push::<BLOCKING, FENCED>(&options(left.descriptor()?, case), idle.clone())?;
    let receiver = || R::pop::<BLOCKING>(&options(left.descriptor()?, case), idle.clone());
    second(case, sender, receiver, idle.clone())
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::super::stream::Stream;
    use super::*;
    use crate::bench::plan::{Test, Transport};

    /// How far the ring of the answers is ahead in its page, of elements of so many words.
    fn stream_ahead<const WORDS: usize>() -> usize {
        let options = <Stream as Ring<WORDS>>::ahead(Options::anonymous().capacity(65_536), AHEAD);
        let producer = options.stream_producer::<[u64; WORDS]>().unwrap();
        producer.first_position() as usize * WORDS * 8 % 4096
    }

    #[test]
    fn an_element_and_its_answer_never_lie_at_the_same_place_of_a_page() {
        let ahead = [stream_ahead::<1>(), stream_ahead::<8>(), stream_ahead::<16>(), stream_ahead::<32>()];
        assert_eq!(ahead, [2240, 2240, 2176, 2048]);
        assert_eq!([stream_ahead::<128>(), stream_ahead::<256>()], [2048, 2048]);
    }

    #[test]
    fn a_message_and_its_answer_never_lie_at_the_same_place_of_a_page() {
        for align in [8, 16, 32, 64] {
            let (test, transport, wait) = (Test::Rtt, Transport::Message, Wait::Spin);
            let case = Case { test, bytes: 8, transport, align, wait, fenced: false, rings: 0, rate: None };
            let options = <Message as Ring<1>>::sized(Options::anonymous(), case);
            let producer = <Message as Ring<1>>::ahead(options, AHEAD).message_producer().unwrap();
            assert_eq!(producer.first_position() % 4096, 2240);
        }
    }
}
