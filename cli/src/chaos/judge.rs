//! The judgement of what a killed process has left in a ring, by the journal that it kept.

use super::content::{Finding, is_before};
use super::journal::{Entry, Fault};
use super::plan::{Kind, Side};
use super::ring::Ring;

impl Ring<'_> {
    /// Judges the tail that a killed producer has left.
    pub(super) fn judge_tail(&mut self) -> Result<(), Finding> {
        let (tail, done) = (self.position(Side::Producer)?, self.note(Side::Producer, Entry::Done));
        let reach = self.note(Side::Producer, Entry::Reach);
        if is_before(tail, done) {
            let text = format!("what lies from {tail} to {done} is lost, though its pushes had returned");
            return Err(Finding::new(Fault::Lost, text));
        }
        if is_before(reach, tail) {
            return Err(Finding::new(Fault::Invented, format!("what lies from {reach} to {tail} was never pushed")));
        }
        // The stored tail of a message ring may lack what the last call has made visible.
        self.expected[Side::Producer as usize] = (tail, if self.life.kind == Kind::Stream { tail } else { reach });
        Ok(())
    }

    /// Judges the head that a killed consumer has left.
    pub(super) fn judge_head(&mut self) -> Result<(), Finding> {
        let (head, start) = (self.position(Side::Consumer)?, self.note(Side::Consumer, Entry::Start));
        let (done, reach) = (self.note(Side::Consumer, Entry::Done), self.note(Side::Consumer, Entry::Reach));
        if is_before(head, start) {
            return Err(Finding::new(Fault::Repeated, format!("the head went back from {start} to {head}")));
        }
        if is_before(reach, head) {
            return Err(Finding::new(Fault::Lost, format!("what lies from {reach} to {head} was never read")));
        }
        let (again, bound) = (if is_before(head, done) { self.count(head, done)? } else { 0 }, self.bound());
        let bytes = if again > 0 { done.wrapping_sub(head) } else { 0 };
        let too_many_bytes = self.life.kind == Kind::Message && bytes >= self.life.capacity as u64 / 4;
        if again > bound || too_many_bytes {
            let text = format!("{again} come again, from {head} to {done}: {bound} at most should");
            return Err(Finding::new(Fault::Repeated, text));
        }
        self.shared.count(|totals| totals.repeated(self.life.kind, again, bound));
        self.expected[Side::Consumer as usize] = (head, head);
        Ok(())
    }

    /// Returns how many elements or messages, whose pops had returned, may come again after a kill.
    fn bound(&self) -> u64 {
        let every = self.life.publish_every as u64;
        match self.life.kind {
            Kind::Stream => every.min(self.life.capacity as u64 / 4).max(1),
            // The one that it was killed in has not returned.
            Kind::Message => every - 1,
        }
    }

    /// Counts the elements or messages from one position to another.
    pub(super) fn count(&self, from: u64, to: u64) -> Result<u64, Finding> {
        match self.life.kind {
            Kind::Stream => Ok(to.wrapping_sub(from)),
            Kind::Message => self.messages.count(from, to).ok_or_else(|| {
                Finding::new(Fault::Torn, format!("no message that follows the one at {from} starts at {to}"))
            }),
        }
    }
}
