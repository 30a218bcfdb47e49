//! Elements and messages as `tap` prints them.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::thread;
use std::time::Duration;

use ringmain::stream::{Consumer, Producer};

use crate::program::{check_ends, check_refused, line, ringmain, spawn, text, wait_for_look};
use crate::ring::{Name, messages};

#[test]
fn a_tap_prints_what_waits_and_takes_nothing() {
    let name = Name::new();
    let _tx = messages(&name, &[b"buy 100", b"", b"\xff\x1b[2J"]);
    let before = fs::read(name.path()).unwrap();
    assert_eq!(
        text(&["tap", &name.0]),
        "           0  0000  62 75 79 20 31 30 30                              |buy 100|
          16  0000                                                    ||
          24  0000  ff 1b 5b 32 4a                                    |..[2J|
"
    );
    assert_eq!(text(&["tap", &name.0, "--format", "text"]), "buy 100\n\n\\xff\\u{1b}[2J\n");
    assert_eq!(
        text(&["tap", &name.0, "--json", "--count", "1"]),
        "{\"hex\":\"62757920313030\",\"length\":7,\"position\":0,\"text\":\"buy 100\"}\n"
    );
    assert_eq!(text(&["tap", &name.0, "--format", "text", "--most", "1"]).lines().count(), 3);
    assert!(fs::read(name.path()).unwrap() == before);
}

#[test]
fn a_tap_prints_bytes_of_a_stream_together() {
    let name = Name::new();
    let mut tx: Producer<u8> = name.options().capacity(64).stream_producer().unwrap();
    tx.push_slice(b"one\ntwo").unwrap();
    assert_eq!(text(&["tap", &name.0, "--format", "text"]), "one\ntwo\n");
    assert_eq!(
        text(&["tap", &name.0]),
        "           0  0000  6f 6e 65 0a 74 77 6f                              |one.two|\n"
    );
}

#[test]
fn a_tap_follows_until_the_ring_is_removed() {
    let name = Name::new();
    let mut tx = messages(&name, &[b"old"]);
    let (child, mut lines) = spawn(&["tap", &name.0, "--follow", "--format", "text"]);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    tx.push(b"young").unwrap();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "old\nyoung\n");
    tx.push(b"last").unwrap();
    ringmain::unlink(&name.0).unwrap();
    drop(tx);
    line.clear();
    lines.read_to_string(&mut line).unwrap();
    assert_eq!(line, "last\n");
    assert_eq!(check_ends(child, 0), "");
}

#[test]
fn a_tap_tells_what_it_missed() {
    let name = Name::new();
    let mut tx: Producer<u64> = name.options().capacity(16).stream_producer().unwrap();
    let mut rx: Consumer<u64> = name.options().stream_consumer().unwrap();
    let (mut child, _stdout) = spawn(&["tap", &name.0, "--follow", "--most", "1"]);
    let mut errors = BufReader::new(child.child().stderr.take().unwrap());
    let mut line = String::new();
    thread::scope(|scope| {
        let reader = scope.spawn(|| errors.read_line(&mut line).unwrap());
        while !reader.is_finished() {
            let _ = (tx.push(1), rx.pop());
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert!(line.starts_with(&format!("ringmain: ring {:?}: missed ", name.0)), "{line}");
    assert!(line.ends_with(" elements\n"), "{line}");
}

#[test]
fn a_tap_on_what_is_new_leaves_out_what_waits() {
    let name = Name::new();
    let mut tx = messages(&name, &[b"old"]);
    let (child, mut lines) = spawn(&["tap", &name.0, "--new", "--format", "text", "--count", "1"]);
    wait_for_look(&child, &name);
    let mut line = String::new();
    thread::scope(|scope| {
        let reader = scope.spawn(|| lines.read_line(&mut line).unwrap());
        // It may have opened the ring and not yet looked where it stands.
        while !reader.is_finished() {
            let _ = tx.push(b"young");
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(line, "young\n");
    check_ends(child, 0);
}

#[test]
fn a_ring_that_was_truncated_is_damaged_and_ends_nobody() {
    let name = Name::new();
    let _tx = messages(&name, &[b"one"]);
    let (mut child, mut lines) = spawn(&["tap", &name.0, "--follow"]);
    lines.read_line(&mut String::new()).unwrap();
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    file.set_len(4096).unwrap();
    let status = child.end();
    assert_eq!(status.code(), Some(1), "{status}");
    assert_eq!(line(&text(&["ls", "-o", "name,state"]), &name), format!("{} damaged", name.0));
    let refused = ["object length", "make it anew"];
    check_refused(&mut ringmain(&["tap", &name.0]), 1, &refused);
}
