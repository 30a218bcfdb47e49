//! The command, over TCP and TLS on the loopback: both kinds of rings, every end, and everything that is refused.

use std::alloc::Layout;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use ringmain::inspect::Inspection;
use ringmain::{Error, Options, PeerState, Role, WaitError, message};

/// No wait of a test is longer.
const LONG: Duration = Duration::from_secs(60);

/// Names, a key and an endpoint that no other test has.
struct Place {
    a: String,
    b: String,
    key: String,
    endpoint: String,
}

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = format!("tcp/127.0.0.1:{port}");
        Place { a: format!("br-{id}-a"), b: format!("br-{id}-b"), key: format!("test/{id}"), endpoint }
    }

    fn send(&self, more: &[&str]) -> Process {
        Process::start(&[&["send", &self.a, "--to", &self.key, "--connect", &self.endpoint], more].concat())
    }

    fn receive(&self, more: &[&str]) -> Process {
        Process::start(&[&["receive", &self.b, "--from", &self.key, "--listen", &self.endpoint], more].concat())
    }

    /// Another ring A at the same key.
    fn beside(&self) -> Place {
        let [b, key, endpoint] = [&self.b, &self.key, &self.endpoint].map(String::clone);
        Place { a: format!("{}2", self.a), b, key, endpoint }
    }

    /// Makes ring A.
    fn a(&self) -> message::Producer {
        let options = Options::new(&self.a).capacity(1 << 16).record_alignment(16).type_tag("order");
        // The sender is killed now and then.
        options.await_successor(true).message_producer().unwrap()
    }

    /// Attaches to ring B, once there is one.
    fn b(&self) -> message::Consumer {
        Options::new(&self.b).type_tag("order").wait_for(LONG).message_consumer().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in [&self.a, &self.b] {
            let _ = ringmain::unlink(name);
        }
    }
}

/// A bridge, which is killed in the end, and the lines that it says.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Process {
        Process::start_in(Path::new("."), arguments)
    }

    fn start_in(directory: &Path, arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain-bridge"));
        command.current_dir(directory).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (said, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Process { child, lines }
    }

    /// Waits until it says this, and returns the line.
    #[track_caller]
    fn says(&self, expected: &str) -> String {
        let (end, mut said) = (Instant::now() + LONG, Vec::new());
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.contains(expected) {
                return line;
            }
            said.push(line);
        }
        panic!("{expected:?} was not said, but {said:#?}");
    }

    #[track_caller]
    fn exits(&mut self, expected: i32) {
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said: Vec<String> = self.lines.try_iter().collect();
                assert_eq!(status.code(), Some(expected), "{said:#?}");
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it goes on: {:#?}", self.lines.try_iter().collect::<Vec<_>>());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes numbered messages of several lengths, with a word each.
fn push(tx: &mut message::Producer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let bytes = number.to_le_bytes().repeat(1 + number as usize % 40);
        tx.within(LONG).push_tagged(number, &bytes).unwrap();
    }
}

/// Pops them, and checks each.
#[track_caller]
fn pop(rx: &mut message::Consumer, numbers: std::ops::Range<u64>) {
    let mut bytes = vec![0; 400];
    for number in numbers {
        let (word, len) = rx.within(LONG).pop_tagged(&mut bytes).unwrap();
        assert_eq!((word, &bytes[..len]), (number, &number.to_le_bytes().repeat(1 + number as usize % 40)[..]));
    }
}

#[test]
fn messages_cross_and_the_end_with_them() {
    let place = Place::new();
    let mut tx = place.a();
    let id = tx.ring_id();
    let (mut send, mut receive) = (place.send(&["--once"]), place.receive(&["--once"]));
    let mut rx = place.b();
    let reader = thread::spawn(move || {
        pop(&mut rx, 0..20_000);
        let end = rx.within(LONG).pop(&mut [0; 8]);
        (rx.ring_id(), rx.position(), rx.record_alignment(), end)
    });
    push(&mut tx, 0..20_000);
    let tail = tx.position();
    tx.close().unwrap();
    send.says(&format!("end: the producer closed, at position {tail}"));
    send.exits(0);
    assert_eq!(reader.join().unwrap(), (id, tail, 16, Err(WaitError::Closed)));
    receive.exits(0);
}

#[test]
fn elements_cross_from_the_middle_of_a_stream() {
    let place = Place::new();
    let element = Layout::new::<[u32; 3]>();
    let options = Options::new(&place.a).capacity(512).start_at(u64::MAX - 100);
    let mut tx = options.sized_stream_producer(element).unwrap();
    let element_of = |number: u32| [number.to_le_bytes(), [7; 4], number.to_be_bytes()].concat();
    let _receive = place.receive(&["--capacity", "2K"]);
    let _send = place.send(&["--window", "2"]);
    let writer = thread::spawn(move || {
        (0..20_000).for_each(|number| assert_eq!(tx.within(LONG).push_some(&element_of(number)), Ok(1)));
        tx
    });
    let mut rx = Options::new(&place.b).wait_for(LONG).sized_stream_consumer(element).unwrap();
    let mut found = [0; 12];
    for number in 0..20_000 {
        assert_eq!(rx.within(LONG).pop_some(&mut found), Ok(1));
        assert_eq!(found[..], element_of(number));
    }
    let tx = writer.join().unwrap();
    assert_eq!((rx.position(), rx.capacity(), rx.peer_state()), (tx.position(), 256, PeerState::Alive));
}

#[test]
fn a_crash_of_the_producer_is_one_at_the_other_side() {
    let place = Place::new();
    let mut tx = place.a();
    let (mut send, mut receive) = (place.send(&["--once"]), place.receive(&["--once"]));
    push(&mut tx, 0..10);
    tx.abandon();
    let mut rx = place.b();
    pop(&mut rx, 0..10);
    assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Err(WaitError::Crashed));
    send.exits(3);
    receive.exits(3);
}

