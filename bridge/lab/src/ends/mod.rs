//! The programs at both ends of a bridged pair of rings: the workers of `ringmain chaos`, which note what they do and
//! know by its position what must come. Positions of both rings are the same numbers, so one journal serves both.

#![allow(dead_code, unused_imports, reason = "the command uses more of these files")]

#[path = "../../../../cli/src/chaos/content.rs"]
pub(crate) mod content;
#[path = "../../../../cli/src/chaos/finding.rs"]
pub(crate) mod finding;
#[path = "../../../../cli/src/chaos/job.rs"]
pub(crate) mod job;
#[path = "../../../../cli/src/chaos/journal.rs"]
pub(crate) mod journal;
#[path = "../../../../cli/src/chaos/judge.rs"]
pub(crate) mod judge;
#[path = "../../../../cli/src/chaos/keeper.rs"]
pub(crate) mod keeper;
#[path = "../../../../cli/src/chaos/message.rs"]
mod message;
#[path = "../../../../cli/src/chaos/plan.rs"]
pub(crate) mod plan;
#[path = "../../../../cli/src/chaos/segment.rs"]
pub(crate) mod segment;
#[path = "../../../../cli/src/chaos/stream.rs"]
mod stream;
#[path = "../../../../cli/src/chaos/work.rs"]
mod work;
#[path = "../../../../cli/src/chaos/worker.rs"]
mod worker;

/// Returns what this program does under a name by which chaos starts it again: it serves as one end of a ring, or
/// removes the names of rings when all that use them have ended.
#[must_use]
pub fn part(name: &str) -> Option<fn() -> anyhow::Result<()>> {
    match name {
        job::NAME => Some(worker::run),
        keeper::NAME => Some(keeper::run),
        _ => None,
    }
}
