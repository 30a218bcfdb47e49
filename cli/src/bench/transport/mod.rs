//! The transports: one file each, all alike from outside.
//!
//! Each has a `create`, which this process calls and which makes the station that keeps the time, and an `attach`,
//! which the peer calls with what `create` left for it.

mod cache_line;
mod cache_lines;
mod descriptor;
mod eventfd;
mod fifo;
mod memcpy;
mod message;
mod own_work;
mod posix_mq;
mod ring;
mod set;
mod side;
mod stream;
mod tcp;
mod unix_seqpacket;
mod words;

use std::env::temp_dir;
use std::io::pipe;
use std::os::unix::net::UnixStream;

use anyhow::{Result, bail};

use self::descriptor::{Descriptor, both_ways};
use self::posix_mq::Queue;
use self::unix_seqpacket::Packets;
use super::idle::Idle;
use super::plan::{Case, Transport};
use super::station::{Nothing, Station};

pub(crate) use self::side::{Created, Left, Unavailable};

/// Calls a function whose type parameter is the number of words in a message.
macro_rules! with_words {
    ($bytes:expr, $function:ident($($argument:expr),*)) => {
        match $bytes {
            8 => $function::<1>($($argument),*),
            16 => $function::<2>($($argument),*),
            32 => $function::<4>($($argument),*),
            64 => $function::<8>($($argument),*),
            128 => $function::<16>($($argument),*),
            256 => $function::<32>($($argument),*),
            512 => $function::<64>($($argument),*),
            1024 => $function::<128>($($argument),*),
            2048 => $function::<256>($($argument),*),
            4096 => $function::<512>($($argument),*),
            8192 => $function::<1024>($($argument),*),
            16384 => $function::<2048>($($argument),*),
            32768 => $function::<4096>($($argument),*),
            65536 => $function::<8192>($($argument),*),
            bytes => bail!("messages of {bytes} bytes are not supported"),
        }
    };
}

/// Makes this process's side of a case, the one that keeps the time.
///
/// `name` is a prefix for what needs names, and unlike that of any other case.
pub(crate) fn create(case: Case, name: &str, idle: Idle) -> Result<Created> {
    with_words!(case.bytes, create_sized(case, name, idle))
}

fn create_sized<const WORDS: usize>(case: Case, name: &str, idle: Idle) -> Result<Created> {
    match case.transport {
        Transport::CacheLine => cache_line::create(case.test, idle),
        Transport::CacheLines => cache_lines::create(case.test, idle),
        Transport::Memcpy => memcpy::create::<WORDS>(case.test),
        Transport::OwnWork => own_work::create::<WORDS>(case.test),
        Transport::Stream if case.rings > 0 => set::create::<stream::Stream, WORDS>(case, idle),
        Transport::Message if case.rings > 0 => set::create::<message::Message, WORDS>(case, idle),
        Transport::Stream => ring::create::<stream::Stream, WORDS>(case, idle),
        Transport::Message => ring::create::<message::Message, WORDS>(case, idle),
        Transport::Eventfd => eventfd::create::<WORDS>(case, idle),
        Transport::Pipe => descriptor::create::<Descriptor, WORDS>(case, idle, || {
            let (reader, writer) = pipe()?;
            Ok((reader.into(), writer.into()))
        }),
        Transport::Fifo => {
            let mut ends = ["a", "b"].map(|end| temp_dir().join(format!("{name}.{end}"))).into_iter();
            descriptor::create::<Descriptor, WORDS>(case, idle, || fifo::open(ends.next().unwrap_or_default()))
        }
        Transport::UnixStream => descriptor::create::<Descriptor, WORDS>(case, idle, both_ways(UnixStream::pair()?)),
        Transport::UnixSeqpacket => {
            descriptor::create::<Packets, WORDS>(case, idle, both_ways(unix_seqpacket::pair()?))
        }
        Transport::Tcp => descriptor::create::<Descriptor, WORDS>(case, idle, both_ways(tcp::pair()?)),
        Transport::PosixMq => descriptor::create::<Queue, WORDS>(case, idle, || posix_mq::open(name, WORDS * 8)),
    }
}

/// Opens the peer's side of a case.
pub(crate) fn attach(case: Case, left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    with_words!(case.bytes, attach_sized(case, left, idle))
}

