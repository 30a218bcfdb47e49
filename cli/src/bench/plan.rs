//! What is measured: transports, tests, sizes, and the order of a round.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::{Deserialize, Serialize};

use super::wait::Wait;
use crate::usage::UsageError;

/// A way from one process to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    /// Bare atomics on cache lines of their own: the machine's limit, the reference of rtt and throughput
    CacheLine,
    /// Bare cache lines, a fresh one for each message: the limit of whatever does not stay on a line; rtt only
    CacheLines,
    /// One process that copies each message in and out of as much memory as a ring has
    Memcpy,
    /// The bench's own work on each message, which nothing carries: part of all other figures. Only if named
    OwnWork,
    /// A ring of elements
    Stream,
    /// A ring of messages
    Message,
    /// Slots in shared memory, each message announced through an eventfd
    Eventfd,
    /// Pipes
    Pipe,
    /// Named pipes
    Fifo,
    /// A pair of connected unix sockets
    UnixStream,
    /// The same, of the kind that keeps messages apart
    UnixSeqpacket,
    /// A TCP connection over the loopback interface, with TCP_NODELAY
    Tcp,
    /// POSIX message queues
    PosixMq,
}

impl Transport {
    /// Whether it takes messages from one process to the other that are long enough for a time.
    pub(crate) fn carries_a_time(self) -> bool {
        !self.is_bare() && !matches!(self, Self::Memcpy | Self::OwnWork)
    }

    /// Whether it is bare lines, which carry one word.
    pub(crate) fn is_bare(self) -> bool {
        matches!(self, Self::CacheLine | Self::CacheLines)
    }

    /// Whether it is measured where the user names none.
    pub(crate) fn is_usual(self) -> bool {
        self != Self::OwnWork
    }

    pub(crate) fn is_ring(self) -> bool {
        matches!(self, Self::Stream | Self::Message)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(*self, formatter)
    }
}

/// Writes a name as the command line has it.
fn pad(value: impl ValueEnum, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = value.to_possible_value();
    formatter.pad(value.as_ref().map_or("", PossibleValue::get_name))
}

/// What is measured about a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Test {
    /// Time of a message there and one back, with nothing else under way
    Rtt,
    /// Messages per second in one direction, one message per call
    Throughput,
    /// Time of a message there and one back, each over another one of many rings, at all of which a set sleeps; beside
    /// one ring at which its ends sleep. Rings only
    Waitset,
    /// Times of messages in one direction that are sent at a fixed rate, and the processor time of both sides
    Paced,
    /// Processor time of a consumer to which nothing comes
    Idle,
}

impl Test {
    /// Whether it takes turns with others in rounds, so that ratios can be taken; else it is measured once.
    pub(crate) fn is_in_rounds(self) -> bool {
        matches!(self, Self::Rtt | Self::Throughput | Self::Waitset)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        pad(*self, formatter)
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
    pub(crate) wait: Wait,
    /// Whether a ring's sender makes a fence after each message, which the ring itself does not need.
    pub(crate) fenced: bool,
    /// Over how many rings each way, in `waitset`: 0 where no set waits.
    pub(crate) rings: usize,
    /// Messages per second, where they are paced. In `idle`, the first message ends the wait.
    pub(crate) rate: Option<u64>,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, bytes, transport, wait, .. } = self;
        let fenced = if self.fenced { ", fenced" } else { "" };
        let rings = if self.rings > 0 { format!(", a set of {}", self.rings) } else { String::new() };
        write!(formatter, "{test} of {bytes} bytes over {transport} ({wait}{fenced}{rings})")?;
        match (test, self.rate) {
            (Test::Paced, Some(rate)) => write!(formatter, " at {rate}/s"),
            _ => Ok(()),
        }
    }
}

/// All of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of a round.
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
    /// How long one measurement of a round shall take.
    pub(crate) duration: Duration,
    /// Those of `paced` and `idle`, which are measured once.
    pub(crate) paced: Vec<Case>,
    /// How long a paced measurement shall take, and how many messages it has at least.
    pub(crate) paced_duration: Duration,
    pub(crate) fewest: u64,
    /// The processors of the two processes, where the user names them.
    pub(crate) processors: Option<[usize; 2]>,
}

