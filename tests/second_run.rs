//! A ring that was used before: nothing of yesterday is told but data, and the end of a producer that no consumer was
//! told.

mod common;

use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::{env, fs, thread};

use common::ends::{End, LONG, SOON, for_each_end, for_each_ring, obey, parts_of_ends, small};
use common::{Child, PATIENCE, Part, Ring, Running, output, succeed, wait_for};
use ringmain::stream::{Consumer, Producer};
use ringmain::{PeerState, Role, WaitError};
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[&parts_of_ends!(obey)[..], &[("bytes", writer)]].concat());
}

/// Starts a process that holds an end.
#[track_caller]
fn start<E: End>(ring: &Ring) -> Child {
    let mut child = Child::start(E::PART, ring.name(), &[]);
    child.says("attached");
    child
}

#[track_caller]
fn order(child: &mut Child, words: impl Display, answer: impl Display) {
    child.say(words);
    child.says(answer);
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Closed,
    Killed,
}

impl Way {
    const BOTH: [Way; 2] = [Way::Closed, Way::Killed];
    const PAIRS: [[Way; 2]; 4] = [
        [Way::Closed, Way::Closed],
        [Way::Closed, Way::Killed],
        [Way::Killed, Way::Closed],
        [Way::Killed, Way::Killed],
    ];

    #[track_caller]
    fn end(self, mut child: Child) {
        match self {
            Way::Closed => {
                order(&mut child, "close", "closed");
                child.join();
            }
            Way::Killed => child.kill(),
        }
    }

    fn is_told(self) -> WaitError {
        if self == Way::Closed { WaitError::Closed } else { WaitError::Crashed }
    }
}

/// Attaches to a role whose holder may have been killed a moment ago.
#[track_caller]
fn attach<E: End>(ring: &Ring) -> E {
    succeed(|| E::attach(&small(ring.options())))
}

/// Moves numbers in a first run, at the end of which the consumer has read all and was told, and both are gone.
#[track_caller]
fn run<P: End>(ring: &Ring, ways: [Way; 2]) {
    let (mut tx, mut rx) = (start::<P>(ring), start::<P::Peer>(ring));
    tx.say("move 0 20");
    rx.say("move 0 20");
    [&mut tx, &mut rx].into_iter().for_each(|child| child.says("moved"));
    ways[0].end(tx);
    order(&mut rx, "hear 20", format_args!("{:?}", ways[0].is_told()));
    ways[1].end(rx);
}

/// Lets the end in this process wait in vain, then go on with who comes to the other end.
#[track_caller]
fn check_first<E: End>(ring: &Ring, end: &mut E) {
    let number = end.exhaust();
    for _ in 0..3 {
        assert_eq!(end.go(number, Some(SOON)), Err(WaitError::TimedOut), "{}", E::PART);
        assert_eq!(end.wait_ready(SOON), Err(WaitError::TimedOut), "{}", E::PART);
    }
    thread::scope(|scope| {
        let going = scope.spawn(|| end.go(number, Some(LONG)));
        let mut peer = start::<E::Peer>(ring);
        order(&mut peer, "move 0 1", "moved");
        assert_eq!(going.join().unwrap(), Ok(()), "{}", E::PART);
    });
}

#[test]
fn either_end_comes_first_on_the_second_run() {
    fn check<P: End>(ways: [Way; 2]) {
        let ring = Ring::new();
        run::<P>(&ring, ways);
        check_first(&ring, &mut attach::<P::Peer>(&ring));
        let ring = Ring::new();
        run::<P>(&ring, ways);
        check_first(&ring, &mut attach::<P>(&ring));
    }
    for_each_ring!(at once: check(ways) for ways in Way::PAIRS);
}

