//! Every verb on a ring at full speed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::program::{json, line, output, text};
use crate::ring::Name;
use crate::shell::wait_for;

/// Keeps a ring of messages at full speed for as long as `look` looks.
fn at_full_speed(name: &Name, look: impl FnOnce()) {
    let mut tx = name.options().capacity(65_536).message_producer().unwrap();
    let mut rx = name.options().message_consumer().unwrap();
    let ended = AtomicBool::new(false);
    /// Ends the flow also where the look fails.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0_u64;
            while !ended.load(Ordering::Relaxed) {
                number += u64::from(tx.push(format!("message {number}").as_bytes()).is_ok());
            }
        });
        scope.spawn(|| {
            let mut bytes = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let _ = rx.pop_into(&mut bytes);
            }
        });
        let _end = End(&ended);
        look();
    });
}

#[test]
fn every_verb_looks_at_a_ring_at_full_speed() {
    let name = Name::new();
    at_full_speed(&name, || {
        assert!(line(&text(&["ls"]), &name).ends_with("live"));
        // On a busy machine both threads may stand still for a while.
        wait_for("a rate in stat", || {
            let ring = json(&["stat", &name.0, "--json", "--interval", "50ms"], &name);
            (ring["pushed"].as_f64()? > 0.0 && ring["popped"].as_f64()? > 0.0).then_some(())
        });
        wait_for("a rate in watch", || {
            let watched = text(&["watch", &name.0, "--json", "--interval", "50ms", "--count", "3"]);
            let rings = watched.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let rings: Vec<Value> = rings.collect();
            let tails: Vec<u64> = rings.iter().map(|ring| ring["tail"].as_u64().unwrap()).collect();
            assert!(tails.len() == 3 && tails.is_sorted(), "{tails:?}");
            rings.iter().any(|ring| ring["pushed"].as_f64().unwrap() > 0.0).then_some(())
        });
        for more in [&["--follow"][..], &["--new"]] {
            let output = output(&[&["tap", &name.0, "--json", "--count", "300"][..], more].concat());
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.lines().count(), 300);
            let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            for object in objects {
                assert!(object["text"].as_str().unwrap().starts_with("message "), "{object}");
            }
        }
        // Without --follow it ends, however much comes.
        let output = output(&["tap", &name.0, "--format", "text"]);
        assert!(output.status.success());
    });
}
