//! A process that changes positions while another one reads them: wrong elements, errors, and nothing worse.

mod common;

use std::sync::atomic::Ordering;

use common::hostile::Words;
use common::outcomes::{Outcomes, is_enough, visit};
use common::{Child, Part, Random, Ring, path, word};
use ringmain::stream::{Consumer, Producer};

/// How often a victim comes.
const VISITS: u64 = 2000;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("liar", liar)]);
}

/// Writes whatever into tail and head, for ever: most of it near to what could be.
fn liar(part: &mut Part) {
    let (words, random) = (Words::of(&path(part.name())), Random::seeded(part.argument(0)));
    let capacity: u64 = part.argument(1);
    part.say("lies");
    loop {
        let [position, other] = match random.below(2) {
            0 => [word::TAIL, word::HEAD],
            _ => [word::HEAD, word::TAIL],
        };
        let stood = words.at(position).load(Ordering::Relaxed);
        let lie = match random.below(16) {
            0 => random.any(),
            1..=5 => stood.wrapping_add(random.below(2 * capacity)),
            6 => stood.wrapping_sub(random.below(2 * capacity)),
            _ => words.at(other).load(Ordering::Relaxed),
        };
        words.at(position).store(lie, Ordering::Relaxed);
        for _ in 0..random.below(64) {
            std::hint::spin_loop();
        }
    }
}

#[track_caller]
fn check_victims(capacity: usize) {
    let (ring, random) = (Ring::new(), Random::new());
    ring.make::<u64>(capacity);
    let mut liar = Child::start("liar", ring.name(), &[&random.any(), &capacity]);
    liar.says("lies");
    let (mut pushes, mut pops) = (Outcomes::default(), Outcomes::default());
    let options = ring.options().await_first_peer(false);
    let mut visits = 0;
    while !is_enough(visits, VISITS, [&pushes, &pops]) {
        visits += 1;
        visit::<Producer<u64>>(&options, &random, &mut pushes);
        visit::<Consumer<u64>>(&options, &random, &mut pops);
    }
    liar.kill();
    pushes.check("pushes");
    pops.check("pops");
}

#[test]
fn one_slot_of_lies_is_survived() {
    check_victims(1);
}

#[test]
fn a_small_ring_of_lies_is_survived() {
    check_victims(8);
}

#[test]
fn a_large_ring_of_lies_is_survived() {
    check_victims(1024);
}
