//! A thread that swings a word between what can be and what cannot, as fast as it can, under a victim that works: each
//! word is read once, so what a call checks is what it uses.
//!
//! The victim and its liar are a child: a signal is seen as one.

mod common;

use common::hostile::swings::{Liar, Swung, swing};
use common::hostile::{Shape, Victim};
use common::{Child, Part, Random, Ring, rounds, seed, turn};
use ringmain::{message, stream};

/// How many calls a victim makes. `.ci/run` asks for more.
const CALLS: u64 = 40_000;

const ELEMENTS: Shape = Shape { capacity: 512, unit: 8, align: 0 };
const MESSAGES: Shape = Shape { capacity: 4096, unit: 1, align: 8 };

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("stream-producer", |part| play::<stream::Producer<u64>>(part, ELEMENTS, |liar| liar.swing_head())),
        ("stream-consumer", |part| play::<stream::Consumer<u64>>(part, ELEMENTS, |liar| liar.swing_tail())),
        ("message-producer", |part| play::<message::Producer>(part, MESSAGES, |liar| liar.swing_head())),
        ("message-consumer", |part| play::<message::Consumer>(part, MESSAGES, |liar| liar.swing_tail())),
        ("message-consumer-by-headers", |part| play::<message::Consumer>(part, MESSAGES, |liar| liar.swing_headers())),
    ]);
}

/// Works as a victim while another thread swings, and says what came of it.
fn play<V: Victim>(part: &mut Part, shape: Shape, lie: fn(&mut Liar<'_, Random>)) {
    let (random, calls): (_, u64) = (Random::seeded(part.argument(0)), part.argument(1));
    let (name, theirs) = (part.name().to_owned(), Random::seeded(random.any()));
    let swung = swing::<V, _>(&name, shape, calls, [random, theirs], lie, || part.say("goes on"));
    part.say("ends");
    let Swung { handles, poisoned, calls, done } = swung;
    [handles, poisoned, calls, done].into_iter().for_each(|count| part.say(count));
}

#[track_caller]
fn check(victim: &str) {
    let _turn = turn();
    let ring = Ring::new();
    let calls = rounds(CALLS);
    let mut child = Child::start(victim, ring.name(), &[&seed(), &calls]);
    while child.hear() == "goes on" {}
    let [handles, poisoned, made, done] = [0; 4].map(|_| child.hear().parse::<u64>().unwrap());
    child.join();
    println!("{handles} handles, {poisoned} of them poisoned; {made} calls, {done} of which did something");
    if calls >= CALLS {
        // On a busy machine a liar may stand still for most of the time with a lie that stops everything.
        assert!(done > calls / 1000, "the victim could do nothing");
    }
}

#[test]
fn a_producer_of_elements_survives_a_head_that_swings() {
    check("stream-producer");
}

#[test]
fn a_consumer_of_elements_survives_a_tail_that_swings() {
    check("stream-consumer");
}

#[test]
fn a_producer_of_messages_survives_a_head_that_swings() {
    check("message-producer");
}

#[test]
fn a_consumer_of_messages_survives_a_tail_that_swings() {
    check("message-consumer");
}

#[test]
fn a_consumer_of_messages_survives_lengths_that_swing() {
    check("message-consumer-by-headers");
}
