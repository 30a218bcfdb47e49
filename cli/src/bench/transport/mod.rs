//! The transports: one file each, all alike from outside.
//!
//! Each has a `create`, which this process calls and which makes the station that keeps the time, and an `attach`,
//! which the peer calls with what `create` left for it.

mod blocking;
mod cache_line;
mod memcpy;
mod message;
mod pipe;
mod stream;
mod unix_seqpacket;
mod unix_stream;

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};

use super::idle::Idle;
use super::plan::{Case, Transport};
use super::station::Station;

/// What `create` returns: this process's station, and what the peer needs to open its own.
pub(crate) struct Created {
    pub(crate) station: Box<dyn Station>,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Names of rings, the one towards this process first.
    pub(crate) rings: Vec<String>,
}

/// What the peer was left.
pub(crate) struct Left {
    descriptors: std::vec::IntoIter<OwnedFd>,
    rings: std::vec::IntoIter<String>,
}

impl Left {
    pub(crate) fn new(descriptors: Vec<OwnedFd>, rings: Vec<String>) -> Self {
        Self { descriptors: descriptors.into_iter(), rings: rings.into_iter() }
    }

    fn descriptor(&mut self) -> Result<OwnedFd> {
        self.descriptors.next().context("a descriptor is missing")
    }

    fn ring(&mut self) -> Result<String> {
        self.rings.next().context("a ring's name is missing")
    }
}

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
        Transport::Memcpy => Ok(memcpy::create::<WORDS>(case.test)),
        Transport::Stream => stream::create::<WORDS>(case.test, name, idle),
        Transport::Message => message::create::<WORDS>(case, name, idle),
        Transport::Pipe => pipe::create::<WORDS>(case.test),
        Transport::UnixStream => unix_stream::create::<WORDS>(case.test),
        Transport::UnixSeqpacket => unix_seqpacket::create::<WORDS>(case.test),
    }
}

/// Opens the peer's side of a case.
pub(crate) fn attach(case: Case, left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    with_words!(case.bytes, attach_sized(case, left, idle))
}

fn attach_sized<const WORDS: usize>(case: Case, left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    match case.transport {
        Transport::CacheLine => cache_line::attach(case.test, left, idle),
        Transport::Memcpy => Ok(memcpy::attach()),
        Transport::Stream => stream::attach::<WORDS>(case.test, left, idle),
        Transport::Message => message::attach::<WORDS>(case.test, left, idle),
        Transport::Pipe => pipe::attach::<WORDS>(case.test, left),
        Transport::UnixStream => unix_stream::attach::<WORDS>(case.test, left),
        Transport::UnixSeqpacket => unix_seqpacket::attach::<WORDS>(case.test, left),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::thread;

    use super::super::control::Control;
    use super::super::plan::{SIZES, Test};
    use super::*;

    /// Runs both sides of a case in two threads of this process.
    #[track_caller]
    fn check_case(transport: Transport, test: Test, bytes: usize) {
        let case = Case { test, bytes, transport, align: 64 };
        let name = format!("rm-unit.{}.{test:.1}{bytes}", std::process::id());
        let (ours, theirs) = Control::pair().unwrap();
        let idle = Idle::new(Rc::new(ours), true);
        let mut created = create(case, &name, idle).unwrap();
        let left = Left::new(std::mem::take(&mut created.descriptors), created.rings.clone());
        let peer = thread::spawn(move || {
            // A panic here closes it, and ends the wait of the other thread.
            let _theirs = theirs;
            let (control, _other) = Control::pair().unwrap();
            let idle = Idle::new(Rc::new(control), true);
            let mut station = attach(case, left, idle).unwrap();
            for messages in [1, 5, 600] {
                station.run(messages).unwrap();
            }
        });
        for messages in [1, 5, 600] {
            created.station.run(messages).unwrap();
        }
        peer.join().unwrap();
    }

    #[track_caller]
    fn check_sizes(transport: Transport, sizes: &[usize]) {
        for bytes in sizes {
            check_case(transport, Test::Rtt, *bytes);
            check_case(transport, Test::Throughput, *bytes);
        }
    }

    #[test]
    fn words_go_over_the_cache_line() {
        check_sizes(Transport::CacheLine, &[8]);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_stream() {
        check_sizes(Transport::Stream, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_message_ring() {
        check_sizes(Transport::Message, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_are_copied() {
        check_sizes(Transport::Memcpy, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_unix_seqpacket() {
        check_sizes(Transport::UnixSeqpacket, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_pipe() {
        check_sizes(Transport::Pipe, &SIZES);
    }

    #[test]
    fn messages_of_every_supported_size_go_over_a_unix_stream() {
        check_sizes(Transport::UnixStream, &SIZES);
    }
}
