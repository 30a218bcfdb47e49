//! Streams of bytes as the standard library reads and writes them, between two processes.

mod common;

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use common::ends::SOON;
use common::{Child, Part, Random, Ring, succeed, wait_for, word};
use ringmain::stream::{Consumer, Producer};
use ringmain::{PeerState, WaitError};

/// How many bytes are copied. Some more than any multiple of a ring.
const LENGTH: usize = (3 << 20) + 7;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("writer", writer), ("reader", reader), ("liner", liner)]);
}

/// Returns bytes that are made of a number.
fn noise(seed: u64) -> Vec<u8> {
    let random = Random::seeded(seed);
    (0..LENGTH.div_ceil(4)).flat_map(|_| (random.any() as u32).to_le_bytes()).take(LENGTH).collect()
}

/// Copies bytes into the ring, as far as that goes, and closes it when it is told to.
fn writer(part: &mut Part) {
    let (seed, len): (u64, usize) = (part.argument(0), part.argument(1));
    let mut tx: Producer<u8> = succeed(|| part.options().stream_producer());
    part.say("attached");
    let copied = io::copy(&mut &noise(seed)[..len], &mut tx).unwrap();
    tx.flush().unwrap();
    part.say(copied);
    part.hear();
    thread::sleep(SOON);
    tx.close().unwrap();
    part.say("closed");
    part.hear();
}

/// Copies bytes from the ring up to its end and checks them; at once if there are none to come.
fn reader(part: &mut Part) {
    let (seed, len): (u64, usize) = (part.argument(0), part.argument(1));
    let mut rx: Consumer<u8> = succeed(|| part.options().stream_consumer());
    part.say("attached");
    if len > 0 {
        let mut bytes = Vec::new();
        let copied = io::copy(&mut rx, &mut bytes).unwrap();
        assert!(bytes == noise(seed)[..len], "other bytes came");
        part.say(copied);
    }
    part.hear();
    thread::sleep(SOON);
    rx.close().unwrap();
    part.say("closed");
    part.hear();
}

/// Writes lines with pauses, and closes.
fn liner(part: &mut Part) {
    let mut tx: Producer<u8> = part.options().stream_producer().unwrap();
    for number in 0..part.argument(0) {
        let line = line(number) + "\n";
        let (first, rest) = line.as_bytes().split_at(number as usize % line.len());
        tx.write_all(first).unwrap();
        if number % 50 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        tx.write_all(rest).unwrap();
    }
    tx.close().unwrap();
}

fn line(number: u64) -> String {
    format!("{number} {}", "é".repeat(number as usize % 20))
}

#[test]
fn a_copy_into_a_ring_arrives_in_another_process_up_to_the_end() {
    for capacity in [1 << 8, 1 << 16] {
        let (ring, seed) = (Ring::new(), Random::new().any());
        let mut tx: Producer<u8> = ring.options().capacity(capacity).stream_producer().unwrap();
        let mut reader = Child::start("reader", ring.name(), &[&seed, &LENGTH]);
        reader.says("attached");
        assert_eq!(io::copy(&mut &noise(seed)[..], &mut tx).unwrap(), LENGTH as u64);
        tx.close().unwrap();
        reader.says(LENGTH);
    }
}

#[test]
fn a_copy_from_a_ring_brings_what_another_process_wrote_up_to_the_end() {
    for capacity in [1 << 8, 1 << 16] {
        let (ring, seed) = (Ring::new(), Random::new().any());
        let mut rx: Consumer<u8> = ring.options().capacity(capacity).stream_consumer().unwrap();
        let mut writer = Child::start("writer", ring.name(), &[&seed, &LENGTH]);
        writer.say("close");
        let mut bytes = Vec::new();
        assert_eq!(io::copy(&mut rx, &mut bytes).unwrap(), LENGTH as u64);
        assert!(bytes == noise(seed), "other bytes came");
        for _ in 0..3 {
            assert_eq!(rx.read(&mut [0; 8]).unwrap(), 0);
        }
        assert_eq!(rx.peer_state(), PeerState::Closed);
    }
}

#[test]
fn bytes_flow_both_ways_at_once() {
    let ([there, back], seed) = ([Ring::new(), Ring::new()], Random::new().any());
    let mut tx: Producer<u8> = there.options().capacity(4096).stream_producer().unwrap();
    let mut rx: Consumer<u8> = back.options().capacity(4096).stream_consumer().unwrap();
    let mut reader = Child::start("reader", there.name(), &[&seed, &LENGTH]);
    let mut writer = Child::start("writer", back.name(), &[&(seed + 2), &LENGTH]);
    writer.say("close");
    let bytes = thread::scope(|scope| {
        scope.spawn(|| {
            tx.write_all(&noise(seed)).unwrap();
            drop(tx);
        });
        let mut bytes = Vec::new();
        rx.read_to_end(&mut bytes).unwrap();
        bytes
    });
    assert!(bytes == noise(seed + 2), "other bytes came");
    reader.says("attached");
    reader.says(LENGTH);
}

/// Checks that an error of reading or writing is of this kind, and says how the wait ended.
#[track_caller]
fn check_error<T: std::fmt::Debug>(result: io::Result<T>, kind: ErrorKind, expected: WaitError) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.get_ref().and_then(|cause| cause.downcast_ref()), Some(&expected));
}

