//! Bits that flip and words that lie, before a victim comes and while it works: typed errors, and nothing worse.
//!
//! A child is the liar and its victim in one, so that a round follows from its seed alone. A signal, a panic or a hang
//! in it is told with that seed: `RINGMAIN_SEED=seed RINGMAIN_ROUNDS=1` makes that one round again.

mod common;

use std::fmt::Display;
use std::iter::successors;
use std::thread;

use common::hostile::{Case, Limits, Shape, Victim};
use common::messages::mixed;
use common::{Child, Journal, Part, Random, Ring, rounds, seed};
use ringmain::{message, stream};

/// How many rounds a test makes.
const ROUNDS: u64 = 8000;

/// How many rounds a child makes between two words to its test.
const REPORT: u64 = 500;

const LIMITS: Limits = Limits { calls: 40, patience: 128, blocking: 512, guard: 1 };

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
            let bytes = case::<stream::Producer<u8>>(part, 0, BYTES);
            let structs = case::<stream::Producer<[u64; 3]>>(part, 1, STRUCTS);
            let one = case::<stream::Producer<u64>>(part, 2, ONE);
            play(part, [bytes, structs, one]);
        }),
        ("stream-consumer", |part| {
            let bytes = case::<stream::Consumer<u8>>(part, 0, BYTES);
            let structs = case::<stream::Consumer<[u64; 3]>>(part, 1, STRUCTS);
            let one = case::<stream::Consumer<u64>>(part, 2, ONE);
            play(part, [bytes, structs, one]);
        }),
        ("message-producer", |part| play_messages::<message::Producer>(part)),
        ("message-consumer", |part| play_messages::<message::Consumer>(part)),
    ]);
}

fn play_messages<V: Victim + 'static>(part: &mut Part) {
    let cases = [(0, WORDS), (1, PAIRS), (2, LINES)].map(|(at, shape)| case::<V>(part, at, shape));
    play(part, cases);
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

/// Makes rounds with one end of a ring as the victim.
fn case<V: Victim + 'static>(part: &Part, at: usize, shape: Shape) -> Round {
    let mut case = Case::<V>::new(&part.argument::<String>(at), shape);
    Box::new(move |seed, tally| match case.round(|| Random::seeded(mixed(seed)), LIMITS) {
        None => tally.refused += 1,
        Some(verdict) => {
            tally.done += verdict.done;
            *(if verdict.poison.is_some() { &mut tally.poisoned } else { &mut tally.whole }) += 1;
        }
    })
}

/// Says which round is to be made again, if a test fails.
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
