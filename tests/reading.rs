//! A stream of bytes is read as from a file by those who trust its producer: lines, ends and errors.

mod common;

use std::io::{self, BufRead, ErrorKind, Read};
use std::thread;

use common::{Child, Part, Random, Ring, Wait, wait_for, word};
use ringmain::stream::Consumer;
use ringmain::{Broken, PeerState, SharedWord, Trusted, WaitError};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("writer", writer)]);
}

/// Writes lines, from the first one on, in pieces of any length; then does as it is told.
fn writer(part: &mut Part) {
    let (count, random): (u64, _) = (part.argument(0), Random::seeded(part.argument(1)));
    let mut tx = common::succeed(|| part.options().stream_producer::<u8>());
    part.say("attached");
    let text: String = (0..count).map(line).collect();
    let (mut left, mut wait) = (text.as_bytes(), Wait::default());
    while !left.is_empty() {
        match tx.push_slice(&left[..left.len().min(1 + random.below(30) as usize)]) {
            Ok(len) => (left, wait) = (&left[len..], Wait::default()),
            Err(_) => wait.pause("room in the ring"),
        }
    }
    part.say("written");
    part.hear();
    tx.close().unwrap();
    part.say("closed");
}

/// Returns a line that is made of its number.
fn line(number: u64) -> String {
    format!("{number} {}\n", "é".repeat(number as usize % 20))
}

/// Attaches as a reader that does not wait.
fn reader(ring: &Ring, capacity: usize) -> Consumer<u8> {
    let mut rx = ring.options().capacity(capacity).stream_consumer::<u8>().unwrap();
    rx.set_nonblocking(true);
    rx
}

/// Returns the view of a reader.
fn trust(rx: &mut Consumer<u8>) -> Trusted<&mut Consumer<u8>> {
    // SAFETY: whoever writes to the ring of a test keeps to the protocol while a view is used, or is this thread, while
    // nothing is borrowed from the view.
    unsafe { rx.trust_peer() }
}

/// Where a reader of bytes finds nothing more.
#[track_caller]
fn check_refused(rx: &mut Consumer<u8>, expected: ErrorKind) {
    // It stays so, and what is read is so too.
    for _ in 0..3 {
        let mut view = trust(rx);
        assert_eq!(view.fill_buf().map(<[u8]>::len).unwrap_err().kind(), expected);
        assert_eq!(view.read(&mut [0; 8]).unwrap_err().kind(), expected);
        assert_eq!(view.read_line(&mut String::new()).unwrap_err().kind(), expected);
    }
}

