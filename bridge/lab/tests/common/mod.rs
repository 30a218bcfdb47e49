//! What the tests of the bridge share: sites that say what they need, and data that shows what became of it.

#![allow(dead_code, reason = "every test file uses its share")]

#[path = "../../../../tests/common/ability.rs"]
mod ability;

use std::alloc::Layout;
use std::ops::Range;
use std::time::Duration;

use ringmain::Options;
use ringmain_bridge_lab::network::Way;
use ringmain_bridge_lab::process::PATIENCE;
use ringmain_bridge_lab::site::Site;
use ringmain_bridge_lab::space::Space;
use rustix::process::geteuid;

pub(crate) use ability::{Ability, missing};

/// This package's program.
pub(crate) const LAB: &str = env!("CARGO_BIN_EXE_ringmain-bridge-lab");

/// Which of the two rings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Stream,
    Message,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Stream, Kind::Message];

/// Makes two machines that are joined in this way; `None` where that ability was accepted to be missing.
#[track_caller]
pub(crate) fn site(way: Way) -> Option<Site> {
    if !geteuid().is_root() {
        missing(Ability::NetworkNamespace, "the tests do not run as root");
        return None;
    }
    if let Err(error) = Space::new() {
        missing(Ability::NetworkNamespace, format!("{error:#}"));
        return None;
    }
    Some(Site::new(LAB, way).unwrap())
}

/// Makes ring A: of elements that are numbers, or of messages.
#[track_caller]
pub(crate) fn make(site: &Site, kind: Kind) {
    let options = Options::new(&site.rings[0]);
    match kind {
        Kind::Stream => options.capacity(512).create_stream(Layout::new::<u64>()).unwrap(),
        Kind::Message => options.capacity(1 << 14).create_message().unwrap(),
    };
}

/// Returns the message of a number.
fn message(number: u64) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(8 + number as usize % 300).collect()
}

/// How an end attaches: it waits for the ring, and over ends of the other side.
pub(crate) fn options(ring: &str) -> Options {
    Options::new(ring).wait_for(PATIENCE).await_successor(true)
}

/// Pushes what has these numbers, and leaves.
#[track_caller]
pub(crate) fn push(kind: Kind, ring: &str, numbers: Range<u64>) {
    match kind {
        Kind::Stream => {
            let mut tx = options(ring).stream_producer::<u64>().unwrap();
            numbers.for_each(|number| tx.within(PATIENCE).push(number).unwrap());
        }
        Kind::Message => {
            let mut tx = options(ring).message_producer().unwrap();
            numbers.for_each(|number| tx.within(PATIENCE).push(&message(number)).unwrap());
        }
    }
}

/// Pushes until the ring stays full for this long; returns the number that comes next.
#[track_caller]
pub(crate) fn push_until_full(kind: Kind, ring: &str, mut next: u64, limit: Duration) -> u64 {
    use ringmain::WaitError::TimedOut;
    match kind {
        Kind::Stream => {
            let mut tx = options(ring).stream_producer::<u64>().unwrap();
            while match tx.within(limit).push(next) {
                Ok(()) => true,
                Err(unfinished) if unfinished.cause == TimedOut => false,
                Err(error) => panic!("{error}"),
            } {
                next += 1;
            }
        }
        Kind::Message => {
            let mut tx = options(ring).message_producer().unwrap();
            while match tx.within(limit).push(&message(next)) {
                Ok(()) => true,
                Err(TimedOut) => false,
                Err(error) => panic!("{error}"),
            } {
                next += 1;
            }
        }
    }
    next
}

/// Pops, and checks that what comes has these numbers, one after the other.
#[track_caller]
pub(crate) fn pop(kind: Kind, ring: &str, numbers: Range<u64>) {
    match kind {
        Kind::Stream => {
            let mut rx = options(ring).stream_consumer::<u64>().unwrap();
            numbers.for_each(|number| assert_eq!(rx.within(PATIENCE).pop(), Ok(number)));
        }
        Kind::Message => {
            let mut rx = options(ring).message_consumer().unwrap();
            let mut bytes = Vec::new();
            for number in numbers {
                rx.within(PATIENCE).pop_into(&mut bytes).unwrap();
                assert_eq!(bytes, message(number));
            }
        }
    }
}

/// Checks that both rings stand at one position, with nothing left in either.
#[track_caller]
pub(crate) fn check_equal(site: &Site) {
    let found = ringmain_bridge_lab::process::wait_for("ring A to be released", || {
        let [a, b] = [&site.rings[0], &site.rings[1]].map(|ring| {
            let positions = ringmain::inspect::Inspection::open(ring).unwrap().positions().unwrap();
            [positions.head, positions.tail]
        });
        // The last answer may be on its way.
        Ok((a[0] == a[1]).then_some((a, b)))
    });
    let (a, b) = found.unwrap();
    assert_eq!(a, b, "head and tail of rings A and B");
}