/// What the user wants to be measured.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) tests: &'a [Test],
    /// None named: those of each test.
    pub(crate) sizes: Option<&'a [usize]>,
    /// Those of the tests in rounds, where none are named.
    pub(crate) sizes_in_rounds: &'a [usize],
    pub(crate) transports: &'a [Transport],
    /// None named: those of each test and transport.
    pub(crate) waits: Option<&'a [Wait]>,
    pub(crate) rates: &'a [u64],
    pub(crate) align: usize,
    pub(crate) fenced: bool,
    /// How many rings there are each way in `waitset`.
    pub(crate) rings: &'a [usize],
    /// How many waits a second would have in `idle`.
    pub(crate) idle_rate: u64,
}

/// The one size outside of rounds where the user names none, and the one that reports show first.
pub(crate) const USUAL_SIZE: usize = 64;
/// The shortest message that has a time in it and something else.
const SHORTEST_WITH_A_TIME: usize = 16;

impl Choice<'_> {
    /// The cases of a round: test after test, size after size, and all transports next to one another.
    ///
    /// `cache-line` is the reference of every ratio and therefore always there. It carries one word, as `cache-lines`
    /// does, so either stands once in each test, before the sizes.
    pub(crate) fn in_rounds(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for test in self.tests(|test| test.is_in_rounds()) {
            if test == Test::Waitset {
                cases.extend(self.at_rings());
                continue;
            }
            cases.extend(self.of(test, 8, Transport::CacheLine));
            if self.transports.contains(&Transport::CacheLines) {
                cases.extend(self.of(test, 8, Transport::CacheLines));
            }
            for bytes in sorted(self.sizes.unwrap_or(self.sizes_in_rounds)) {
                for transport in sorted(self.transports) {
                    if !transport.is_bare() {
                        cases.extend(self.of(test, bytes, transport));
                    }
                }
            }
        }
        cases
    }

    /// The cases of `waitset`, of one size, since it is about the wake: one ring alone, and then sets.
    fn at_rings(&self) -> Vec<Case> {
        let rings = self.transports.iter().copied().filter(|transport| transport.is_ring()).collect::<Vec<_>>();
        let cases = sorted(&rings).into_iter().flat_map(|transport| self.of(Test::Waitset, USUAL_SIZE, transport));
        let numbers = [vec![0], sorted(self.rings)].concat();
        cases
            .flat_map(|case| numbers.iter().map(move |rings| Case { rings: *rings, ..case }).collect::<Vec<_>>())
            .collect()
    }

    /// The cases that are measured once: those of `paced` rate after rate and size after size, then those of `idle`.
    ///
    /// # Errors
    /// - there is a test, but no transport or no size for it
    pub(crate) fn once(&self) -> Result<Vec<Case>> {
        let transports: Vec<Transport> =
            sorted(self.transports).into_iter().filter(|one| one.carries_a_time()).collect();
        let mut cases = Vec::new();
        for test in self.tests(|test| !test.is_in_rounds()) {
            let (rates, sizes) = match test {
                Test::Idle => (vec![self.idle_rate], vec![USUAL_SIZE]),
                _ => (sorted(self.rates), sorted(self.sizes.unwrap_or(&[USUAL_SIZE]))),
            };
            let sizes: Vec<usize> = sizes.into_iter().filter(|bytes| *bytes >= SHORTEST_WITH_A_TIME).collect();
            if transports.is_empty() {
                return Err(UsageError(format!(
                    "--test {test}: none of the transports carries messages with a time; name stream, message, pipe \
                     or another one"
                ))
                .into());
            }
            if sizes.is_empty() {
                return Err(UsageError(format!(
                    "--test {test}: all sizes are below {SHORTEST_WITH_A_TIME} bytes, which a message with a time \
                     needs; name a larger one"
                ))
                .into());
            }
            for rate in rates {
                for bytes in &sizes {
                    for transport in &transports {
                        let paced = |case| Case { rate: Some(rate), ..case };
                        cases.extend(self.of(test, *bytes, *transport).into_iter().map(paced));
                    }
                }
            }
        }
        Ok(cases)
    }

    fn tests(&self, wanted: impl Fn(Test) -> bool) -> Vec<Test> {
        sorted(self.tests).into_iter().filter(|test| wanted(*test)).collect()
    }

    /// One transport, once for each way to wait, and once more with fences where these are asked for.
    fn of(&self, test: Test, bytes: usize, transport: Transport) -> Vec<Case> {
        let mut cases = Vec::new();
        for wait in waits(transport, test, self.waits) {
            let case = Case { test, bytes, transport, align: self.align, wait, fenced: false, rings: 0, rate: None };
            cases.push(case);
            if self.fenced && transport.is_ring() && test.is_in_rounds() && wait != Wait::Park {
                cases.push(Case { fenced: true, ..case });
            }
        }
        cases
    }
}

