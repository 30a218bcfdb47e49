//! How a side of a transport waits when it has nothing to do.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a transport's waiting side waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wait {
    /// It keeps its processor busy: all are tried again and again, and never block
    Spin,
    /// A ring's own waiting calls spin, and never sleep; what is in the kernel never blocks
    Busy,
    /// A ring spins for about as long as a wake takes, then sleeps; what is in the kernel blocks
    Adaptive,
    /// A ring sleeps at once; what is in the kernel blocks
    Park,
    /// It sleeps in a blocking call of the kernel.
    #[value(skip)]
    Sleep,
    /// There is nothing to wait for.
    #[value(skip)]
    Never,
}

impl Wait {
    /// What it means for pipes, sockets, queues and eventfds.
    pub(crate) fn in_the_kernel(self) -> Wait {
        match self {
            Self::Adaptive | Self::Park => Self::Sleep,
            Self::Busy => Self::Spin,
            wait => wait,
        }
    }

    /// The ways to spin with which this one is compared, the most alike first.
    pub(crate) fn spinning(self) -> &'static [Wait] {
        match self {
            Self::Spin | Self::Busy => &[Self::Spin],
            _ => &[Self::Busy, Self::Spin],
        }
    }

    /// The ways in which a reference may wait, from the most alike to the least: sleepers are like sleepers.
    pub(crate) fn alike(self) -> [Wait; 5] {
        match self {
            Self::Spin | Self::Never => [Self::Spin, Self::Busy, Self::Adaptive, Self::Park, Self::Sleep],
            Self::Busy => [Self::Busy, Self::Spin, Self::Adaptive, Self::Park, Self::Sleep],
            Self::Adaptive => [Self::Adaptive, Self::Sleep, Self::Park, Self::Busy, Self::Spin],
            Self::Park => [Self::Park, Self::Sleep, Self::Adaptive, Self::Busy, Self::Spin],
            Self::Sleep => [Self::Sleep, Self::Adaptive, Self::Park, Self::Busy, Self::Spin],
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Spin => "spin",
            Self::Busy => "busy",
            Self::Adaptive => "adaptive",
            Self::Park => "park",
            Self::Sleep => "sleep",
            Self::Never => "never",
        })
    }
}
