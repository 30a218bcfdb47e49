//! C against Rust: both rings, 8 and 64 bytes, one call for each and in place, between two processes on two processors.
//! Each round has all four pairs of languages, in turn, and a ratio is that of one round; from round to round both
//! processors change their ends. Both peers write every word of each value, read every word, and know the size when
//! they are compiled. `make -C capi bench` runs it.
//!
//! Usage: compare PEER-IN-C [ROUNDS [COUNT]]. This program is the peer in Rust too.

#![allow(unsafe_code, reason = "pins a process, and trusts a peer")]

use std::env;
use std::process::{Command, Stdio};
use std::time::Instant;

use ringmain::{Options, Wait};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    match &arguments[1..] {
        [role, ring, size, way, name, count, processor] => {
            pin(processor.parse().expect("a processor"));
            let count = count.parse().expect("a count");
            match size.as_str() {
                "8" => play::<1>(role == "producer", ring == "stream", way == "place", name, count),
                _ => play::<8>(role == "producer", ring == "stream", way == "place", name, count),
            }
        }
        [peer, rest @ ..] => {
            let number = |at: usize, other: u64| rest.get(at).map_or(other, |text| text.parse().expect("a number"));
            compare(peer, number(0, 9) as usize, number(1, 10_000_000));
        }
        [] => panic!("usage: compare PEER-IN-C [ROUNDS [COUNT]]"),
    }
}

fn pin(processor: usize) {
    // SAFETY: a set of zeros is a set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: it changes the set alone.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the set is as long as it says. If this fails, the figures tell.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
}

/// Plays one end with values of so many words.
fn play<const WORDS: usize>(sends: bool, streams: bool, in_place: bool, name: &str, count: u64)
where
    [u64; WORDS]: ringmain::stream::Element,
{
    let options = Options::new(name).capacity(if streams { 65_536 / (8 * WORDS) } else { 65_536 }).wait(Wait::Spin);
    let value = |number: u64| std::array::from_fn::<u64, WORDS, _>(|at| number + at as u64);
    let (mut sum, mut begun) = (0_u64, None);
    let mut got = |value: &[u64; WORDS]| {
        value.iter().for_each(|word| sum += word);
        begun.get_or_insert_with(Instant::now);
    };
    match (sends, streams) {
        (true, true) => {
            let mut tx = options.stream_producer::<[u64; WORDS]>().unwrap();
            for number in 0..count {
                if in_place {
                    // SAFETY: both ends are of this measurement.
                    let mut view = unsafe { tx.trust_peer() };
                    let mut claim = view.blocking().claim(1).unwrap();
                    claim[0] = value(number);
                    claim.commit();
                } else {
                    tx.blocking().push(value(number)).unwrap();
                }
            }
        }
        (false, true) => {
            let mut rx = options.stream_consumer::<[u64; WORDS]>().unwrap();
            for _ in 0..count {
                if in_place {
                    // SAFETY: as above.
                    let mut view = unsafe { rx.trust_peer() };
                    let peek = view.blocking().peek(1).unwrap();
                    got(&peek[0]);
                    peek.release();
                } else {
                    got(&rx.blocking().pop().unwrap());
                }
            }
        }
        (true, false) => {
            let mut tx = options.message_producer().unwrap();
            for number in 0..count {
                if in_place {
                    // SAFETY: as above.
                    let mut view = unsafe { tx.trust_peer() };
                    let mut claim = view.blocking().claim(8 * WORDS).unwrap();
                    claim.copy_from_slice(ringmain::bytemuck::cast_slice(&value(number)));
                    claim.commit();
                } else {
                    tx.blocking().push(ringmain::bytemuck::cast_slice(&value(number))).unwrap();
                }
            }
        }
        (false, false) => {
            let mut rx = options.message_consumer().unwrap();
            let mut value = [0; WORDS];
            for _ in 0..count {
                if in_place {
                    // SAFETY: as above.
                    let mut view = unsafe { rx.trust_peer() };
                    let record = view.blocking().peek().unwrap();
                    // Its bytes begin at a word.
                    got(ringmain::bytemuck::from_bytes(&record));
                    record.release();
                } else {
                    assert_eq!(rx.blocking().pop(ringmain::bytemuck::cast_slice_mut(&mut value)), Ok(8 * WORDS));
                    got(&value);
                }
            }
        }
    }
    if !sends {
        let (words, beside) = (WORDS as u64, (0..WORDS as u64).sum::<u64>());
        assert_eq!(sum, words * (count * (count - 1) / 2) + count * beside);
        println!("{}", begun.expect("something came").elapsed().as_nanos());
    }
}

/// Runs both ends on these processors, and returns the nanoseconds for each element or message.
fn flow([producer, consumer]: [&str; 2], [first, second]: [&str; 2], what: [&str; 3], count: u64) -> f64 {
    let [ring, size, way] = what;
    let name = format!("compare-{}", std::process::id());
    let _ = ringmain::unlink(&name);
    let start = |program: &str, role: &str, processor: &str| {
        let mut command = Command::new(program);
        command.args([role, ring, size, way, &name, &count.to_string(), processor]).stdout(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
    };
    let consumer = start(consumer, "consumer", second);
    let producer = start(producer, "producer", first);
    let said = consumer.wait_with_output().expect("it is a child");
    let sent = producer.wait_with_output().expect("it is a child");
    assert!(said.status.success() && sent.status.success(), "{said:?} {sent:?}");
    ringmain::unlink(&name).unwrap();
    let elapsed: f64 = String::from_utf8_lossy(&said.stdout).trim().parse().expect("a time");
    elapsed / (count - 1) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(peer: &str, rounds: usize, count: u64) {
    let rust = env::current_exe().unwrap().to_str().unwrap().to_owned();
    println!("medians of {rounds} rounds of {count}: ns each in Rust; then rates as parts of that in the same round");
    println!(
        "{:<8} {:>5} {:<6} {:>9} {:>8} {:>10} {:>10}",
        "ring", "bytes", "way", "Rust, ns", "C to C", "C to Rust", "Rust to C"
    );
    for ring in ["stream", "message"] {
        for size in ["8", "64"] {
            for way in ["call", "place"] {
                let mut times = Vec::new();
                let mut ratios = [const { Vec::new() }; 3];
                for round in 0..rounds {
                    let pairs = [[&*rust, &*rust], [peer, peer], [peer, &*rust], [&*rust, peer]];
                    let processors = if round % 2 == 0 { ["0", "1"] } else { ["1", "0"] };
                    let mut found = [0.0; 4];
                    // Each round begins with another pair.
                    for at in 0..4 {
                        let at = (at + round) % 4;
                        found[at] = flow(pairs[at], processors, [ring, size, way], count);
                    }
                    times.push(found[0]);
                    ratios.iter_mut().zip(&found[1..]).for_each(|(ratios, time)| ratios.push(found[0] / time));
                }
                let [both, sends, receives] = ratios.map(median);
                let time = median(times);
                println!("{ring:<8} {size:>5} {way:<6} {time:>9.2} {both:>8.2} {sends:>10.2} {receives:>10.2}");
            }
        }
    }
}