/// All ways to wait that are cases of a transport in a test, if the user asked for these or for none.
pub(crate) fn waits(transport: Transport, test: Test, asked: Option<&[Wait]>) -> Vec<Wait> {
    let unasked: &[Wait] = match (transport.is_ring(), test) {
        (true, Test::Idle) => &[Wait::Spin, Wait::Adaptive, Wait::Park],
        (true, Test::Paced) => &[Wait::Spin, Wait::Adaptive],
        (true, Test::Waitset) => &[Wait::Park],
        (true, _) => &[Wait::Spin],
        (false, Test::Idle) => &[Wait::Spin, Wait::Sleep],
        (false, _) => &[Wait::Sleep],
    };
    let waits = asked.unwrap_or(unasked);
    match transport {
        Transport::CacheLines if test != Test::Rtt => Vec::new(),
        Transport::CacheLine | Transport::CacheLines => vec![Wait::Spin],
        Transport::Memcpy | Transport::OwnWork => vec![Wait::Never],
        // Ends that poll by themselves do not wait at a set.
        Transport::Stream | Transport::Message if test == Test::Waitset => {
            sorted(waits).into_iter().filter(|wait| *wait != Wait::Spin).collect()
        }
        Transport::Stream | Transport::Message => sorted(waits),
        _ => sorted(&waits.iter().map(|wait| wait.in_the_kernel()).collect::<Vec<_>>()),
    }
}

