//! A process that changes headers and positions while another one reads them: wrong messages, errors, and nothing
//! worse.

mod common;

use std::sync::atomic::Ordering;

use common::hostile::Words;
use common::messages::{header, ring_of};
use common::outcomes::{Outcomes, is_enough, visit};
use common::{Child, Part, Random, Ring, path, word};
use ringmain::message::{Consumer, Producer};

/// How often a victim comes.
const VISITS: u64 = 2000;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("liar", liar)]);
}

/// Writes whatever into tail, head and data area, for ever: most of it near to what could be.
fn liar(part: &mut Part) {
    let (words, random) = (Words::of(&path(part.name())), Random::seeded(part.argument(0)));
    let align: u64 = part.argument(1);
    part.say("lies");
    loop {
        let position = [word::TAIL, word::HEAD][random.below(2) as usize];
        let stood = words.at(position).load(Ordering::Relaxed);
        let near = random.below(64) * align;
        match random.below(16) {
            0 => words.at(position).store(random.any(), Ordering::Relaxed),
            1 => words.at(position).store(stood.wrapping_add(random.below(9)), Ordering::Relaxed),
            2 => words.at(word::TAIL).store(words.at(word::HEAD).load(Ordering::Relaxed), Ordering::Relaxed),
            3 | 4 => words.at(position).store(stood.wrapping_add(near), Ordering::Relaxed),
            5 => words.at(position).store(stood.wrapping_sub(near), Ordering::Relaxed),
            kind => {
                let data = words.len() - word::DATA;
                // At a record that is about to be read, or anywhere.
                let at = if kind < 11 { stood.wrapping_add(near) } else { random.any() };
                let record = words.at(word::DATA + at % data / 8 * 8);
                let lie = match random.below(8) {
                    0 => random.any(),
                    1 => header(random.below(2 * data)),
                    2 => u64::MAX,
                    3 => 0,
                    _ => header(random.below(256)),
                };
                record.store(lie, Ordering::Relaxed);
            }
        }
    }
}

#[track_caller]
fn check_victims(capacity: usize, align: usize) {
    let (ring, random): (Ring, _) = (ring_of(capacity, align), Random::new());
    let mut liar = Child::start("liar", ring.name(), &[&random.any(), &align]);
    liar.says("lies");
    let (mut pushes, mut pops) = (Outcomes::default(), Outcomes::default());
    let (options, mut attached) = (ring.options().await_first_peer(false), (0, 0));
    let mut visits = 0;
    while !is_enough(visits, VISITS, [&pushes, &pops]) {
        visits += 1;
        attached.0 += u64::from(visit::<Producer>(&options, &random, &mut pushes));
        attached.1 += u64::from(visit::<Consumer>(&options, &random, &mut pops));
        // The next ones may come: what lies in the past is right again.
        if random.below(2) == 0 {
            let words = Words::of(&path(ring.name()));
            for at in (word::DATA..words.len()).step_by(8).chain([word::TAIL, word::HEAD]) {
                words.at(at).store(0, Ordering::Relaxed);
            }
        }
    }
    liar.kill();
    println!("attached: {attached:?}");
    assert!(attached.0.min(attached.1) > 0, "nobody could attach");
    pushes.check("pushes");
    pops.check("pops");
}

#[test]
fn a_small_ring_of_lies_is_survived() {
    check_victims(4096, 8);
}

#[test]
fn a_ring_of_lies_with_lines_of_their_own_is_survived() {
    check_victims(16_384, 64);
}