#[test]
fn an_end_that_no_consumer_was_told_is_told_after_the_data_and_to_one_consumer() {
    fn check<P: End>(way: Way, is_read: bool, told: Way) {
        let ring = Ring::new();
        let mut tx = start::<P>(&ring);
        order(&mut tx, "move 0 3", "moved");
        let next = if is_read {
            // One that reads all, and is killed before it could be told.
            let mut rx = start::<P::Peer>(&ring);
            order(&mut rx, "move 0 3", "moved");
            rx.kill();
            3
        } else {
            0
        };
        way.end(tx);
        let mut rx = start::<P::Peer>(&ring);
        order(&mut rx, format_args!("move {next} 3"), "moved");
        for _ in 0..3 {
            order(&mut rx, "hear 3", format_args!("{:?}", way.is_told()));
        }
        told.end(rx);
        let mut rx: P::Peer = attach(&ring);
        assert_ne!(rx.peer_state(), PeerState::Alive);
        check_first(&ring, &mut rx);
    }
    for is_read in [false, true] {
        for_each_ring!(at once: check(way, is_read, told) for [way, told] in Way::PAIRS);
    }
}

#[test]
fn a_consumer_that_left_in_order_counts_as_told() {
    fn check<P: End>(way: Way) {
        let ring = Ring::new();
        let (mut tx, mut rx) = (start::<P>(&ring), start::<P::Peer>(&ring));
        order(&mut tx, "move 0 3", "moved");
        order(&mut rx, "move 0 3", "moved");
        Way::Closed.end(rx);
        way.end(tx);
        check_first(&ring, &mut attach::<P::Peer>(&ring));
    }
    for_each_ring!(at once: check(way) for way in Way::BOTH);
}

#[test]
fn data_that_a_consumer_left_behind_brings_the_end_back_to_the_one_who_reads_it() {
    fn check<P: End>(way: Way) {
        let ring = Ring::new();
        let (mut tx, mut rx) = (start::<P>(&ring), start::<P::Peer>(&ring));
        order(&mut tx, "move 0 3", "moved");
        order(&mut rx, "move 0 2", "moved");
        Way::Closed.end(rx);
        way.end(tx);
        let mut rx: P::Peer = attach(&ring);
        assert_eq!(rx.go(2, Some(LONG)), Ok(()));
        assert_eq!(rx.go(3, Some(LONG)), Err(way.is_told()));
        rx.close();
        check_first(&ring, &mut attach::<P::Peer>(&ring));
    }
    for_each_ring!(at once: check(way) for way in Way::BOTH);
}

#[test]
fn who_was_told_hears_it_at_each_call_until_a_peer_comes() {
    fn check<E: End>(way: Way) {
        let ring = Ring::new();
        let mut end: E = attach(&ring);
        let mut number = end.exhaust();
        for _ in 0..2 {
            way.end(start::<E::Peer>(&ring));
            for _ in 0..3 {
                assert_eq!(end.go(number, Some(LONG)), Err(way.is_told()), "{}", E::PART);
                assert_eq!(end.wait_ready(LONG), Err(way.is_told()), "{}", E::PART);
            }
        }
        let mut peer = start::<E::Peer>(&ring);
        assert_eq!(end.go(number, Some(SOON)), Err(WaitError::TimedOut), "{}", E::PART);
        order(&mut peer, "move 0 1", "moved");
        assert_eq!(end.go(number, Some(LONG)), Ok(()));
        number += 1;
        way.end(peer);
        assert_eq!(end.go(number, Some(LONG)), Err(way.is_told()), "{}", E::PART);
    }
    for_each_end!(at once: check(way) for way in Way::BOTH);
}

#[test]
fn a_producer_is_told_of_no_consumer_before_it() {
    fn check<P: End>(way: Way) {
        let ring = Ring::new();
        // It is gone before it could hear of the consumer that was there with it.
        let mut tx = start::<P>(&ring);
        let rx = start::<P::Peer>(&ring);
        tx.kill();
        way.end(rx);
        check_first(&ring, &mut attach::<P>(&ring));
    }
    for_each_ring!(at once: check(way) for way in Way::BOTH);
}

#[test]
fn a_consumer_that_hands_its_ring_on_leaves_the_end_to_the_next() {
    fn check<P: End>(way: Way) {
        let ring = Ring::new();
        let (mut tx, rx): (_, P::Peer) = (start::<P>(&ring), attach(&ring));
        order(&mut tx, "move 0 3", "moved");
        let _kept = rx.into_fd();
        way.end(tx);
        let mut rx: P::Peer = attach(&ring);
        (0..3).for_each(|number| assert_eq!(rx.go(number, Some(LONG)), Ok(())));
        assert_eq!(rx.go(3, Some(LONG)), Err(way.is_told()));
        // The ring is empty: what is told is what no consumer was told.
        let mut tx = start::<P>(&ring);
        order(&mut tx, "move 3 4", "moved");
        assert_eq!(rx.go(3, Some(LONG)), Ok(()));
        let _kept = rx.into_fd();
        way.end(tx);
        let mut rx: P::Peer = attach(&ring);
        assert_eq!(rx.go(4, Some(LONG)), Err(way.is_told()));
    }
    for_each_ring!(at once: check(way) for way in Way::BOTH);
}