#[test]
fn the_next_producer_of_a_ring_is_followed() {
    let place = Place::new();
    let mut tx = place.a();
    let (send, receive) = (place.send(&[]), place.receive(&[]));
    let mut rx = place.b();
    for round in 0..3 {
        push(&mut tx, 10 * round..10 * round + 10);
        pop(&mut rx, 10 * round..10 * round + 10);
        if round == 1 {
            tx.abandon()
        } else {
            tx.close().unwrap()
        }
        send.says("end: the producer");
        receive.says("end: the producer");
        let end = if round == 1 { WaitError::Crashed } else { WaitError::Closed };
        assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Err(end));
        tx = place.a();
        receive.says("attached: ring");
    }
}

#[test]
fn an_end_is_told_once_whoever_is_killed_after_it() {
    for is_crash in [false, true] {
        let place = Place::new();
        let mut tx = place.a();
        let (mut send, mut receive) = (place.send(&[]), place.receive(&[]));
        let mut rx = place.b();
        push(&mut tx, 0..10);
        pop(&mut rx, 0..10);
        if is_crash {
            tx.abandon()
        } else {
            tx.close().unwrap()
        }
        let end = if is_crash { WaitError::Crashed } else { WaitError::Closed };
        assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Err(end));
        send.says("end: the producer");
        for is_receiver in [false, true] {
            if is_receiver {
                receive.kill();
                receive = place.receive(&[]);
            }
            send.kill();
            send = place.send(&[]);
            // The receiver has answered.
            send.says("end: the producer");
            let found = Inspection::open(&place.b).unwrap().end(Role::Producer).unwrap();
            assert_eq!(found.generation, 1, "ring B had another producer: {found:?}");
        }
        // What comes later is not taken for what was told.
        tx = place.a();
        push(&mut tx, 10..20);
        receive.says("attached: ring");
        pop(&mut rx, 10..20);
        tx.close().unwrap();
        assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Err(WaitError::Closed));
    }
}

