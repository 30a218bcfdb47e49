//! Rings as `ls` and `stat` tell of them.

use std::process;
use std::thread;

use ringmain::stream::{Consumer, Producer};
use serde_json::Value;

use crate::holder;
use crate::program::{command_of, json, line, text};
use crate::ring::Name;
use crate::shell::wait_for;

#[test]
fn the_list_tells_who_is_at_a_ring_and_how_they_left() {
    let name = Name::new();
    let mut child = holder(&name);
    let (pid, comm) = (child.id(), command_of(child.id()));
    let head = format!("{} stream 8 B 64 3", name.0);
    assert_eq!(line(&text(&["ls"]), &name), format!("{head} {pid} {comm} - live"));

    let rx: Consumer<u64> = name.options().stream_consumer().unwrap();
    let own = format!("{} {}", process::id(), command_of(process::id()));
    assert_eq!(line(&text(&["ls"]), &name), format!("{head} {pid} {comm} {own} live"));

    child.kill();
    assert_eq!(line(&text(&["ls"]), &name), format!("{head} - {own} live"));
    drop(rx);
    assert_eq!(line(&text(&["ls"]), &name), format!("{head} - - stale"));
    drop(name.options().stream_producer::<u64>().unwrap());
    assert_eq!(line(&text(&["ls"]), &name), format!("{head} - - idle"));
}

#[test]
fn the_list_has_the_columns_that_were_asked_for() {
    let name = Name::new();
    drop(name.options().capacity(1 << 20).record_alignment(64).message_producer().unwrap());
    let list = text(&["ls"]);
    assert!(list.starts_with("NAME"), "{list}");
    assert_eq!(line(&list, &name), format!("{} message align 64 1.0 MiB 0 B - - idle", name.0));
    let plain = text(&["ls", "--bytes", "--noheadings", "-o", "name,capacity,element,mode"]);
    assert!(!plain.contains("NAME"), "{plain}");
    assert_eq!(line(&plain, &name), format!("{} 1048576 64 0600", name.0));
    let ring = json(&["ls", "--json"], &name);
    assert_eq!(
        (&ring["kind"], &ring["capacity"], &ring["state"]),
        (&"message".into(), &(1 << 20).into(), &"idle".into())
    );
    assert_eq!(ring["producer"]["state"], "closed");
    assert_eq!(ring["consumer"]["state"], "never");
    let ring = json(&["ls", "--json", "-o", "name,used"], &name);
    assert_eq!(ring.as_object().unwrap().keys().collect::<Vec<_>>(), ["name", "used"]);
}

#[test]
fn a_ring_tells_all_that_is_known() {
    let name = Name::new();
    let child = holder(&name);
    let ring = json(&["stat", &name.0, "--json", "--interval", "10ms"], &name);
    let expected = [
        ("kind", Value::from("stream")),
        ("element", 8.into()),
        ("alignment", 8.into()),
        ("capacity", 64.into()),
        ("length", (4096 + 64 * 8).into()),
        ("head", 0.into()),
        ("tail", 3.into()),
        ("used", 3.into()),
        ("pushed", 0.0.into()),
        ("popped", 0.0.into()),
        ("lag", Value::Null),
        ("producer-holders", 1.into()),
        ("consumer-holders", 0.into()),
        ("producer-sleep", "awake".into()),
        ("consumer-sleep", Value::Null),
        ("producer-sleeps", 0.into()),
        ("consumer-fences", false.into()),
        ("data-offset", 4096.into()),
        ("layout", 4.into()),
        ("type-tag", Value::Null),
        ("first-position", 0.into()),
        ("mode", "0600".into()),
        ("orphaned", false.into()),
        ("state", "live".into()),
    ];
    for (key, value) in expected {
        assert_eq!(ring[key], value, "{key}: {ring}");
    }
    assert_eq!(ring["producer"]["pid"], child.id());
    let text = text(&["stat", &name.0, "--interval", "10ms"]);
    for key in
        ["name", "type-id", "ring-id", "created", "features", "layout", "pushed", "producer-wakes", "owner", "fill"]
    {
        let has = text.lines().filter(|line| line.split_whitespace().next() == Some(key)).count();
        assert_eq!(has, 1, "{key} in:\n{text}");
    }
}

#[test]
fn a_sleeper_is_told_as_parked() {
    let name = Name::new();
    let mut tx: Producer<u64> = name.options().capacity(64).stream_producer().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let options = name.options().wait(ringmain::Wait::Park);
            options.stream_consumer::<u64>().unwrap().blocking().pop().unwrap();
        });
        let look = || json(&["stat", &name.0, "--json", "-o", "name,consumer-sleep"], &name);
        wait_for("a sleeper", || (look()["consumer-sleep"] == "parked").then_some(()));
        tx.push(1).unwrap();
    });
}