fn sorted<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICE: Choice<'static> = Choice {
        tests: &[Test::Throughput, Test::Rtt],
        sizes: Some(&[64, 8, 64]),
        sizes_in_rounds: &[8],
        transports: &[Transport::Pipe, Transport::Stream],
        waits: None,
        rates: &[100, 1],
        align: 64,
        fenced: false,
        rings: &[8, 1],
        idle_rate: 1,
    };

    #[test]
    fn a_round_holds_the_cache_line_once_per_test_even_if_unnamed() {
        let described: Vec<(Test, usize, Transport)> =
            CHOICE.in_rounds().iter().map(|case| (case.test, case.bytes, case.transport)).collect();
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
        assert!(CHOICE.once().unwrap().is_empty());
    }

    #[test]
    fn a_round_holds_fresh_cache_lines_once_in_rtt_alone_and_only_if_named() {
        let choice = Choice { transports: &[Transport::Stream, Transport::CacheLines, Transport::CacheLine], ..CHOICE };
        let of = |cases: Vec<Case>| {
            let bare = cases.into_iter().filter(|case| case.transport.is_bare());
            bare.map(|case| (case.test, case.bytes, case.transport)).collect::<Vec<_>>()
        };
        let reference = |test| (test, 8, Transport::CacheLine);
        let lines = (Test::Rtt, 8, Transport::CacheLines);
        assert_eq!(of(choice.in_rounds()), [reference(Test::Rtt), lines, reference(Test::Throughput)]);
        assert_eq!(of(CHOICE.in_rounds()), [Test::Rtt, Test::Throughput].map(reference));
    }

    #[test]
    fn a_set_is_measured_beside_one_ring_and_waits_by_calls() {
        let waits = [Wait::Spin, Wait::Park];
        let choice = Choice { tests: &[Test::Waitset], waits: Some(&waits), ..CHOICE };
        let described: Vec<_> =
            choice.in_rounds().iter().map(|case| (case.transport, case.wait, case.bytes, case.rings)).collect();
        assert_eq!(described, [0, 1, 8].map(|rings| (Transport::Stream, Wait::Park, 64, rings)));
    }

    #[test]
    fn each_way_to_wait_is_a_case_and_so_is_each_with_fences() {
        let waits = [Wait::Park, Wait::Spin, Wait::Adaptive];
        let choice = Choice { tests: &[Test::Rtt], sizes: Some(&[8]), waits: Some(&waits), fenced: true, ..CHOICE };
        let described: Vec<(Transport, Wait, bool)> =
            choice.in_rounds().iter().map(|case| (case.transport, case.wait, case.fenced)).collect();
        let expected = [
            (Transport::CacheLine, Wait::Spin, false),
            (Transport::Stream, Wait::Spin, false),
            (Transport::Stream, Wait::Spin, true),
            (Transport::Stream, Wait::Adaptive, false),
            (Transport::Stream, Wait::Adaptive, true),
            (Transport::Stream, Wait::Park, false),
            (Transport::Pipe, Wait::Spin, false),
            (Transport::Pipe, Wait::Sleep, false),
        ];
        assert_eq!(described, expected);
    }

    #[test]
    fn a_paced_case_is_a_rate_of_messages_that_hold_a_time() {
        let choice =
            Choice { tests: &[Test::Idle, Test::Paced], transports: &[Transport::Stream, Transport::Memcpy], ..CHOICE };
        let described: Vec<(Test, usize, Option<u64>)> =
            choice.once().unwrap().iter().map(|case| (case.test, case.bytes, case.rate)).collect();
        let (idle, paced) = ((Test::Idle, 64, Some(1)), |rate| [(Test::Paced, 64, Some(rate)); 2]);
        assert_eq!(described, [&paced(1)[..], &paced(100), &[idle; 3]].concat());
        assert!(choice.in_rounds().is_empty());
    }

    #[test]
    fn a_transport_has_one_name() {
        for transport in Transport::value_variants() {
            assert_eq!(serde_json::to_value(transport).unwrap(), transport.to_string());
        }
    }

    #[test]
    fn unless_asked_otherwise_rings_spin_and_the_kernel_sleeps() {
        assert_eq!(waits(Transport::Message, Test::Rtt, None), [Wait::Spin]);
        assert_eq!(waits(Transport::Pipe, Test::Rtt, None), [Wait::Sleep]);
        assert_eq!(waits(Transport::Message, Test::Paced, None), [Wait::Spin, Wait::Adaptive]);
        assert_eq!(waits(Transport::Tcp, Test::Paced, None), [Wait::Sleep]);
    }

    #[test]
    fn idle_has_all_ways_to_wait() {
        assert_eq!(waits(Transport::Stream, Test::Idle, None), [Wait::Spin, Wait::Adaptive, Wait::Park]);
        assert_eq!(waits(Transport::Pipe, Test::Idle, None), [Wait::Spin, Wait::Sleep]);
    }

    #[test]
    fn in_the_kernel_there_is_one_sleep() {
        let asked = [Wait::Park, Wait::Adaptive, Wait::Park];
        assert_eq!(waits(Transport::Stream, Test::Rtt, Some(&asked)), [Wait::Adaptive, Wait::Park]);
        assert_eq!(waits(Transport::UnixStream, Test::Rtt, Some(&asked)), [Wait::Sleep]);
        assert_eq!(waits(Transport::Memcpy, Test::Rtt, Some(&asked)), [Wait::Never]);
        assert_eq!(waits(Transport::OwnWork, Test::Rtt, Some(&asked)), [Wait::Never]);
    }

    #[track_caller]
    fn check_refused(choice: &Choice<'_>, part: &str) {
        let error = choice.once().unwrap_err();
        assert!(error.is::<UsageError>());
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn a_test_without_a_case_is_refused() {
        let choice = Choice { tests: &[Test::Paced], ..CHOICE };
        check_refused(&Choice { sizes: Some(&[8]), ..choice }, "below 16 bytes");
        let choice = Choice { tests: &[Test::Idle], ..CHOICE };
        check_refused(&Choice { transports: &[Transport::CacheLine], ..choice }, "name stream");
    }
}
