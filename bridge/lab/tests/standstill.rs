//! A receiver that stands still: the producer is told that there is no room, nothing grows, and then all goes on.

mod common;

use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use common::{KINDS, check_equal, make, pop, push, push_until_full, site};
use ringmain_bridge_lab::network::Way;
use rustix::process::Signal;

/// Says for how many seconds the receiver stands still.
const SECONDS: &str = "RINGMAIN_STANDSTILL_SECONDS";

/// How much a program of the bridge may grow meanwhile: twice the window's batches, 16 of 64 KiB for rings as small as
/// these, Zenoh's queue of as many frames, and what an allocator makes of them.
const GROWTH: u64 = 16 << 20;

#[test]
fn a_receiver_that_stands_still_holds_up_the_producer_and_nothing_grows() {
    let seconds = env::var(SECONDS).map_or(5, |seconds| seconds.parse().unwrap());
    for kind in KINDS {
        let Some(site) = site(Way::ToReceiver) else { return };
        make(&site, kind);
        let running = site.start_all(&[]).unwrap();
        let [receiver, sender] = &running[..] else { panic!("a receiver and a sender") };
        let [a, b] = &site.rings;
        // Both have held as much as they will in a flow.
        let (first, consumer) = (20_000, b.clone());
        let consumer = thread::spawn(move || pop(kind, &consumer, 0..first));
        push(kind, a, 0..first);
        consumer.join().unwrap();
        let before = sender.memory().unwrap()[0];
        let at_receiver = receiver.memory().unwrap()[0];
        receiver.signal(Signal::STOP).unwrap();
        let start = Instant::now();
        let mut next = first;
        while start.elapsed() < Duration::from_secs(seconds) {
            next = push_until_full(kind, a, next, Duration::from_secs(1));
        }
        let [now, most] = sender.memory().unwrap();
        assert!(most < before + GROWTH, "the sender had {before} bytes, then {now}, at most {most}");
        let threads = fs::read_dir(format!("/proc/{}/task", sender.id())).unwrap().count();
        receiver.signal(Signal::CONT).unwrap();
        pop(kind, b, first..next);
        let producer = thread::spawn({
            let a = a.clone();
            move || push(kind, &a, next..next + first)
        });
        pop(kind, b, next..next + first);
        producer.join().unwrap();
        check_equal(&site);
        let [_, most_at_receiver] = receiver.memory().unwrap();
        assert!(most_at_receiver < at_receiver + GROWTH, "the receiver had {at_receiver}, at most {most_at_receiver}");
        println!(
            "{kind:?}, {seconds} s: sender {} KiB before, {} KiB at most, {threads} threads; receiver {} and {} KiB",
            before >> 10,
            most >> 10,
            at_receiver >> 10,
            most_at_receiver >> 10
        );
    }
}
