//! How a side of a transport waits when it has nothing to do.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::plan::{Test, Transport};

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
    /// All ways to wait that are cases of a transport in a test, where the user asked for these or for none.
    pub(crate) fn of(transport: Transport, test: Test, asked: Option<&[Wait]>) -> Vec<Wait> {
        let unasked: &[Wait] = match (transport.is_ring(), test) {
            (true, Test::Idle) => &[Self::Spin, Self::Adaptive, Self::Park],
            (true, Test::Paced) => &[Self::Spin, Self::Adaptive],
            (true, _) => &[Self::Spin],
            (false, Test::Idle) => &[Self::Spin, Self::Sleep],
            (false, _) => &[Self::Sleep],
        };
        let waits = asked.unwrap_or(unasked);
        let mut waits = match transport {
            Transport::CacheLine => vec![Self::Spin],
            Transport::Memcpy => vec![Self::Never],
            Transport::Stream | Transport::Message => waits.to_vec(),
            _ => waits.iter().map(|wait| wait.in_the_kernel()).collect(),
        };
        waits.sort_unstable();
        waits.dedup();
        waits
    }

    /// What it means for pipes, sockets, queues and eventfds.
    fn in_the_kernel(self) -> Wait {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unless_asked_otherwise_rings_spin_and_the_kernel_sleeps() {
        assert_eq!(Wait::of(Transport::Message, Test::Rtt, None), [Wait::Spin]);
        assert_eq!(Wait::of(Transport::Pipe, Test::Rtt, None), [Wait::Sleep]);
        assert_eq!(Wait::of(Transport::Message, Test::Paced, None), [Wait::Spin, Wait::Adaptive]);
        assert_eq!(Wait::of(Transport::Tcp, Test::Paced, None), [Wait::Sleep]);
    }

    #[test]
    fn idle_has_all_of_them() {
        assert_eq!(Wait::of(Transport::Stream, Test::Idle, None), [Wait::Spin, Wait::Adaptive, Wait::Park]);
        assert_eq!(Wait::of(Transport::Pipe, Test::Idle, None), [Wait::Spin, Wait::Sleep]);
    }

    #[test]
    fn in_the_kernel_there_is_one_sleep() {
        let asked = [Wait::Park, Wait::Adaptive, Wait::Park];
        assert_eq!(Wait::of(Transport::Stream, Test::Rtt, Some(&asked)), [Wait::Adaptive, Wait::Park]);
        assert_eq!(Wait::of(Transport::UnixStream, Test::Rtt, Some(&asked)), [Wait::Sleep]);
        assert_eq!(Wait::of(Transport::Memcpy, Test::Rtt, Some(&asked)), [Wait::Never]);
    }
}
