//! The examples, of which either end is closed or killed, and started again.

// That of the library's tests.
#[path = "../../../tests/common/running.rs"]
mod running;

use std::env;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{slice, thread};

use ringmain::inspect::Inspection;
use ringmain::{Options, PeerState, Role, unlink};
use rustix::process::Signal;

use self::running::{PATIENCE, Running, wait_for};
use super::{Tick, compile, folder, scratch};

/// Long enough for a process to come so far that it waits, and to be told of a crash; nothing fails if it is not.
const SOON: Duration = Duration::from_millis(200);

/// How many ticks the producer sends, and how many the ring holds.
const TICKS: u64 = 100_000;
const CAPACITY: u64 = 1 << 16;

/// Two examples that work together: the words by which each is started, before the name of their rings.
struct Pair {
    tx: Vec<OsString>,
    rx: Vec<OsString>,
    /// What a run prints in which so much was received, and nothing else.
    said: fn(&[Range<u64>]) -> String,
    /// The end of the names of its rings; what the first one carries comes from `tx`.
    rings: &'static [&'static str],
    /// Whether so much lies in the first ring once `tx` has sent all that it can while nobody reads.
    sent: fn(u64) -> bool,
    /// Reads a part as `rx` would, and ends as if it were killed; returns what is left to be received.
    half: fn(&str) -> Range<u64>,
}

/// The name of the rings of a pair, which are removed afterwards.
struct Name(String, &'static [&'static str]);

impl Name {
    fn rings(&self) -> impl Iterator<Item = String> {
        self.1.iter().map(|ending| format!("{}{ending}", self.0))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // They are left only where a test fails.
        self.rings().for_each(|ring| _ = unlink(&ring));
    }
}

impl Pair {
    fn name(&self) -> Name {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Name(format!("c-{}-again-{count}", std::process::id()), self.rings)
    }

