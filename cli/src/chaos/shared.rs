//! What all lanes of a run share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::keeper::Keeper;
use super::plan::Plant;
use super::report::Totals;
use crate::output::check_reader;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) totals: Mutex<Totals>,
    pub(crate) keeper: Keeper,
    /// Set when a lane has failed: the other one stops.
    pub(crate) failed: AtomicBool,
    pub(crate) deadline: Instant,
    /// How long anything that must happen may take.
    pub(crate) patience: Duration,
    pub(crate) plant: Option<Plant>,
}

impl Shared {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Totals)) {
        // Nothing panics while it is locked.
        change(&mut self.totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.has_failed() || Instant::now() >= self.deadline || check_reader().is_err()
    }
}