#[test]
fn either_side_is_killed_and_nothing_is_lost_or_comes_twice() {
    let place = Place::new();
    let mut tx = place.a();
    let (mut send, mut receive) = (place.send(&[]), place.receive(&[]));
    let options = Options::new(&place.b).type_tag("order").wait_for(LONG).await_successor(true);
    let mut rx = options.message_consumer().unwrap();
    // Both go on until all kills are done, so that each of them hits something under way.
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let mut pushed = 0;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            push(&mut tx, pushed..pushed + 100);
            pushed += 100;
            thread::sleep(Duration::from_millis(1));
        }
        (tx, pushed)
    });
    let reader = thread::spawn(move || {
        let mut popped = 0;
        while rx.within(Duration::from_secs(5)).until_available().is_ok() {
            pop(&mut rx, popped..popped + 1);
            popped += 1;
        }
        (rx, popped)
    });
    for round in 0..8 {
        let [is_sender, is_receiver] = [round % 3 != 0, round % 2 == 0];
        thread::sleep(Duration::from_millis(30 * round));
        if is_receiver {
            receive.kill();
            receive = place.receive(&[]);
            receive.says("attached: ");
        }
        if is_sender {
            send.kill();
            send = place.send(&[]);
            send.says("connected: ");
        }
    }
    drop(stop);
    let (tx, pushed) = writer.join().unwrap();
    let (rx, popped) = reader.join().unwrap();
    assert_eq!((popped, rx.position()), (pushed, tx.position()));
}