    #[track_caller]
    fn start(&self, words: &[OsString], name: &Name) -> Running {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(&name.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::try_start_for(PATIENCE, &mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    #[track_caller]
    fn send(&self, name: &Name) -> Running {
        self.start(&self.tx, name)
    }

    #[track_caller]
    fn receive(&self, name: &Name) -> Running {
        self.start(&self.rx, name)
    }

    /// Waits until the first ring is as it should be.
    #[track_caller]
    fn looks(&self, name: &Name, what: &str, is_so: impl Fn(&Inspection) -> bool) {
        let ring = name.rings().next().unwrap();
        wait_for(what, || Inspection::open(&ring).ok().filter(&is_so));
    }

    /// Waits until so much lies in it.
    #[track_caller]
    fn holds(&self, name: &Name, is_so: impl Fn(u64) -> bool) {
        self.looks(name, "what a ring holds", |ring| ring.positions().is_ok_and(|found| is_so(found.used)));
    }

    /// Starts a receiver that takes nothing, until it is told to continue.
    #[track_caller]
    fn receive_stopped(&self, name: &Name) -> Running {
        let rx = self.receive(name);
        // It has attached to all of its rings then, and holds nobody up.
        self.looks(name, "a receiver that sleeps", |ring| {
            ring.end(Role::Consumer).is_ok_and(|end| end.state == PeerState::Alive && end.sleeps.is_asleep)
        });
        rx.signal(Signal::STOP);
        rx
    }

    /// Starts both, one after the other.
    #[track_caller]
    fn both(&self, name: &Name, first: &str) -> (Running, Running) {
        if first == "tx" {
            let tx = self.send(name);
            thread::sleep(SOON);
            (tx, self.receive(name))
        } else {
            let rx = self.receive(name);
            thread::sleep(SOON);
            (self.send(name), rx)
        }
    }

    /// Waits for the ends of both, and checks what they have said, and that no ring is left.
    #[track_caller]
    fn ends(&self, run: &str, name: &Name, (tx, rx): (Running, Running), received: &[Range<u64>]) {
        let mut said = String::new();
        for running in [tx, rx] {
            let output = running.output();
            let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
            assert!(output.status.success(), "{run}: {}\n{out}{errors}", output.status);
            said += &out;
        }
        assert_eq!(said, (self.said)(received), "{run}");
        name.rings().for_each(|ring| assert!(Inspection::open(&ring).is_err(), "{run} leaves {ring}"));
    }

    fn check(&self) {
        let (all, unread) = (0..TICKS, 0..CAPACITY);
        let twice = [unread, all.clone()];
        for first in ["tx", "rx"] {
            let run = |ended: &str| format!("{:?} after {ended}, {first} first", self.rx);

            let name = self.name();
            for _ in 0..2 {
                self.ends(&run("a close"), &name, self.both(&name, first), slice::from_ref(&all));
            }

            // Nothing comes between: the one that is left goes on with the one that is started again.
            let name = self.name();
            if first == "tx" {
                let mut tx = self.send(&name);
                self.holds(&name, self.sent);
                tx.kill();
                self.ends(&run("a kill of tx"), &name, self.both(&name, first), &twice);
            } else {
                let rx = self.receive_stopped(&name);
                let mut tx = self.send(&name);
                self.holds(&name, self.sent);
                tx.kill();
                rx.signal(Signal::CONT);
                self.holds(&name, |used| used == 0);
                thread::sleep(SOON);
                self.ends(&run("a kill of tx"), &name, (self.send(&name), rx), &twice);
            }

            let name = self.name();
            if first == "tx" {
                let tx = self.send(&name);
                self.holds(&name, self.sent);
                let left = (self.half)(&name.0);
                thread::sleep(SOON);
                self.ends(&run("an abandon of rx"), &name, (tx, self.receive(&name)), &[left]);
            } else {
                let mut rx = self.receive_stopped(&name);
                let tx = self.send(&name);
                self.holds(&name, self.sent);
                rx.kill();
                thread::sleep(SOON);
                self.ends(&run("a kill of rx"), &name, (tx, self.receive(&name)), slice::from_ref(&all));
            }

            for order in ["tx and rx", "rx and tx"] {
                let name = self.name();
                let mut rx = self.receive_stopped(&name);
                let mut tx = self.send(&name);
                self.holds(&name, self.sent);
                let killed = if order == "tx and rx" { [&mut tx, &mut rx] } else { [&mut rx, &mut tx] };
                for running in killed {
                    running.kill();
                    thread::sleep(SOON);
                }
                self.ends(&run(&format!("kills of {order}")), &name, self.both(&name, first), &twice);
            }
        }
    }
}

/// What a consumer of ticks prints.
fn ticks(received: &[Range<u64>]) -> String {
    let number: u64 = received.iter().map(|times| times.end - times.start).sum();
    let sum = 0.5 * received.iter().cloned().flatten().sum::<u64>() as f64;
    format!("{number} ticks, sum {sum:.1}; the other end has closed the ring\n")
}

/// A consumer of 1000 ticks.
#[track_caller]
fn half_of_the_ticks(name: &str) -> Range<u64> {
    let mut rx = Options::new(name).type_tag("tick").stream_consumer::<Tick>().unwrap();
    (0..1000).for_each(|time| assert_eq!(rx.pop().unwrap()[0], time));
    rx.abandon();
    1000..TICKS
}

/// A ring of request_reply.cpp.
fn words(name: &str, way: &str) -> Options {
    Options::new(format!("{name}.{way}")).capacity(1 << 16).record_alignment(64).type_tag("text")
}

/// Answers a question, and does not release it.
#[track_caller]
fn half_of_an_answer(name: &str) -> Range<u64> {
    let mut rx = words(name, "request").message_consumer().unwrap();
    let mut tx = words(name, "reply").message_producer().unwrap();
    let question = rx.peek().unwrap();
    tx.push_tagged(question.word(), b"you said one").unwrap();
    drop(question);
    rx.abandon();
    tx.abandon();
    0..TICKS
}

/// Checks `producer.c` and a consumer of its ticks.
fn check_ticks(rx: Vec<OsString>, scratch: &Path) {
    let tx = vec![example("producer.c", scratch)];
    Pair { tx, rx, said: ticks, rings: &[""], sent: |used| used == CAPACITY, half: half_of_the_ticks }.check();
}

fn check_ticks_by(source: &str) {
    let scratch = scratch(&format!("again-{source}"));
    check_ticks(vec![example(source, &scratch)], &scratch);
}

fn example(source: &str, scratch: &Path) -> OsString {
    compile(&folder().join("examples").join(source), scratch).into()
}

#[test]
fn the_pair_in_c_goes_on_in_either_order_after_either_was_closed_or_killed() {
    check_ticks_by("consumer.c");
}

#[test]
fn an_event_loop_goes_on_in_either_order_after_either_was_closed_or_killed() {
    check_ticks_by("event_loop.c");
}

/// `capi/check cpp` runs it, as no other test needs more than a compiler for C.
#[test]
#[ignore = "it needs a compiler for C++"]
fn the_pair_in_cpp_goes_on_in_either_order_after_either_was_closed_or_killed() {
    pair_in_cpp("again").check();
}

/// `capi/check cpp` runs it, too.
#[test]
#[ignore = "it needs a compiler for C++"]
fn the_pair_in_cpp_keeps_a_question_whose_server_is_killed_before_it_could_answer() {
    let pair = pair_in_cpp("lost");
    let name = pair.name();
    // Nobody reads the replies, and there is no room for one more. No asker has this id.
    let mut tx = words(&name.0, "reply").message_producer().unwrap();
    while tx.push(b"an answer to somebody else").is_ok() {}
    tx.abandon();
    let mut tx = words(&name.0, "request").message_producer().unwrap();
    tx.push_tagged(1, b"a question").unwrap();
    let mut rx = pair.receive(&name);
    wait_for("a server that sleeps", || {
        let end = Inspection::open(&format!("{}.reply", name.0)).ok()?.end(Role::Producer).ok()?;
        (end.state == PeerState::Alive && end.sleeps.is_asleep).then_some(())
    });
    rx.kill();
    assert_eq!(tx.is_empty(), Ok(false), "the question is gone");
    tx.abandon();
    pair.ends("a question", &name, pair.both(&name, "rx"), &[]);
}

fn pair_in_cpp(folder: &str) -> Pair {
    let program = example("request_reply.cpp", &scratch(&format!("{folder}-cpp")));
    let [tx, rx] = ["ask", "serve"].map(|part| vec![program.clone(), part.into()]);
    let said = |_: &[Range<u64>]| "you said one\nyou said two\nyou said three\n".to_owned();
    Pair { tx, rx, said, rings: &[".request", ".reply"], sent: |used| used > 0, half: half_of_an_answer }
}

/// `capi/check languages` runs it, and says which.
#[test]
#[ignore = "RINGMAIN_CONSUMER has the words of a consumer in another language"]
fn a_consumer_in_another_language_goes_on_in_either_order_after_either_was_closed_or_killed() {
    let words = env::var("RINGMAIN_CONSUMER").expect("RINGMAIN_CONSUMER: the words of a consumer, with spaces between");
    let words = words.split(' ').map(OsString::from).collect();
    check_ticks(words, &scratch("again-language"));
}