/// Reads a line, across waits for the rest of it.
#[track_caller]
fn read_line(rx: &mut Consumer<u8>) -> io::Result<String> {
    // Not a string: a wait may come within a letter.
    let (mut line, mut wait) = (Vec::new(), Wait::default());
    loop {
        match trust(rx).read_until(b'\n', &mut line) {
            Ok(_) => return Ok(String::from_utf8(line).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait.pause("a line"),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn lines_are_read_across_the_end_of_the_buffer_until_the_producer_has_closed() {
    for capacity in [1, 16, 64, 4096] {
        let (ring, random) = (Ring::new(), Random::new());
        let mut rx = reader(&ring, capacity);
        check_refused(&mut rx, ErrorKind::WouldBlock);
        let mut writer = Child::start("writer", ring.name(), &[&1000, &random.any()]);
        (0..1000).for_each(|number| assert_eq!(read_line(&mut rx).unwrap(), line(number)));
        check_refused(&mut rx, ErrorKind::WouldBlock);
        writer.says("attached");
        writer.says("written");
        writer.say("close");
        writer.says("closed");
        for _ in 0..3 {
            assert_eq!(read_line(&mut rx).unwrap(), "");
            assert_eq!(trust(&mut rx).fill_buf().unwrap(), b"");
            assert_eq!(trust(&mut rx).read(&mut [0; 8]).unwrap(), 0);
        }
        // Another producer begins anew.
        let mut writer = Child::start("writer", ring.name(), &[&3, &random.any()]);
        writer.says("attached");
        (0..3).for_each(|number| assert_eq!(read_line(&mut rx).unwrap(), line(number)));
        check_refused(&mut rx, ErrorKind::WouldBlock);
    }
}

#[test]
fn lines_that_are_there_are_read_by_an_iterator_to_their_end() {
    let ring = Ring::new();
    ring.make::<u8>(256);
    ring.set_word(word::TAIL, 200);
    ring.set_word(word::HEAD, 200);
    let mut tx = ring.options().stream_producer::<u8>().unwrap();
    let mut rx = ring.options().stream_consumer::<u8>().unwrap();
    let text: String = (0..10).map(line).collect();
    assert_eq!(tx.push_slice(text.as_bytes()), Ok(text.len()));
    tx.close().unwrap();
    let lines: Vec<_> = trust(&mut rx).lines().map(Result::unwrap).collect();
    assert_eq!(lines, text.lines().collect::<Vec<_>>());
    assert_eq!(ring.word(word::HEAD), ring.word(word::TAIL));
}

#[test]
fn what_is_written_right_before_a_close_is_read_before_the_end() {
    let ring = Ring::new();
    let mut rx = reader(&ring, 64);
    for _ in 0..1000 {
        let mut tx = ring.options().stream_producer::<u8>().unwrap();
        let writer = thread::spawn(move || {
            tx.push_slice(b"last words").unwrap();
            tx.close().unwrap();
        });
        // Mostly without a pause, so that both calls fall between two looks now and then.
        let (mut words, mut looks) = (Vec::new(), 0);
        while let Err(error) = trust(&mut rx).read_to_end(&mut words) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            looks += 1;
            if looks % 100 == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(words, b"last words");
        writer.join().unwrap();
    }
}

#[test]
fn a_reader_of_a_killed_producer_gets_all_that_was_written_and_then_an_error() {
    let (ring, random) = (Ring::new(), Random::new());
    let mut rx = reader(&ring, 4096);
    for _ in 0..3 {
        let mut writer = Child::start("writer", ring.name(), &[&20, &random.any()]);
        writer.says("attached");
        writer.says("written");
        writer.kill();
        wait_for("the crash to be seen", || (rx.peer_state() == PeerState::Crashed).then_some(()));
        (0..20).for_each(|number| assert_eq!(read_line(&mut rx).unwrap(), line(number)));
        check_refused(&mut rx, ErrorKind::ConnectionAborted);
    }
    let mut writer = Child::start("writer", ring.name(), &[&1, &random.any()]);
    writer.says("attached");
    assert_eq!(read_line(&mut rx).unwrap(), line(0));
    check_refused(&mut rx, ErrorKind::WouldBlock);
}

#[test]
fn an_impossible_tail_is_invalid_data_for_ever() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(16).stream_producer::<u8>().unwrap();
    let mut rx = ring.options().stream_consumer::<u8>().unwrap();
    tx.push_slice(b"seven").unwrap();
    assert_eq!(trust(&mut rx).read(&mut [0; 2]).unwrap(), 2);
    ring.set_word(word::TAIL, 100);
    // What was known to be there is read first.
    assert_eq!(trust(&mut rx).fill_buf().unwrap(), b"ven");
    trust(&mut rx).consume(3);
    let error = trust(&mut rx).fill_buf().map(<[u8]>::len).unwrap_err();
    let Some(&WaitError::Broken(Broken::Corrupted(cause))) = error.get_ref().and_then(|source| source.downcast_ref())
    else {
        panic!("{error:?}")
    };
    assert_eq!((cause.word, cause.found), (SharedWord::Tail, 100));
    ring.set_word(word::TAIL, 5);
    check_refused(&mut rx, ErrorKind::InvalidData);
    drop((tx, rx));
    assert_eq!(ring.word(word::HEAD), 5);
}

#[test]
fn bytes_are_consumed_in_parts_and_given_back_at_once() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(16).stream_producer::<u8>().unwrap();
    let mut rx = reader(&ring, 16);
    tx.push_slice(b"0123456789").unwrap();
    let mut view = trust(&mut rx);
    for (consumed, left) in [(0, "0123456789"), (1, "123456789"), (4, "56789"), (0, "56789"), (5, "")] {
        view.consume(consumed);
        match left {
            "" => assert_eq!(view.fill_buf().unwrap_err().kind(), ErrorKind::WouldBlock),
            left => assert_eq!(view.fill_buf().unwrap(), left.as_bytes()),
        }
        assert_eq!(ring.word(word::HEAD), 10 - left.len() as u64);
    }
    tx.push_slice(b"abcdefghij").unwrap();
    let mut view = trust(&mut rx);
    // Up to the end of the buffer, and from there on.
    assert_eq!(view.fill_buf().unwrap(), b"abcdef");
    assert_eq!(view.read(&mut [0; 0]).unwrap(), 0);
    let mut bytes = [0; 8];
    view.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"abcdefgh");
    tx.close().unwrap();
    let mut rest = String::new();
    assert_eq!(trust(&mut rx).read_to_string(&mut rest).unwrap(), 2);
    assert_eq!(rest, "ij");
}

#[test]
#[should_panic(expected = "no more bytes are consumed than are there")]
fn more_than_all_that_is_there_cannot_be_consumed() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(16).stream_producer::<u8>().unwrap();
    let mut rx = ring.options().stream_consumer::<u8>().unwrap();
    tx.push_slice(b"seven").unwrap();
    trust(&mut rx).consume(6);
}