#[test]
fn a_full_ring_reaches_the_producer_and_goes_on_when_it_is_read() {
    let place = Place::new();
    let mut tx = place.a();
    let (_send, _receive) = (place.send(&[]), place.receive(&[]));
    let mut rx = place.b();
    let mut pushed = 0;
    let end = Instant::now() + LONG;
    loop {
        match tx
            .within(Duration::from_secs(2))
            .push_tagged(pushed, &pushed.to_le_bytes().repeat(1 + pushed as usize % 40))
        {
            Ok(()) => pushed += 1,
            Err(WaitError::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < end);
    }
    // Both rings are full: the second one has what the first one gave back.
    assert_eq!((rx.len().unwrap() + 512) >> 16, 1, "{:?}", rx.len());
    pop(&mut rx, 0..pushed);
    push(&mut tx, pushed..pushed + 10);
    pop(&mut rx, pushed..pushed + 10);
}

#[test]
fn a_ring_that_was_made_anew_is_refused_or_followed() {
    let place = Place::new();
    let mut tx = place.a();
    let (mut send, mut receive) = (place.send(&[]), place.receive(&[]));
    push(&mut tx, 0..3);
    let mut rx = place.b();
    pop(&mut rx, 0..3);
    tx.close().unwrap();
    assert_eq!(rx.within(LONG).pop(&mut [0; 8]), Err(WaitError::Closed));
    send.says("end: the producer closed");
    ringmain::unlink(&place.a).unwrap();
    let mut tx = place.a();
    push(&mut tx, 0..5);
    // The sender goes on with the new ring by itself. The receiver says what to do.
    let refused = send.says("refused: ");
    assert!(refused.contains("--follow-new") && refused.contains(&format!("{:#018x}", tx.ring_id())), "{refused}");
    receive.says("refused: ");
    receive.kill();
    receive = place.receive(&["--follow-new"]);
    let refused = receive.says("refused: ");
    assert!(refused.contains("its consumer has left"), "{refused}");
    drop(rx);
    receive.says("made: ring");
    let mut new = place.b();
    pop(&mut new, 0..5);
    assert_eq!(new.ring_id(), tx.ring_id());
    // Without having been stopped in between, too. What was delivered is read first.
    push(&mut tx, 5..9);
    new.within(LONG).until_available().unwrap();
    drop(new);
    tx.close().unwrap();
    send.says("end: the producer closed");
    send.kill();
    ringmain::unlink(&place.a).unwrap();
    let mut tx = place.a();
    push(&mut tx, 0..2);
    send = place.send(&[]);
    send.says("its consumer has left");
    let mut old = place.b();
    pop(&mut old, 5..9);
    drop(old);
    receive.says("made: ring");
    pop(&mut place.b(), 0..2);
    drop(send);
}

#[test]
fn a_ring_that_is_both_sides_of_a_bridge_ends_the_sender_and_keeps_what_it_has() {
    for is_closed in [false, true] {
        let mut place = Place::new();
        place.b = place.a.clone();
        let mut tx = place.a();
        push(&mut tx, 0..5);
        let tail = tx.position();
        // It was closed: its producer's role is free.
        let tx = if is_closed {
            tx.close().unwrap();
            None
        } else {
            Some(tx)
        };
        let (receive, mut send) = (place.receive(&[]), place.send(&[]));
        let said = send.says("both sides");
        assert!(said.contains(&place.a) && said.contains("another name"), "{said}");
        send.exits(1);
        receive.says("is the sender's ring itself");
        let found = Inspection::open(&place.a).unwrap();
        assert_eq!(found.end(Role::Producer).unwrap().generation, 1, "the receiver was its producer");
        assert_eq!(found.positions().unwrap().tail, tail);
        pop(&mut place.b(), 0..5);
        drop(tx);
    }
}

#[test]
fn a_receiver_is_not_sent_its_own_ring() {
    let place = Place::new();
    let mut tx = place.a();
    let (send, _receive) = (place.send(&[]), place.receive(&[]));
    push(&mut tx, 0..5);
    place.b().within(LONG).until_available().unwrap();
    send.says("connected");
    send.kill();
    let [a, b, key, endpoint] = [&place.b, &place.b, &place.key, &place.endpoint].map(String::clone);
    let own = Place { a, b, key, endpoint };
    let mut send = own.send(&[]);
    send.says("both sides");
    send.exits(1);
    pop(&mut place.b(), 0..5);
}

#[test]
fn a_second_sender_is_refused_by_name_until_the_first_one_is_gone() {
    let place = Place::new();
    let mut tx = place.a();
    let (send, receive) = (place.send(&[]), place.receive(&["--follow-new"]));
    push(&mut tx, 0..1);
    let mut rx = place.b();
    pop(&mut rx, 0..1);
    // Later ring B can be replaced.
    drop(rx);
    let other = place.beside();
    let mut second_tx = other.a();
    push(&mut second_tx, 0..1);
    let second = other.send(&[]);
    let refused = second.says("refused: ");
    let first = format!("/{}/", send.child.id());
    assert!(refused.contains(&first) && refused.contains("one at a time"), "{refused}");
    receive.says("refused: ");
    push(&mut tx, 1..2);
    pop(&mut place.b(), 1..2);
    send.kill();
    receive.says("made: ring");
    pop(&mut place.b(), 0..1);
    second.says("connected");
}

#[test]
fn a_sender_that_is_refused_keeps_nobody_out() {
    let place = Place::new();
    let mut tx = place.a();
    push(&mut tx, 0..1);
    let (send, receive) = (place.send(&[]), place.receive(&[]));
    pop(&mut place.b(), 0..1);
    send.says("connected");
    receive.kill();
    send.kill();
    let other = place.beside();
    push(&mut other.a(), 0..1);
    let second = other.send(&[]);
    let _receive = place.receive(&[]);
    second.says("refused: ring");
    // The other one lives, and its ring has no copy here.
    push(&mut tx, 1..2);
    let send = place.send(&[]);
    pop(&mut place.b(), 1..2);
    send.says("connected");
    second.says("one at a time");
}

#[test]
fn a_receiver_that_is_started_again_attaches_before_anything_more_is_pushed() {
    let place = Place::new();
    let mut tx = place.a();
    let (send, mut receive) = (place.send(&[]), place.receive(&[]));
    push(&mut tx, 0..1);
    pop(&mut place.b(), 0..1);
    send.says("connected");
    for _ in 0..2 {
        receive.kill();
        receive = place.receive(&[]);
        receive.says("attached: ring");
    }
}

#[test]
fn a_ring_whose_name_was_removed_gets_nothing_more() {
    for is_idle in [false, true] {
        let place = Place::new();
        let mut tx = place.a();
        let (send, receive) = (place.send(&[]), place.receive(&[]));
        push(&mut tx, 0..3);
        let mut rx = place.b();
        pop(&mut rx, 0..3);
        send.says("connected");
        ringmain::unlink(&place.b).unwrap();
        if is_idle {
            receive.says("was removed");
        }
        push(&mut tx, 3..6);
        if !is_idle {
            receive.says("was removed");
        }
        receive.says("made: ring");
        pop(&mut place.b(), 3..6);
        assert!(rx.pop(&mut [0; 8]).is_err());
    }
}

#[test]
fn a_ring_is_removed_again_and_again_and_the_sender_goes_on() {
    let place = Place::new();
    let mut tx = place.a();
    let (_send, receive) = (place.send(&[]), place.receive(&[]));
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let mut pushed = 0;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            push(&mut tx, pushed..pushed + 1);
            pushed += 1;
        }
        tx
    });
    for _ in 0..10 {
        // Something is under way in each round.
        receive.says("made: ring");
        let mut rx = place.b();
        let (word, _) = rx.within(LONG).pop_tagged(&mut [0; 400]).unwrap();
        pop(&mut rx, word + 1..word + 500);
        ringmain::unlink(&place.b).unwrap();
    }
    receive.says("made: ring");
    drop(stop);
    place.b().within(LONG).pop(&mut [0; 400]).unwrap();
    drop(writer.join().unwrap());
}

