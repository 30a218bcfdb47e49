//! The judgement of what a process has left in a ring, by the journal that it kept.

use super::finding::{Fault, Finding, is_before};
use super::plan::Side;

/// Where a killed process has left its position, and what it had noted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) position: u64,
    pub(crate) start: u64,
    pub(crate) done: u64,
    pub(crate) reach: u64,
}

impl Left {
    /// Judges the tail that a producer has left.
    pub(crate) fn judge_tail(self) -> Result<(), Finding> {
        let Left { position: tail, done, reach, .. } = self;
        if is_before(tail, done) {
            let text = format!("what lies from {tail} to {done} is lost, though its pushes had returned");
            return Err(Finding::new(Fault::Lost, text));
        }
        if is_before(reach, tail) {
            return Err(Finding::new(Fault::Invented, format!("what lies from {reach} to {tail} was never pushed")));
        }
        Ok(())
    }

    /// Judges the head that a consumer has left. `count` counts what lies between two positions.
    pub(crate) fn judge_head(self, count: impl FnOnce(u64, u64) -> Result<u64, Finding>) -> Result<(), Finding> {
        let Left { position: head, start, done, reach } = self;
        if is_before(head, start) {
            return Err(Finding::new(Fault::Repeated, format!("the head went back from {start} to {head}")));
        }
        if is_before(reach, head) {
            return Err(Finding::new(Fault::Lost, format!("what lies from {reach} to {head} was never read")));
        }
        if is_before(head, done) {
            let again = count(head, done)?;
            let text = format!("{again} come again, from {head} to {done}, though they had been received");
            return Err(Finding::new(Fault::Repeated, text));
        }
        Ok(())
    }
}

/// Returns what it means that a side stands somewhere else than it should: before that, or beyond.
pub(crate) fn misplaced(side: Side, is_before: bool) -> Fault {
    match (side, is_before) {
        (Side::Producer, true) | (Side::Consumer, false) => Fault::Lost,
        (Side::Producer, false) => Fault::Invented,
        (Side::Consumer, true) => Fault::Repeated,
    }
}
