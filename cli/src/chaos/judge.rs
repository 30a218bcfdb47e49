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
        if is_before(head, done) {
            let again = self.count(head, done)?;
            let text = format!("{again} come again, from {head} to {done}, though they had been received");
            return Err(Finding::new(Fault::Repeated, text));
        }
        self.expected[Side::Consumer as usize] = (head, head);
        Ok(())
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