#[test]
fn what_the_other_ring_lacks_for_ever_ends_the_sender() {
    let place = Place::new();
    let mut tx = place.a();
    let receive = place.receive(&[]);
    let mut send = place.send(&[]);
    push(&mut tx, 0..3);
    pop(&mut place.b(), 0..3);
    send.says("connected");
    let end = Instant::now() + LONG;
    while tx.free().unwrap() < (1 << 16) - 16 && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    receive.kill();
    ringmain::unlink(&place.b).unwrap();
    // A copy that somebody made, which begins before what ring A still has.
    let id = std::num::NonZeroU64::new(tx.ring_id()).unwrap();
    let options = Options::new(&place.b).capacity(1 << 16).record_alignment(16).type_tag("order").ring_id(id);
    options.create_message().unwrap();
    let _receive = place.receive(&[]);
    push(&mut tx, 3..4);
    let said = send.says("the receiver's ring ends at position 0");
    assert!(said.contains("this one begins at"), "{said}");
    send.exits(1);
    assert_eq!(tx.peer_state(), PeerState::Crashed);
}

#[test]
fn who_wants_to_give_up_does() {
    let place = Place::new();
    let mut tx = place.a();
    push(&mut tx, 0..1);
    let (mut send, mut receive) = (place.send(&["--give-up", "1"]), Place::new().receive(&["--give-up", "1"]));
    send.says("nobody answers at");
    send.exits(4);
    receive.exits(4);
}

#[test]
fn who_wants_to_give_up_does_where_there_is_no_ring() {
    let place = Place::new();
    let _receive = place.receive(&[]);
    let mut send = place.send(&["--give-up", "1"]);
    send.says(&format!("there was no ring {}", place.a));
    send.exits(4);
    // The ring's name is removed later.
    let mut tx = place.a();
    push(&mut tx, 0..1);
    let mut send = place.send(&["--give-up", "2"]);
    pop(&mut place.b(), 0..1);
    tx.close().unwrap();
    send.says("end: the producer");
    ringmain::unlink(&place.a).unwrap();
    send.says("there was no ring");
    send.exits(4);
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    for arguments in [
        &["send", "a", "--to", "k"][..],
        &["send", "a", "--to", "k/*", "--connect", "tcp/127.0.0.1:1"],
        &["send", "a", "--to", "k", "--connect", "tcp/127.0.0.1:1", "--window", "65"],
        &["send", "no/name", "--to", "k", "--connect", "tcp/127.0.0.1:1"],
        &["receive", "a", "--from", "k", "--listen", "tcp/127.0.0.1:0", "--capacity", "0"],
        &["receive", "a"],
    ] {
        Process::start(arguments).exits(2);
    }
    for endpoint in ["nowhere", "tcp/nowhere", "udp/127.0.0.1:7"] {
        for arguments in [["send", "a", "--to", "k", "--connect"], ["receive", "a", "--from", "k", "--listen"]] {
            let mut refused = Process::start(&[&arguments[..], &[endpoint]].concat());
            refused.says(endpoint);
            refused.exits(2);
        }
    }
}