#[test]
fn a_reader_of_a_killed_writer_gets_all_that_was_written_and_then_an_error() {
    let (ring, seed) = (Ring::new(), Random::new().any());
    let mut rx: Consumer<u8> = ring.options().capacity(4096).stream_consumer().unwrap();
    let mut writer = Child::start("writer", ring.name(), &[&seed, &1000]);
    writer.says("attached");
    writer.says(1000);
    let mut bytes = vec![0; 1000];
    rx.read_exact(&mut bytes[..400]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(SOON);
            writer.kill();
        });
        rx.read_exact(&mut bytes[400..]).unwrap();
        for _ in 0..3 {
            check_error(rx.read(&mut [0; 8]), ErrorKind::ConnectionAborted, WaitError::Crashed);
        }
    });
    assert!(bytes == noise(seed)[..1000], "other bytes came");
}

#[test]
fn a_write_to_a_reader_that_closed_is_a_broken_pipe() {
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(64).stream_producer().unwrap();
    let mut reader = Child::start("reader", ring.name(), &[&0, &0]);
    reader.says("attached");
    reader.say("close");
    // The ring fills up, and the writer sleeps, before the reader leaves.
    check_error(tx.write_all(&[7; 65]), ErrorKind::BrokenPipe, WaitError::Closed);
    reader.says("closed");
    check_error(tx.write(&[7]), ErrorKind::BrokenPipe, WaitError::Closed);
    // Also if there is room.
    ring.set_word(word::HEAD, 10);
    check_error(tx.write(&[7]), ErrorKind::BrokenPipe, WaitError::Closed);
    assert_eq!(tx.write(&[]).unwrap(), 0);
}

#[test]
fn a_write_that_waits_for_a_killed_reader_is_a_broken_pipe() {
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(64).stream_producer().unwrap();
    let mut reader = Child::start("reader", ring.name(), &[&0, &0]);
    reader.says("attached");
    assert_eq!(tx.write(&[7; 100]).unwrap(), 64);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(SOON);
            reader.kill();
        });
        for _ in 0..2 {
            check_error(tx.write(&[7]), ErrorKind::BrokenPipe, WaitError::Crashed);
        }
    });
}

#[test]
fn whoever_is_nonblocking_would_block() {
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(8).stream_producer().unwrap();
    let mut rx: Consumer<u8> = ring.options().stream_consumer().unwrap();
    tx.set_nonblocking(true);
    rx.set_nonblocking(true);
    assert_eq!(rx.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(tx.write(&[7; 10]).unwrap(), 8);
    assert_eq!(tx.write(&[7; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(rx.read(&mut [0; 4]).unwrap(), 4);
    assert_eq!(tx.write(&[7; 10]).unwrap(), 4);
    // And back.
    tx.set_nonblocking(false);
    rx.set_nonblocking(false);
    thread::scope(|scope| {
        scope.spawn(|| tx.write_all(&[7; 100]).unwrap());
        let mut bytes = [0; 108];
        rx.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [7; 108]);
    });
}

#[test]
fn a_nonblocking_reader_that_awaits_a_successor_would_block_after_a_crash() {
    let ring = Ring::new();
    let mut rx: Consumer<u8> = ring.options().capacity(64).await_successor(true).stream_consumer().unwrap();
    rx.set_nonblocking(true);
    let mut writer = Child::start("writer", ring.name(), &[&0, &10]);
    writer.says("attached");
    writer.says(10);
    writer.kill();
    wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
    assert_eq!(rx.read(&mut [0; 64]).unwrap(), 10);
    assert_eq!(rx.read(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_nonblocking_writer_at_a_full_ring_is_told_of_a_crash() {
    let ring = Ring::new();
    let mut tx: Producer<u8> = ring.options().capacity(64).stream_producer().unwrap();
    tx.set_nonblocking(true);
    let mut reader = Child::start("reader", ring.name(), &[&0, &0]);
    reader.says("attached");
    assert_eq!(tx.write(&[7; 100]).unwrap(), 64);
    reader.kill();
    wait_for("the crash to be seen", || (tx.peer_state() == PeerState::Crashed).then_some(()));
    check_error(tx.write(&[7]), ErrorKind::BrokenPipe, WaitError::Crashed);
}

#[test]
fn lines_are_read_as_they_come_up_to_the_end() {
    for trusts in [false, true] {
        let ring = Ring::new();
        let mut rx: Consumer<u8> = ring.options().capacity(64).stream_consumer().unwrap();
        let liner = Child::start("liner", ring.name(), &[&2000]);
        if trusts {
            // SAFETY: the writer uses its handle alone.
            check_lines(&mut unsafe { rx.trust_peer() });
        } else {
            check_lines(&mut BufReader::new(rx));
        }
        liner.join();
    }
    check_lines(&mut Cursor::new((0..2000).map(|number| line(number) + "\n").collect::<String>()));
}

#[track_caller]
fn check_lines(reader: &mut impl BufRead) {
    let lines: Vec<String> = reader.lines().map(Result::unwrap).collect();
    assert!(lines.into_iter().eq((0..2000).map(line)));
}
