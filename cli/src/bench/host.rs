//! The machine that the figures belong to.

use std::fs;

use ringmain_measure::{SameCore, cpuinfo, now};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// Where and when a run took place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Host {
    /// The model's name, or "unknown".
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// The processors of the two processes.
    pub(crate) cpus: [usize; 2],
    pub(crate) same_core: SameCore,
    pub(crate) limits: Limits,
    /// UTC, like `2025-01-31T12:00:00Z`.
    pub(crate) date: String,
}

impl Host {
    pub(crate) fn read(processors: [usize; 2]) -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            processor: model().unwrap_or_else(|| "unknown".to_owned()),
            kernel: [uname.sysname(), uname.release(), uname.machine()].map(text).join(" "),
            cpus: processors,
            same_core: SameCore::of(processors),
            limits: Limits::read(processors),
            date: now(),
        }
    }
}

/// The processor's name, or that of the board if processors have none.
fn model() -> Option<String> {
    let board = || fs::read_to_string("/sys/firmware/devicetree/base/model").ok();
    cpuinfo("model name").into_iter().next().or_else(|| Some(board()?.trim_end_matches('\0').to_owned()))
}
