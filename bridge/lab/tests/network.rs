//! What lies between two machines: links, a router, bad wires, cuts.

mod common;

use std::thread;
use std::time::Duration;

use common::{KINDS, Kind, check_equal, make, pop, push, site};
use ringmain_bridge_lab::network::{Machine, Way};
use ringmain_bridge_lab::site::{Program, Site};
use ringmain_bridge_lab::wire::Badness;

/// Pushes and pops what has numbers below this one, while `meanwhile` does something to the site.
#[track_caller]
fn check(site: &Site, kind: Kind, count: u64, meanwhile: impl FnOnce()) {
    make(site, kind);
    let _running = site.start_all(&[]).unwrap();
    flow(site, kind, count, meanwhile);
    check_equal(site);
}

#[track_caller]
fn flow(site: &Site, kind: Kind, count: u64, meanwhile: impl FnOnce()) {
    let [a, b] = site.rings.clone();
    let producer = thread::spawn(move || push(kind, &a, 0..count));
    let consumer = thread::spawn(move || pop(kind, &b, 0..count));
    meanwhile();
    for end in [producer, consumer] {
        if end.join().is_err() {
            let said = [Program::Sender, Program::Receiver, Program::Router].map(|it| site.said(it).unwrap());
            panic!("sender, receiver and router have said:\n{}", said.join("\n"));
        }
    }
}

#[test]
fn all_arrives_whoever_of_both_listens() {
    for (way, kind) in [Way::ToReceiver, Way::ToSender].into_iter().flat_map(|way| KINDS.map(|kind| (way, kind))) {
        let Some(site) = site(way) else { return };
        check(&site, kind, 20_000, || {});
    }
}

#[test]
fn all_arrives_through_a_router() {
    for kind in KINDS {
        let Some(site) = site(Way::Routed) else { return };
        check(&site, kind, 20_000, || {});
    }
}

#[test]
fn a_router_that_is_killed_is_waited_for() {
    let Some(site) = site(Way::Routed) else { return };
    make(&site, Kind::Message);
    let mut running = site.start_all(&[]).unwrap();
    let router = running.remove(0);
    let kill = || {
        thread::sleep(Duration::from_secs(1));
        router.kill().unwrap();
        thread::sleep(Duration::from_secs(1));
        running.push(site.start(Program::Router, &[]).unwrap());
    };
    flow(&site, Kind::Message, 200_000, kill);
    check_equal(&site);
}

#[test]
fn a_line_that_delays_loses_repeats_and_reorders_loses_nothing() {
    let badness = Badness { delay: Duration::from_millis(2), jitter: Duration::from_millis(6), lost: 30, repeated: 30 };
    for kind in KINDS {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let Some(site) = site(Way::Bad(badness, seed)) else { return };
        check(&site, kind, 20_000, || {});
        let counts = site.network.wire().unwrap().counts();
        assert!(counts.iter().all(|&count| count > 0), "carried, lost, repeated, overtaken: {counts:?}");
    }
}

#[test]
fn a_line_that_is_cut_is_waited_for() {
    for (machine, kind) in [Machine::A, Machine::B].into_iter().zip(KINDS) {
        let Some(site) = site(Way::ToReceiver) else { return };
        let cut = || {
            for length in [1, 4] {
                thread::sleep(Duration::from_millis(300));
                site.network.cut(machine).unwrap();
                thread::sleep(Duration::from_secs(length));
                site.network.mend(machine).unwrap();
            }
        };
        check(&site, kind, 200_000, cut);
    }
}