fn attach_sized<const WORDS: usize>(case: Case, left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    match case.transport {
        Transport::CacheLine => cache_line::attach(case.test, left, idle),
        Transport::CacheLines => cache_lines::attach(case.test, left, idle),
        Transport::Memcpy | Transport::OwnWork => Ok(Box::new(Nothing)),
        Transport::Stream if case.rings > 0 => set::attach::<stream::Stream, WORDS>(case, left, idle),
        Transport::Message if case.rings > 0 => set::attach::<message::Message, WORDS>(case, left, idle),
        Transport::Stream => ring::attach::<stream::Stream, WORDS>(case, left, idle),
        Transport::Message => ring::attach::<message::Message, WORDS>(case, left, idle),
        Transport::Eventfd => eventfd::attach::<WORDS>(case, left, idle),
        Transport::Pipe | Transport::Fifo | Transport::UnixStream | Transport::Tcp => {
            descriptor::attach::<Descriptor, WORDS>(case, left, idle)
        }
        Transport::UnixSeqpacket => descriptor::attach::<Packets, WORDS>(case, left, idle),
        Transport::PosixMq => descriptor::attach::<Queue, WORDS>(case, left, idle),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use clap::ValueEnum;

    use ringmain_measure::Channel;

    use super::super::inputs::SIZES;
    use super::super::plan::{Test, waits};
    use super::super::wait::Wait;
    use super::*;

    /// Runs both sides of a case in two threads of this process.
    #[track_caller]
    fn check_case(case: Case, runs: &'static [u64]) {
        let test = case.test;
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let name = format!("rm-unit.{}.{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        let (ours, theirs) = Channel::pair().unwrap();
        let idle = Idle::new(Rc::new(ours), true);
        let mut created = create(case, &name, idle).unwrap();
        let left = Left::new(std::mem::take(&mut created.descriptors));
        let peer = thread::spawn(move || {
            // A panic here closes it, and ends the wait of the other thread.
            let _theirs = theirs;
            let (control, _other) = Channel::pair().unwrap();
            let idle = Idle::new(Rc::new(control), true);
            let mut station = attach(case, left, idle).unwrap();
            for messages in runs {
                station.run(*messages).unwrap();
            }
        });
        for messages in runs {
            created.station.run(*messages).unwrap();
            let times = created.station.times().map(|times| times.len());
            assert_eq!(times, (!test.is_in_rounds()).then_some(*messages));
        }
        peer.join().unwrap();
    }

    #[track_caller]
    fn check_sizes(transport: Transport, wait: Wait, sizes: &[usize]) {
        for bytes in sizes {
            for test in [Test::Rtt, Test::Throughput] {
                let case =
                    Case { test, bytes: *bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
                check_case(case, &[1, 5, 600]);
            }
        }
    }

    /// The transports that carry a time, with all ways in which they wait.
    fn with_a_time() -> impl Iterator<Item = (Transport, Wait)> {
        let transports = Transport::value_variants().iter().copied();
        transports
            .filter(|transport| transport.carries_a_time())
            .flat_map(|transport| waits(transport, Test::Idle, None).into_iter().map(move |wait| (transport, wait)))
    }

    #[test]
    fn words_go_over_the_cache_line() {
        check_sizes(Transport::CacheLine, Wait::Spin, &[8]);
    }

    #[test]
    fn words_go_over_fresh_cache_lines_for_several_laps() {
        let (test, transport, wait) = (Test::Rtt, Transport::CacheLines, Wait::Spin);
        check_case(
            Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rings: 0, rate: None },
            &[1, 5, 3000],
        );
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_stream() {
        check_sizes(Transport::Stream, Wait::Spin, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_message_ring() {
        check_sizes(Transport::Message, Wait::Spin, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_are_copied() {
        check_sizes(Transport::Memcpy, Wait::Never, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_are_filled_and_checked() {
        check_sizes(Transport::OwnWork, Wait::Never, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_unix_seqpacket() {
        check_sizes(Transport::UnixSeqpacket, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_pipe() {
        check_sizes(Transport::Pipe, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_unix_stream() {
        check_sizes(Transport::UnixStream, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_fifo() {
        check_sizes(Transport::Fifo, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_tcp() {
        check_sizes(Transport::Tcp, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_are_announced_by_an_eventfd() {
        check_sizes(Transport::Eventfd, Wait::Sleep, &SIZES);
    }

    #[test]
    fn messages_of_the_sizes_that_queues_take_go_over_a_posix_mq() {
        check_sizes(Transport::PosixMq, Wait::Sleep, SIZES.split_last_chunk::<3>().unwrap().0);
    }

    #[test]
    fn messages_go_in_every_way_to_wait() {
        for (transport, wait) in with_a_time() {
            let largest = if transport == Transport::PosixMq { 8192 } else { 65536 };
            check_sizes(transport, wait, &[8, 128, largest]);
        }
    }

    #[test]
    fn messages_go_over_many_rings_by_sets() {
        for transport in [Transport::Stream, Transport::Message] {
            // Both sides have their descriptors in this process.
            for (wait, rings) in [(Wait::Park, 1), (Wait::Park, 40), (Wait::Adaptive, 8), (Wait::Busy, 2)] {
                let test = Test::Waitset;
                check_case(
                    Case { test, bytes: 64, transport, align: 64, wait, fenced: false, rings, rate: None },
                    &[600],
                );
            }
        }
    }

    #[test]
    fn messages_go_with_fences() {
        for transport in [Transport::Stream, Transport::Message] {
            for wait in [Wait::Spin, Wait::Adaptive] {
                let case =
                    Case { test: Test::Rtt, bytes: 8, transport, align: 64, wait, fenced: true, rings: 0, rate: None };
                check_case(case, &[600]);
            }
        }
    }

    #[test]
    fn a_paced_message_brings_a_time_in_every_way_to_wait() {
        for (transport, wait) in with_a_time() {
            for rate in [1000, 100_000] {
                let (test, rate) = (Test::Paced, Some(rate));
                check_case(
                    Case { test, bytes: 16, transport, align: 64, wait, fenced: false, rings: 0, rate },
                    &[5, 1],
                );
            }
        }
    }
}
