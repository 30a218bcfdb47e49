//! ringmain's stream ring in place, where each end trusts the other process to keep to the protocol.

#![allow(unsafe_code, reason = "the promise that the view of a trusted peer rests on")]

use std::error::Error;

use ringmain::Trusted;
use ringmain::stream::{self, Claim, Producer};

use super::ringmain_stream::Stream;
use crate::processes::Processes;
use crate::values::{self, Value};
use crate::work::{self, BATCH, Work};

pub(crate) enum TrustedStream {}

/// Both ends.
pub(crate) struct Sender<const WORDS: usize>(Producer<Value<WORDS>>);
pub(crate) struct Receiver<const WORDS: usize>(stream::Consumer<Value<WORDS>>);

impl Processes for TrustedStream {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        Ok(Sender(Stream::create(name, work)?))
    }

    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        Ok(Receiver(Stream::attach(name, work)?))
    }
}

impl<const WORDS: usize> Sender<WORDS> {
    #[inline(always)]
    fn view(&mut self) -> Trusted<&mut Producer<Value<WORDS>>> {
        // SAFETY: this program runs both ends, over this crate, and nobody else has the segment open.
        unsafe { self.0.trust_peer() }
    }

    #[inline(always)]
    fn push_many(&mut self, count: usize, fill: impl FnOnce(&mut Trusted<Claim<'_, Value<WORDS>>>)) -> Option<()> {
        let mut view = self.view();
        let mut claim = view.claim_contiguous(count).ok()?;
        if claim.len() < count {
            return None;
        }
        fill(&mut claim);
        claim.commit();
        Some(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> {
    #[inline(always)]
    fn view(&mut self) -> Trusted<&mut stream::Consumer<Value<WORDS>>> {
        // SAFETY: this program runs both ends, over this crate, and nobody else has the segment open.
        unsafe { self.0.trust_peer() }
    }

    #[inline(always)]
    fn pop_many(&mut self, count: usize) -> Option<u64> {
        let mut view = self.view();
        let peek = view.peek_contiguous(count).ok()?;
        if peek.len() < count {
            return None;
        }
        let sum = peek.iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value)));
        peek.release();
        Some(sum)
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        self.push_many(1, |claim| claim[0] = values::of_number(number))
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        self.push_many(BATCH, |claim| {
            claim.fill_from((first..first + BATCH as u64).map(values::of_number));
        })
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        self.pop_many(1)
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        self.pop_many(BATCH)
    }
}
