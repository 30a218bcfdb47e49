//! A thread that swings a word between what can be and what cannot, as fast as it can, under a victim that works: each
//! word is read once, so what a call checks is what it uses.
//!
//! The victim and its liar are a child: a signal is seen as one.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::hostile::{Shape, Verdict, Victim, Words, attached, avoid, surround};
use common::messages::header;
use common::{Child, Part, Random, Ring, path, rounds, seed, turn, word};
use ringmain::{Options, message, stream};

/// How many calls a victim makes, and fewer than how many of one handle. One in so many waits. `.ci/run` asks for more.
const CALLS: u64 = 40_000;
const VISIT: u64 = 100;
const PATIENCE: u64 = 1000;

/// It goes on until so many of its handles were poisoned.
const CALLS_PER_LIE: u64 = 5000;

/// How many calls a victim makes at least between two words to its test.
const REPORT: u64 = 1000;

const ELEMENTS: Shape = Shape { capacity: 512, unit: 8, align: 0 };
const MESSAGES: Shape = Shape { capacity: 4096, unit: 1, align: 8 };

/// The size of each record, if it is not their headers that swing; and how many elements come at once.
const STEP: u64 = 64;

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

/// The thread that swings.
struct Liar<'a> {
    words: &'a Words,
    random: Random,
    /// A position only grows, so this is the lowest one that can be.
    lowest: u64,
}

impl Liar<'_> {
    /// Lets the consumer read everything at once. The producer finds all room, or an absurd head.
    fn swing_head(&mut self) {
        let tail = self.words.read(word::TAIL);
        self.swing(word::HEAD, tail);
    }

    /// Lets the producer be a little ahead. The consumer finds what lies in the ring, or an absurd tail.
    fn swing_tail(&mut self) {
        let ahead = self.words.read(word::HEAD).wrapping_add(STEP * self.random.below(8));
        if ahead.wrapping_sub(self.lowest) < 1 << 32 {
            self.lowest = ahead;
        }
        self.swing(word::TAIL, self.lowest);
    }

    /// Stores a position that can be, or one that cannot. It may stand for long, if the victim has the only
    /// processor.
    fn swing(&self, word: u64, position: u64) {
        let absurd = [1 << 63, u64::MAX, 3, 8192, 4097, 1 << 32][self.random.below(6) as usize];
        let is_absurd = self.random.below(16) == 0;
        self.words.write(word, position.wrapping_add(if is_absurd { absurd } else { 0 }));
    }

    /// Swings the header of the message at the head between lengths that can be, and those that cannot.
    fn swing_headers(&mut self) {
        let head = self.words.read(word::HEAD);
        let at = word::DATA + head % MESSAGES.capacity / 8 * 8;
        self.words.write(word::TAIL, head);
        for len in [8, 2000, 40, 0, 8, 600] {
            self.words.write(at, header(len));
        }
        if self.random.below(16) == 0 {
            let absurd = [u64::MAX, header(4089), header(1 << 40), 2, header(8000)][self.random.below(5) as usize];
            self.words.write(at, absurd);
        }
    }
}

/// Ends the liar when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Works as a victim while another thread swings, and says what came of it.
fn play<V: Victim>(part: &mut Part, shape: Shape, swing: fn(&mut Liar<'_>)) {
    let (random, calls): (_, u64) = (Random::seeded(part.argument(0)), part.argument(1));
    V::make(&part.options(), shape);
    let words = Words::of(&path(part.name()));
    if !V::owns(word::TAIL) {
        // Wherever the tail comes to stand, messages are there.
        (word::DATA..words.len()).step_by(STEP as usize).for_each(|offset| words.write(offset, header(STEP - 8)));
    }
    let options = part.options().await_first_peer(false);
    let is_over = AtomicBool::new(false);
    let (mut handles, mut poisoned, mut made, mut done, mut told) = (0_u64, 0_u64, 0, 0, 0);
    thread::scope(|scope| {
        let mut liar = Liar { words: &words, random: Random::seeded(random.any()), lowest: 0 };
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                swing(&mut liar);
            }
        });
        // How often the two meet depends on the processors that there are.
        // The liar ends, and with it the process, if a call panics too.
        let _over = Over(is_over);
        while made < calls || poisoned < calls / CALLS_PER_LIE {
            // On a single processor, too, the liar shall come to its turn.
            thread::yield_now();
            // What lies in the past is right again: who comes may stay.
            let [ours, theirs] = if V::owns(word::TAIL) { [word::TAIL, word::HEAD] } else { [word::HEAD, word::TAIL] };
            words.write(theirs, words.read(ours));
            let Some(verdict) = visit::<V>(&options, part.name(), &words, &random) else { continue };
            handles += 1;
            poisoned += u64::from(verdict.poison.is_some());
            made += verdict.done + verdict.refused;
            done += verdict.done;
            if made >= told + REPORT {
                told = made;
                part.say("goes on");
            }
        }
    });
    part.say("ends");
    [handles, poisoned, made, done].into_iter().for_each(|count| part.say(count));
}

/// Attaches, and makes some calls; one more if the handle is poisoned. `None` if it could not.
fn visit<V: Victim>(options: &Options, name: &str, words: &Words, random: &Random) -> Option<Verdict> {
    let mut victim = attached(V::attach(options))?;
    if random.below(16) == 0 {
        if let Err(place) = surround(&path(name), words.address()) {
            drop(victim);
            avoid(place);
            return None;
        }
    }
    let mut verdict = Verdict::default();
    for _ in 0..random.below(VISIT) {
        verdict.hear(victim.call(random, PATIENCE));
        if verdict.poison.is_some() {
            verdict.hear(victim.call(random, PATIENCE));
            break;
        }
    }
    Some(verdict)
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
        assert!(done > calls / 20, "the victim could do nothing");
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
