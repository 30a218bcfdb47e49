//! Bits that flip and words that lie, before a victim comes and while it works: typed errors, and nothing worse.
//!
//! A child is the liar and its victim in one, so that a round follows from its seed alone. A signal, a panic or a hang in it
//! is told with that seed: `RINGMAIN_SEED=seed RINGMAIN_ROUNDS=1` makes that one round again.

mod common;

use std::fmt::Display;
use std::iter::successors;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::thread;

use common::hostile::{Shape, Start, Verdict, Victim, Words, attached, avoid, surround};
use common::messages::mixed;
use common::{Child, Journal, Part, Random, Ring, path, rounds, seed};
use ringmain::{Options, message, stream};

/// How many rounds a test makes.
const ROUNDS: u64 = 8000;

/// How many rounds a child makes between two words to its test.
const REPORT: u64 = 500;

/// A round makes fewer calls than this. One in so many calls waits, and one round in so many ends with a wait without a limit.
const CALLS: u64 = 40;
const PATIENCE: u64 = 128;
const BLOCKING: u64 = 512;

/// Rings that end where a page does, so that a step beyond them is a signal; and the smallest one.
const BYTES: Shape = Shape { capacity: 4096, unit: 1, align: 0 };
const STRUCTS: Shape = Shape { capacity: 512, unit: 24, align: 0 };
const ONE: Shape = Shape { capacity: 1, unit: 8, align: 0 };
const WORDS: Shape = Shape { capacity: 4096, unit: 1, align: 8 };
const PAIRS: Shape = Shape { capacity: 8192, unit: 1, align: 16 };
const LINES: Shape = Shape { capacity: 4096, unit: 1, align: 64 };

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream-producer", |part| {
            let bytes = Case::<stream::Producer<u8>>::new(part, 0, BYTES);
            let structs = Case::<stream::Producer<[u64; 3]>>::new(part, 1, STRUCTS);
            let one = Case::<stream::Producer<u64>>::new(part, 2, ONE);
            play(part, [bytes.rounds(), structs.rounds(), one.rounds()]);
        }),
        ("stream-consumer", |part| {
            let bytes = Case::<stream::Consumer<u8>>::new(part, 0, BYTES);
            let structs = Case::<stream::Consumer<[u64; 3]>>::new(part, 1, STRUCTS);
            let one = Case::<stream::Consumer<u64>>::new(part, 2, ONE);
            play(part, [bytes.rounds(), structs.rounds(), one.rounds()]);
        }),
        ("message-producer", |part| {
            let case = |at, shape| Case::<message::Producer>::new(part, at, shape).rounds();
            play(part, [case(0, WORDS), case(1, PAIRS), case(2, LINES)]);
        }),
        ("message-consumer", |part| {
            let case = |at, shape| Case::<message::Consumer>::new(part, at, shape).rounds();
            play(part, [case(0, WORDS), case(1, PAIRS), case(2, LINES)]);
        }),
    ]);
}

/// Makes the round of a seed.
type Round = Box<dyn FnMut(u64, &mut Tally)>;

/// What the rounds of a child came to.
#[derive(Default)]
struct Tally {
    /// Attaches that were refused.
    refused: u64,
    /// Victims that were poisoned, and those that were not.
    poisoned: u64,
    whole: u64,
    /// Calls that did something.
    done: u64,
}

/// Makes the rounds that the test asks for. The seed of each chooses the ring, too.
fn play(part: &mut Part, mut cases: [Round; 3]) {
    let (journal, first, rounds): (String, u64, u64) = (part.argument(3), part.argument(4), part.argument(5));
    let (journal, mut tally) = (Journal::open(&journal), Tally::default());
    for (round, seed) in (1..=rounds).zip(successors(Some(first), |seed| Some(seed.wrapping_add(1)))) {
        journal.done(seed);
        cases[(seed % 3) as usize](seed, &mut tally);
        if round % REPORT == 0 {
            part.say("goes on");
        }
    }
    part.say("ends");
    let Tally { refused, poisoned, whole, done } = tally;
    [refused, poisoned, whole, done].into_iter().for_each(|count| part.say(count));
}

