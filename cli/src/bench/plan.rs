//! What is measured: transports, tests, sizes, and the order of a round.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A way from one process to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    /// Bare atomics on cache lines of their own: the machine's limit, always measured
    CacheLine,
    /// One process that copies each message in and out of as much memory as a ring has
    Memcpy,
    /// A ring of elements
    Stream,
    /// A ring of messages
    Message,
    /// Pipes with blocking calls
    Pipe,
    /// A pair of connected unix sockets with blocking calls
    UnixStream,
    /// The same, of the kind that keeps messages apart
    UnixSeqpacket,
}

impl Transport {
    /// How a side that has nothing to do waits.
    pub(crate) fn wait(self) -> Wait {
        match self {
            Self::CacheLine | Self::Stream | Self::Message => Wait::Spin,
            Self::Memcpy => Wait::Never,
            Self::Pipe | Self::UnixStream | Self::UnixSeqpacket => Wait::Sleep,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::CacheLine => "cache-line",
            Self::Memcpy => "memcpy",
            Self::Stream => "stream",
            Self::Message => "message",
            Self::Pipe => "pipe",
            Self::UnixStream => "unix-stream",
            Self::UnixSeqpacket => "unix-seqpacket",
        })
    }
}

/// How a transport's waiting side waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wait {
    /// It keeps its processor busy.
    Spin,
    /// It sleeps in the kernel.
    Sleep,
    /// There is nothing to wait for.
    Never,
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Spin => "spin",
            Self::Sleep => "sleep",
            Self::Never => "never",
        })
    }
}

/// What is measured about a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Test {
    /// Time of a message there and one back, with nothing else under way
    Rtt,
    /// Messages per second in one direction, one message per call
    Throughput,
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Rtt => "rtt",
            Self::Throughput => "throughput",
        })
    }
}

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) test: Test,
    /// The length of a message.
    pub(crate) bytes: usize,
    pub(crate) transport: Transport,
    /// Where the records of a message ring start: at multiples of this number of bytes.
    pub(crate) align: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, bytes, transport, .. } = self;
        write!(formatter, "{test} of {bytes} bytes over {transport}")
    }
}

/// The lengths of a message that there are: powers of two, since each is compiled on its own.
pub(crate) const SIZES: [usize; 14] = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// All of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of a round.
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
    /// How long one measurement shall take.
    pub(crate) duration: Duration,
    /// The processors of the two processes, where the user names them.
    pub(crate) processors: Option<(usize, usize)>,
}

/// The cases of a round: test after test, size after size, and all transports next to one another.
///
/// `cache-line` is the reference of every ratio and therefore always there. It carries one word, so it stands once in
/// each test, before the sizes.
pub(crate) fn cases(tests: &[Test], sizes: &[usize], transports: &[Transport], align: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for test in sorted(tests) {
        cases.push(Case { test, bytes: 8, transport: Transport::CacheLine, align });
        for bytes in sorted(sizes) {
            for transport in sorted(transports) {
                if transport != Transport::CacheLine {
                    cases.push(Case { test, bytes, transport, align });
                }
            }
        }
    }
    cases
}

fn sorted<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

/// Reads a `--size`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<usize>().ok();
    size.filter(|size| SIZES.contains(size)).ok_or_else(|| {
        let supported: Vec<String> = SIZES.iter().map(usize::to_string).collect();
        format!("expected a number of bytes, one of {}", supported.join(", "))
    })
}

/// Where the records of a message ring can start.
const ALIGNMENTS: [usize; 4] = [8, 16, 32, 64];

/// Reads `--align`.
pub(crate) fn parse_align(text: &str) -> Result<usize, String> {
    let align = text.parse::<usize>().ok();
    align.filter(|align| ALIGNMENTS.contains(align)).ok_or_else(|| "expected 8, 16, 32 or 64".to_owned())
}

/// Reads `--cpus`.
pub(crate) fn parse_processors(text: &str) -> Result<(usize, usize), String> {
    text.split_once(',')
        .and_then(|(first, second)| Some((first.parse().ok()?, second.parse().ok()?)))
        .ok_or_else(|| "expected the numbers of two processors with a comma between, like 0,1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_from_8_to_65536() {
        for size in SIZES {
            assert_eq!(parse_size(&size.to_string()), Ok(size));
        }
        for text in ["0", "4", "12", "131072", "-8", "8k", "", "18446744073709551616"] {
            let error = parse_size(text).unwrap_err();
            assert!(error.contains("8, 16, 32"), "{text}: {error}");
        }
    }

    #[test]
    fn processors_are_two_numbers() {
        assert_eq!(parse_processors("0,1"), Ok((0, 1)));
        assert_eq!(parse_processors("12,3"), Ok((12, 3)));
        for text in ["", "0", "0,", "0,1,2", "a,b", "0 1", "-1,0"] {
            assert!(parse_processors(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_round_holds_the_cache_line_once_per_test_even_if_unnamed() {
        let cases = cases(&[Test::Throughput, Test::Rtt], &[64, 8, 64], &[Transport::Pipe, Transport::Stream], 64);
        let described: Vec<(Test, usize, Transport)> =
            cases.iter().map(|case| (case.test, case.bytes, case.transport)).collect();
        let of = |test| {
            [
                (test, 8, Transport::CacheLine),
                (test, 8, Transport::Stream),
                (test, 8, Transport::Pipe),
                (test, 64, Transport::Stream),
                (test, 64, Transport::Pipe),
            ]
        };
        assert_eq!(described, [of(Test::Rtt), of(Test::Throughput)].concat());
    }
}