#[test]
fn whoever_awaits_a_successor_is_told_of_no_end_at_all() {
    fn check<E: End>(way: Way) {
        let ring = Ring::new();
        let mut end = E::attach(&small(ring.options()).await_successor(true)).unwrap();
        let number = end.exhaust();
        way.end(start::<E::Peer>(&ring));
        assert_eq!(end.go(number, Some(SOON)), Err(WaitError::TimedOut), "{}", E::PART);
        let mut peer = start::<E::Peer>(&ring);
        order(&mut peer, "move 0 1", "moved");
        assert_eq!(end.go(number, Some(LONG)), Ok(()));
        way.end(peer);
        // Its consumer's role is taken over by one that does not await any.
        if E::ROLE == Role::Consumer {
            drop(end);
            check_first(&ring, &mut attach::<E>(&ring));
        }
    }
    for_each_end!(at once: check(way) for way in Way::BOTH);
}

/// Attaches an end of bytes that waits, or does not.
macro_rules! bytes {
    ($ring:expr, $attach:ident, $nonblocking:expr) => {{
        let mut end = succeed(|| $ring.options().capacity(8).$attach::<u8>());
        end.set_nonblocking($nonblocking);
        end
    }};
}

/// Lets a process write or read bytes in a first run; all was read, and the reader was told.
#[track_caller]
fn run_of_bytes(ring: &Ring, way: Way) {
    let mut rx: Consumer<u8> = bytes!(ring, stream_consumer, false);
    let tx = Child::start("bytes", ring.name(), &[]);
    let mut read = [0; 3];
    rx.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"abc");
    way.end_of_bytes(tx);
    let end = rx.read(&mut [0; 3]);
    match way {
        Way::Closed => assert_eq!(end.unwrap(), 0),
        Way::Killed => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionAborted),
    }
}

impl Way {
    #[track_caller]
    fn end_of_bytes(self, mut child: Child) {
        child.says("written");
        match self {
            Way::Closed => {
                child.say("close");
                child.join();
            }
            Way::Killed => child.kill(),
        }
    }
}

/// Writes bytes, and leaves when it is told to.
fn writer(part: &mut Part) {
    let mut tx: Producer<u8> = bytes!(part, stream_producer, false);
    tx.write_all(b"abc").unwrap();
    part.say("written");
    part.hear();
}

#[test]
fn a_reader_that_comes_first_on_the_second_run_meets_no_end_of_file() {
    for way in Way::BOTH {
        let ring = Ring::new();
        run_of_bytes(&ring, way);
        let mut rx: Consumer<u8> = bytes!(ring, stream_consumer, true);
        for _ in 0..3 {
            assert_eq!(rx.read(&mut [0; 3]).unwrap_err().kind(), ErrorKind::WouldBlock, "{way:?}");
        }
        rx.set_nonblocking(false);
        let tx = Child::start("bytes", ring.name(), &[]);
        let mut read = [0; 3];
        rx.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"abc");
        way.end_of_bytes(tx);
    }
}

#[test]
fn a_writer_that_comes_first_on_the_second_run_meets_no_broken_pipe() {
    for way in Way::BOTH {
        let ring = Ring::new();
        run_of_bytes(&ring, way);
        let mut tx: Producer<u8> = bytes!(ring, stream_producer, true);
        assert_eq!(tx.write(&[7; 10]).unwrap(), 8, "{way:?}");
        for _ in 0..3 {
            assert_eq!(tx.write(&[7]).unwrap_err().kind(), ErrorKind::WouldBlock, "{way:?}");
        }
        tx.set_nonblocking(false);
        thread::scope(|scope| {
            let writing = scope.spawn(|| tx.write(&[8]));
            thread::sleep(SOON);
            let mut rx: Consumer<u8> = bytes!(ring, stream_consumer, false);
            assert_eq!(rx.read(&mut [0; 8]).unwrap(), 8);
            assert_eq!(writing.join().unwrap().unwrap(), 1);
        });
    }
}