/// A ring, one of its ends as the victim, and its words once it stands.
struct Case<V> {
    name: String,
    shape: Shape,
    victim: PhantomData<V>,
}

impl<V: Victim + 'static> Case<V> {
    fn new(part: &Part, at: usize, shape: Shape) -> Case<V> {
        Case { name: part.argument(at), shape, victim: PhantomData }
    }

    fn rounds(self) -> Round {
        let mut stand = None;
        Box::new(move |seed, tally| {
            loop {
                let (words, start) = stand.get_or_insert_with(|| self.make());
                if self.round(words, start, seed, tally) {
                    break;
                }
            }
            if !self.path().exists() {
                // The victim took it for what a dead creator has left.
                stand = None;
            }
        })
    }

    fn make(&self) -> (Words, Start) {
        V::make(&Options::new(&self.name), self.shape);
        let words = Words::of(&self.path());
        let start = Start::of(&words, self.shape);
        (words, start)
    }

    fn path(&self) -> PathBuf {
        path(&self.name)
    }

    /// Makes the round of a seed; returns whether there was a guard around the victim, without which it is none.
    fn round(&self, words: &Words, start: &Start, seed: u64, tally: &mut Tally) -> bool {
        let random = Random::seeded(mixed(seed));
        let mut shadow = start.make(words, &random);
        let mut lie = |most| {
            for _ in 0..random.below(most) {
                let (offset, value) = start.lie(words, &random);
                shadow.write(words, offset, value);
            }
        };
        lie(4);
        let options = Options::new(&self.name).await_first_peer(false).publish_every(random.below(100) as usize);
        match attached(V::attach(&options)) {
            None => tally.refused += 1,
            Some(mut victim) => {
                if let Err(place) = surround(&self.path(), words.address()) {
                    drop(victim);
                    avoid(place);
                    return false;
                }
                start.check_positions(words);
                let mut verdict = Verdict::default();
                let lies = 2 + random.below(3);
                for _ in 0..random.below(CALLS) {
                    verdict.hear(victim.call(&random, PATIENCE));
                    if random.below(lies) == 0 {
                        lie(4);
                    }
                }
                if random.below(BLOCKING) == 0 {
                    verdict.hear(victim.block());
                }
                if random.below(2) == 0 {
                    victim.close().unwrap();
                }
                tally.done += verdict.done;
                *(if verdict.poison.is_some() { &mut tally.poisoned } else { &mut tally.whole }) += 1;
            }
        }
        shadow.check(words, V::owns);
        true
    }
}

/// Says which round is to be made again, where a test fails.
struct Told {
    journal: Journal,
}

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to see it again: RINGMAIN_SEED={} RINGMAIN_ROUNDS=1", self.journal.finished());
        }
    }
}

#[track_caller]
fn check(victim: &str) {
    let told = Told { journal: Journal::new() };
    let rings = [Ring::new(), Ring::new(), Ring::new()];
    let rounds = rounds(ROUNDS);
    let [first, second, third] = rings.each_ref().map(Ring::name);
    let arguments: [&dyn Display; 6] = [&first, &second, &third, &told.journal.path(), &seed(), &rounds];
    let mut child = Child::start(victim, first, &arguments);
    while child.hear() == "goes on" {}
    let [refused, poisoned, whole, done] = [0; 4].map(|_| child.hear().parse::<u64>().unwrap());
    child.join();
    println!("{rounds} rounds: {refused} refused, {poisoned} poisoned, {whole} not, {done} calls done");
    assert_eq!(refused + poisoned + whole, rounds);
    if rounds >= ROUNDS {
        let least = rounds / 20;
        assert!(refused.min(poisoned).min(whole) > least && done > rounds, "one way or another they say nothing");
    }
}

#[test]
fn a_producer_of_elements_survives_flips() {
    check("stream-producer");
}

#[test]
fn a_consumer_of_elements_survives_flips() {
    check("stream-consumer");
}

#[test]
fn a_producer_of_messages_survives_flips() {
    check("message-producer");
}

#[test]
fn a_consumer_of_messages_survives_flips() {
    check("message-consumer");
}
