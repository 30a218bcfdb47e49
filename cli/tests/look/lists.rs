//! Rings as `ls` and `stat` tell of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process;
use std::thread;

use ringmain::stream::{Consumer, Producer};
use serde_json::Value;

use crate::holder;
use crate::program::{check_refused, command_of, json, line, ringmain, text};
use crate::ring::{Name, TAIL};
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

#[test]
fn what_a_killed_producer_left_behind_its_tail_is_counted() {
    for alignment in [8, 64] {
        let name = Name::new();
        let options = name.options().capacity(4096).record_alignment(alignment);
        let mut tx = options.message_producer().unwrap();
        tx.push(b"counted").unwrap();
        let counted = json(&["ls", "--json"], &name)["tail"].as_u64().unwrap();
        tx.push(b"and one").unwrap();
        tx.push(&[7; 100]).unwrap();
        let all = json(&["ls", "--json"], &name)["used"].as_u64().unwrap();
        tx.abandon();
        // As where it is killed between the headers and their tail.
        name.set_word(TAIL, counted);
        for arguments in [&["ls", "--json"][..], &["stat", &name.0, "--json"]] {
            let ring = json(arguments, &name);
            assert_eq!((ring["used"].as_u64(), ring["tail"].as_u64()), (Some(all), Some(counted)), "{ring}");
            assert_eq!(ring["state"], "stale");
        }
        // A consumer gets them, and its head then lies in front of the tail.
        let mut rx = options.message_consumer().unwrap();
        let mut buffer = [0; 128];
        assert_eq!([7, 7], [rx.pop(&mut buffer).unwrap(), rx.pop(&mut buffer).unwrap()].map(|len| len as u64));
        let left = json(&["stat", &name.0, "--json", "--interval", "10ms"], &name);
        // The payload, its header, and up to the next start of a record.
        assert_eq!(left["used"], if alignment == 8 { 112 } else { 128 }, "{left}");
        assert_eq!(rx.pop(&mut buffer).unwrap(), 100);
        assert_eq!(json(&["stat", &name.0, "--json", "--interval", "10ms"], &name)["used"], 0);
    }
}

#[test]
fn what_a_killed_creator_left_has_a_row_also_where_it_is_empty() {
    let (ours, foreign) = (Name::new(), Name::new());
    for name in [&ours, &foreign] {
        drop(fs::File::create_new(name.path()).unwrap());
    }
    fs::set_permissions(ours.path(), fs::Permissions::from_mode(0o1600)).unwrap();
    for (name, state) in [(&ours, "unfinished"), (&foreign, "not a ring")] {
        assert_eq!(line(&text(&["ls"]), name), format!("{} - - - - - - {state}", name.0));
        assert_eq!(json(&["ls", "--json"], name)["state"], state);
    }
    // Other tests make and leave what is stale, so nothing is removed here without names.
    let stale = text(&["rm", "--stale", "--dry-run"]);
    let would_go = |name: &Name| stale.lines().any(|line| line == format!("would remove {}", name.0));
    assert_eq!([&ours, &foreign].map(would_go), [true, false], "{stale}");
    check_refused(&mut ringmain(&["rm", "--stale", &ours.0, &foreign.0]), 1, &["is no ring", &foreign.0]);
    assert_eq!([&ours, &foreign].map(|name| name.path().exists()), [false, true]);
    check_refused(&mut ringmain(&["rm", &foreign.0]), 1, &["is no ring", "--force"]);
    text(&["rm", "--force", &foreign.0]);
    assert!(!foreign.path().exists());
}