/// Returns a built example. `cargo test` builds them all; a run of this file alone may have to.
#[track_caller]
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples").join(name);
    if !program.exists() {
        let profile = folder.file_name().unwrap().to_str().unwrap();
        let profile = if profile == "debug" { "dev" } else { profile };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", name, "--profile", profile]);
        let mut build = Running::start(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
        assert!(build.end_within(5 * PATIENCE).success());
    }
    program
}

/// Two examples that work together: how each is started, and what each says in the end.
struct Pair {
    sends: [&'static str; 3],
    receives: [&'static str; 3],
    said: [&'static str; 2],
    /// The ring, from the name that both are given.
    ring: &'static str,
}

/// Without an end, and with one: the last word is how much is sent. Words that are empty are left out.
const PAIRS: [Pair; 5] = [
    Pair {
        sends: ["producer", "", "100000"],
        receives: ["consumer", "", ""],
        said: ["sent 100000 numbers", "received 100000 numbers"],
        ring: "",
    },
    Pair {
        sends: ["request_reply", "ask", "1000"],
        receives: ["request_reply", "serve", ""],
        said: ["asked 1000 questions", "answered "],
        ring: ".request",
    },
    Pair {
        sends: ["request_reply", "ask", "1000"],
        receives: [SERVER, "", ""],
        said: ["asked 1000 questions", "answered "],
        ring: ".request",
    },
    Pair {
        sends: ["fan_in", "send", "1000"],
        receives: ["fan_in", "gather", "1"],
        said: ["sent 1000 messages", "read "],
        ring: ".0",
    },
    Pair {
        sends: ["audio", "play", "1"],
        receives: ["audio", "record", ""],
        said: ["played 1 seconds", "recorded "],
        ring: "",
    },
];

/// The one that ends when it is interrupted, and by nothing else.
const SERVER: &str = "tokio_server";

/// How many numbers, questions, messages or seconds are more than can be sent before a kill.
const ENDLESS: &str = "4000000000";

/// What an example says of another one that was killed.
const GONE: &str = "is gone without having closed the ring";

/// Waits for the end of an example, and returns what it has said that was not heard yet.
#[track_caller]
fn end(running: Running) -> (ExitStatus, String, String) {
    let Output { status, stdout, stderr } = running.output();
    (status, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Waits until an example says this, and hears no further than the end of that line.
#[track_caller]
fn hear(running: &mut Running, words: &str) {
    let stdout = running.child().stdout.as_mut().unwrap();
    let (mut said, mut byte) = (vec![], [0]);
    // Byte by byte: the next lines stay for whoever reads on.
    while stdout.read_exact(&mut byte).is_ok() {
        said.extend(byte);
        if said.ends_with(b"\n") && String::from_utf8_lossy(&said).contains(words) {
            return;
        }
    }
    panic!("expected {words:?}, found {:?}", String::from_utf8_lossy(&said));
}

/// Starts an example with these words behind its name.
#[track_caller]
fn start_example<'a>(program: &str, words: impl IntoIterator<Item = &'a str>) -> Running {
    let mut command = Command::new(example(program));
    Running::start(command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

impl Pair {
    #[track_caller]
    fn start(&self, [program, part, count]: [&str; 3], ring: &Ring) -> Running {
        // `fan_in send` is told the number of the ring too.
        let number = if part == "send" { "0" } else { "" };
        start_example(program, [part, ring.name(), number, count].into_iter().filter(|word| !word.is_empty()))
    }

    #[track_caller]
    fn send(&self, ring: &Ring, count: &str) -> Running {
        self.start([self.sends[0], self.sends[1], count], ring)
    }

    #[track_caller]
    fn receive(&self, ring: &Ring) -> Running {
        self.start(self.receives, ring)
    }

    /// Waits until so much was received.
    #[track_caller]
    fn flows(&self, ring: &Ring, beyond: u64) -> u64 {
        let name = format!("{}{}", ring.name(), self.ring);
        wait_for("a flow", || {
            let looked = ringmain::inspect::Inspection::open(&name).ok()?;
            looked.positions().ok().map(|positions| positions.head).filter(|head| *head > beyond)
        })
    }

    /// Waits for the ends of both, and checks that each did all that it should.
    #[track_caller]
    fn ends(&self, run: &str, tx: Running, rx: Running) {
        for ((running, [program, ..]), said) in [(tx, self.sends), (rx, self.receives)].into_iter().zip(self.said) {
            if program == SERVER {
                let pid = Pid::from_raw(running.id() as i32).unwrap();
                kill_process(pid, Signal::INT).unwrap();
            }
            let (status, out, errors) = end(running);
            assert!(status.success() && out.contains(said), "{said:?}, {run}: {status}\n{out}{errors}");
        }
    }

    /// Starts both, one after the other.
    #[track_caller]
    fn both(&self, ring: &Ring, first: &str, count: &str) -> (Running, Running) {
        if first == "tx" {
            let tx = self.send(ring, count);
            thread::sleep(SOON);
            (tx, self.receive(ring))
        } else {
            let rx = self.receive(ring);
            thread::sleep(SOON);
            (self.send(ring, count), rx)
        }
    }
}

#[test]
fn the_server_of_a_ring_without_a_name_is_started_again_after_it_was_killed() {
    let ring = Ring::new();
    let socket = env::temp_dir().join(ring.name());
    let start = |part| start_example("anonymous_socket", [part, socket.to_str().unwrap(), "1000"]);
    let mut server = start("serve");
    wait_for("a socket", || socket.exists().then_some(()));
    server.kill();
    let server = start("serve");
    // The old socket refuses, until the new one is there.
    let received = wait_for("a client that is served", || {
        let output = start("receive").output();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    assert!(received.contains("received 1000 numbers, from Some(0) to Some(999)"), "{received}");
    let output = server.output();
    assert!(output.status.success(), "{output:?}");
    assert!(!socket.exists());
}

#[test]
fn the_examples_go_on_in_either_order_after_either_was_closed_or_killed() {
    let check = |pair: &Pair, ended: &str, first: &str| {
        let run = format!("{} and {} after {ended}, {first} first", pair.sends[0], pair.receives[0]);
        let (ring, count) = (Ring::new(), pair.sends[2]);
        let is_endless = ended != "closed";
        let (mut tx, mut rx) = pair.both(&ring, first, if is_endless { ENDLESS } else { count });
        if !is_endless {
            pair.ends(&run, tx, rx);
        } else {
            let head = pair.flows(&ring, 0);
            // Nothing comes between: the one that is left goes on with the one that is started again.
            match ended {
                "tx" => {
                    tx.kill();
                    let tx = pair.send(&ring, count);
                    return pair.ends(&run, tx, rx);
                }
                "rx" => {
                    rx.kill();
                    rx = pair.receive(&ring);
                    pair.flows(&ring, head);
                    // A producer that nobody reads from is ended too, so that the whole run ends.
                    tx.kill();
                    tx = pair.send(&ring, count);
                    return pair.ends(&run, tx, rx);
                }
                "tx and rx" => {
                    tx.kill();
                    rx.kill();
                }
                _ => {
                    rx.kill();
                    thread::sleep(SOON);
                    tx.kill();
                }
            }
        }
        let (tx, rx) = pair.both(&ring, first, count);
        pair.ends(&run, tx, rx);
    };
    thread::scope(|scope| {
        for pair in &PAIRS {
            scope.spawn(move || {
                for ended in ["closed", "tx", "rx", "tx and rx", "rx and tx"] {
                    ["tx", "rx"].into_iter().for_each(|first| check(pair, ended, first));
                }
            });
        }
    });
}

#[test]
fn an_example_says_once_that_the_other_one_was_killed() {
    for pair in PAIRS.iter().filter(|pair| !["fan_in", SERVER].contains(&pair.receives[0])) {
        let ring = Ring::new();
        let mut rx = pair.receive(&ring);
        // It has attached, and knows of nobody.
        hear(&mut rx, "");
        let mut tx = pair.send(&ring, ENDLESS);
        pair.flows(&ring, 0);
        tx.kill();
        hear(&mut rx, GONE);
        // Another call would find it again, within a slice of a sleep: 100 ms.
        thread::sleep(20 * SOON);
        assert!(pair.send(&ring, pair.sends[2]).end().success());
        let (status, out, errors) = end(rx);
        assert!(status.success() && !out.contains(GONE), "{status}\n{out}{errors}");
    }
}

#[test]
fn an_example_that_waits_for_another_one_says_so() {
    let check = |pair: &Pair| {
        let [program, _, count] = pair.sends;
        let ring = Ring::new();
        // Nobody is there, on the first run and after it.
        for _ in 0..2 {
            let mut tx = pair.send(&ring, count);
            hear(&mut tx, "peer Never; start `");
            let rx = pair.receive(&ring);
            pair.ends("alone", tx, rx);
        }
        // A sound card waits for nobody while it plays.
        if program != "audio" {
            let (mut tx, mut rx) = pair.both(&ring, "rx", ENDLESS);
            let head = pair.flows(&ring, 0);
            rx.kill();
            hear(&mut tx, "waiting for ");
            let rx = pair.receive(&ring);
            pair.flows(&ring, head);
            tx.kill();
            pair.ends("after a kill", pair.send(&ring, count), rx);
        }
    };
    thread::scope(|scope| PAIRS.iter().for_each(|pair| drop(scope.spawn(move || check(pair)))));
}

#[test]
fn an_example_that_waits_for_a_ring_whose_name_is_gone_ends() {
    for pair in PAIRS.iter().filter(|pair| !["fan_in", SERVER].contains(&pair.receives[0])) {
        let ring = Ring::new();
        let (mut tx, mut rx) = pair.both(&ring, "rx", ENDLESS);
        pair.flows(&ring, 0);
        tx.kill();
        hear(&mut rx, GONE);
        ringmain::unlink(&format!("{}{}", ring.name(), pair.ring)).unwrap();
        let (status, _, errors) = end(rx);
        assert!(status.code() == Some(1) && errors.contains("the ring's name is gone"), "{status}: {errors}");
        let (tx, rx) = pair.both(&ring, "rx", pair.sends[2]);
        pair.ends("anew", tx, rx);
    }
}

#[test]
fn examples_refuse_what_they_cannot_do() {
    let ring = Ring::new();
    let check = |program: &str, words: [&str; 3], expected: &str| {
        let (status, _, errors) = end(start_example(program, words));
        assert!(status.code() == Some(1) && errors.contains(expected), "{program} {words:?}: {status}\n{errors}");
    };
    let cause = "expected a number\n\nCaused by:\n    number too large to fit in target type\n";
    check("audio", ["play", ring.name(), "4294967296"], cause);
    // An empty address is one that the system chooses.
    check("anonymous_socket", ["serve", "", "1"], "no path after serve");
    // A file that is no socket refuses to be connected to, as the socket of a server that was killed.
    let file = env::temp_dir().join(ring.name());
    fs::write(&file, "of somebody").unwrap();
    check("anonymous_socket", ["serve", file.to_str().unwrap(), "1"], "cannot listen at ");
    assert_eq!(fs::read(&file).unwrap(), b"of somebody");
    fs::remove_file(&file).unwrap();
    // So many that their ids have no room above the first one.
    let pair = &PAIRS[1];
    let (mut tx, rx) = pair.both(&ring, "rx", "18446744073709551615");
    pair.flows(&ring, 0);
    tx.kill();
    pair.ends("after too many", pair.send(&ring, pair.sends[2]), rx);
}

#[test]
fn a_daemon_that_cannot_attach_says_why_and_is_not_awaited_for_ever() {
    let mut was_alone = false;
    // With the first limits the parent cannot attach, with a later one its child.
    for limit in 4.. {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $0 && exec \"$1\"", &limit.to_string()]).arg(example("daemon"));
        let output = output(&mut command);
        if output.status.success() {
            break;
        }
        if String::from_utf8(output.stdout).unwrap().contains("in the daemon") {
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(errors.contains("Too many open files") && errors.contains("the time that was given"), "{errors}");
            was_alone = true;
        }
    }
    assert!(was_alone);
}