#[test]
fn a_file_that_is_missing_is_named_before_anybody_is_waited_for() {
    let place = Place::new();
    let (directory, files) = configured(&place, ["send-tls.json5", "receive-tls.json5"]);
    let [send_file, receive_file] = &files;
    let send = ["send", "a", "--to", "k", "--zenoh-config", send_file];
    let receive = ["receive", "a", "--from", "k", "--zenoh-config", receive_file];
    let check = |missing: &str, arguments: &[&str]| {
        let mut refused = Process::start_in(&directory, arguments);
        let said = refused.says(missing);
        assert!(said.contains("cannot read"), "{said}");
        refused.exits(2);
    };
    for (missing, arguments) in [
        ("send.key", &send),
        ("send.pem", &send),
        ("receive.key", &receive),
        ("receive.pem", &receive),
        ("ca.pem", &send),
        ("ca.pem", &receive),
    ] {
        let _ = fs::remove_file(directory.join(missing));
        check(missing, arguments);
    }
    let endpoint = "tls/localhost:7#root_ca_certificate_file=gone.pem";
    check("gone.pem", &["send", "a", "--to", "k", "--connect", endpoint]);
    check("none.json5", &["send", "a", "--to", "k", "--zenoh-config", "none.json5"]);
    // An endpoint of a file is named as well.
    fs::write(directory.join("bad.json5"), "{ connect: { endpoints: [\"nowhere\"] } }").unwrap();
    check("nowhere", &["send", "a", "--to", "k", "--zenoh-config", "bad.json5"]);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_counted_stands_in_a_file() {
    let place = Place::new();
    let mut tx = place.a();
    let directory = std::env::temp_dir().join(&place.a);
    fs::create_dir(&directory).unwrap();
    let files = ["send", "receive"].map(|side| directory.join(side));
    let [send_file, receive_file] = files.each_ref().map(|file| file.to_str().unwrap());
    let _send = place.send(&["--metrics", send_file, "--progress=always"]);
    let receive = place.receive(&["--metrics", receive_file, "--progress"]);
    push(&mut tx, 0..100);
    pop(&mut place.b(), 0..100);
    receive.says(&format!("{}: ", place.b));
    let has = |file: &PathBuf, row: &str| fs::read_to_string(file).is_ok_and(|text| text.lines().any(|it| it == row));
    let row = |ring: &str, name: &str, value: u64| format!("ringmain_bridge_{name}{{ring=\"{ring}\"}} {value}");
    let expected = [
        (&files[0], row(&place.a, "bytes_total", tx.position())),
        (&files[0], row(&place.a, "position", tx.position())),
        (&files[0], row(&place.a, "lag_positions", 0)),
        (&files[0], row(&place.a, "connected", 1)),
        (&files[1], row(&place.b, "bytes_total", tx.position())),
        (&files[1], row(&place.b, "position", tx.position())),
        (&files[1], row(&place.b, "gaps_total", 0)),
    ];
    let end = Instant::now() + LONG;
    while !expected.iter().all(|(file, row)| has(file, row)) {
        assert!(Instant::now() < end, "{expected:#?}\n{:#?}", files.each_ref().map(fs::read_to_string));
        thread::sleep(Duration::from_millis(50));
    }
    // What is pushed while nobody receives grows old.
    receive.kill();
    push(&mut tx, 100..101);
    let lag = || {
        let text = fs::read_to_string(&files[0]).unwrap();
        let row = format!("ringmain_bridge_lag_seconds{{ring=\"{}\"}} ", place.a);
        text.lines().find_map(|line| line.strip_prefix(&row)?.parse::<f64>().ok()).unwrap()
    };
    while lag() < 1.5 {
        assert!(Instant::now() < end, "{}", lag());
        thread::sleep(Duration::from_millis(50));
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn lag_is_that_of_the_ring_that_is_sent_whatever_its_name_stands_for() {
    let place = Place::new();
    let mut tx = place.a();
    let file = std::env::temp_dir().join(&place.a);
    let (send, receive) = (place.send(&["--metrics", file.to_str().unwrap()]), place.receive(&[]));
    push(&mut tx, 0..3);
    pop(&mut place.b(), 0..3);
    send.says("connected");
    receive.kill();
    push(&mut tx, 3..6);
    let lag = |seconds: f64| {
        let end = Instant::now() + LONG;
        loop {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let row = |name: &str| {
                let row = format!("ringmain_bridge_{name}{{ring=\"{}\"}} ", place.a);
                text.lines().find_map(|line| line.strip_prefix(&row)?.parse::<f64>().ok())
            };
            match (row("lag_positions"), row("lag_seconds")) {
                (Some(positions), Some(found)) if found > seconds => return (positions, found),
                _ => assert!(Instant::now() < end, "{text}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    let (positions, seconds) = lag(0.5);
    assert!(positions > 0.0);
    ringmain::unlink(&place.a).unwrap();
    // It stands somewhere else.
    let other = Options::new(&place.a).capacity(1 << 16).start_at(1 << 20).message_producer().unwrap();
    // At least one look later.
    assert_eq!(lag(seconds + 1.0).0, positions);
    send.kill();
    drop(other);
    fs::remove_file(file).unwrap();
}

/// The configurations of the examples, with a port of the loopback, in a directory with what they name.
fn configured(place: &Place, files: [&str; 2]) -> (PathBuf, [String; 2]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = std::env::temp_dir().join(&place.a);
    fs::create_dir(&directory).unwrap();
    for file in fs::read_dir(root.join("tests/tls")).unwrap().map(|file| file.unwrap().path()) {
        fs::copy(&file, directory.join(file.file_name().unwrap())).unwrap();
    }
    fs::write(directory.join("users.txt"), "plant7:change me\n").unwrap();
    let names = files.map(|file| {
        fs::copy(root.join("examples").join(file), directory.join(file)).unwrap();
        file.to_owned()
    });
    (directory, names)
}

#[test]
fn tls_asks_both_sides_for_a_certificate() {
    let mut place = Place::new();
    place.key = "plant/7/ticks".into();
    let mut tx = place.a();
    let (directory, [send_file, receive_file]) = configured(&place, ["send-tls.json5", "receive-tls.json5"]);
    let port = place.endpoint.rsplit(':').next().unwrap();
    let (here, there) = (format!("tls/127.0.0.1:{port}"), format!("tls/localhost:{port}"));
    let receive = ["receive", &place.b, "--from", &place.key, "--zenoh-config", &receive_file, "--listen", &here];
    let _receive = Process::start_in(&directory, &receive);
    let send = ["send", &place.a, "--to", &place.key, "--zenoh-config", &send_file, "--connect", &there];
    let _send = Process::start_in(&directory, &send);
    push(&mut tx, 0..100);
    pop(&mut place.b(), 0..100);
    // Without a certificate, or without TLS, nobody gets through.
    let strange = place.beside();
    push(&mut strange.a(), 0..1);
    strange.send(&["--give-up", "2"]).exits(4);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn only_a_user_with_its_password_may_send() {
    let mut place = Place::new();
    place.key = "plant/7/ticks".into();
    let mut tx = place.a();
    let (directory, [send_file, receive_file]) = configured(&place, ["send-users.json5", "receive-users.json5"]);
    let receive =
        ["receive", &place.b, "--from", &place.key, "--zenoh-config", &receive_file, "--listen", &place.endpoint];
    let _receive = Process::start_in(&directory, &receive);
    push(&mut tx, 0..100);
    place.send(&["--give-up", "2"]).exits(4);
    let send = ["send", &place.a, "--to", &place.key, "--zenoh-config", &send_file, "--connect", &place.endpoint];
    let _send = Process::start_in(&directory, &send);
    pop(&mut place.b(), 0..100);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_planted_fault_needs_a_build_that_has_it() {
    if cfg!(feature = "planted") {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain-bridge"));
    command
        .args(["send", "a", "--to", "k", "--connect", "tcp/127.0.0.1:1"])
        .env("RINGMAIN_BRIDGE_FAULT", "answer-early");
    assert_eq!(command.output().unwrap().status.code(), Some(2));
}

#[test]
fn somebody_elses_ring_is_no_copy_to_be_replaced() {
    let place = Place::new();
    let mut tx = place.a();
    push(&mut tx, 0..1);
    let other = Options::new(&place.b).capacity(8).stream_producer::<u64>().unwrap();
    let (send, _receive) = (place.send(&[]), place.receive(&["--follow-new"]));
    let refused = send.says("refused: ");
    assert!(refused.contains(&format!("{:#018x}", other.ring_id())) && refused.contains("producer"), "{refused}");
    assert!(!other.is_orphaned());
}

#[test]
fn somebody_elses_ring_is_left_alone() {
    let place = Place::new();
    let mut tx = place.a();
    push(&mut tx, 0..1);
    let other = Options::new(&place.b).capacity(8).stream_producer::<u64>().unwrap();
    let (send, _receive) = (place.send(&[]), place.receive(&[]));
    let refused = send.says("refused: ");
    assert!(refused.contains(&format!("{:#018x}", other.ring_id())), "{refused}");
    assert!(matches!(Options::new(&place.b).capacity(8).stream_producer::<u64>(), Err(Error::Busy { .. })));
}
