//! What cannot be looked at, or not be written.

use std::fs::{self, OpenOptions, Permissions};
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use crate::program::{check_ends, check_refused, json, line, ringmain, spawn, text};
use crate::ring::{LAYOUT_VERSION, Name, TAIL, messages};
use crate::shell::{self, Running};

#[test]
fn what_nobody_reads_ends_quietly() {
    let name = Name::new();
    let mut tx = messages(&name, &[b"one"]);
    let follow = ["tap", &name.0, "--follow"];
    let watch = ["watch", &name.0, "--interval", "5ms"];
    for arguments in [&["ls"][..], &["stat", &name.0], &follow, &watch, &["watch", "--json", "--interval", "5ms"]] {
        let (child, stdout) = spawn(arguments);
        drop(stdout);
        assert_eq!(check_ends(child), "", "{arguments:?}");
    }
    // Also where nothing comes that could be written.
    let (child, mut stdout) = spawn(&follow);
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(check_ends(child), "");
    tx.push(b"two").unwrap();
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let name = Name::new();
    let _tx = messages(&name, &[b"one"]);
    for arguments in [&["ls"][..], &["stat", &name.0], &["tap", &name.0], &["watch", "--interval", "5ms"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        check_refused(ringmain(arguments).stdout(full), 1, &["cannot write to standard output"]);
    }
}

#[test]
fn a_damaged_ring_is_broken_and_says_why() {
    let (version, position) = (Name::new(), Name::new());
    for name in [&version, &position] {
        drop(name.options().capacity(64).stream_producer::<u64>().unwrap());
    }
    version.set_word(LAYOUT_VERSION, 1);
    position.set_word(TAIL, 1000);
    let list = text(&["ls"]);
    assert_eq!(line(&list, &version), format!("{} - - - - - - broken", version.0));
    assert_eq!(line(&list, &position), format!("{} stream 8 B 64 - - - broken", position.0));
    for (name, part) in [(&version, "layout version 1"), (&position, "tail")] {
        let ring = json(&["ls", "--json"], name);
        assert_eq!(ring["state"], "broken");
        assert!(ring["reason"].as_str().unwrap().contains(part), "{ring}");
        let text = text(&["stat", &name.0, "--interval", "10ms"]);
        assert!(text.contains("broken") && text.contains(part), "{text}");
        let watched = json(&["watch", "--json", "--interval", "5ms", "--count", "1"], name);
        assert_eq!(watched["state"], "broken");
        check_refused(&mut ringmain(&["tap", &name.0]), 1, &[&name.0, part]);
    }
}

#[test]
fn a_ring_in_the_making_is_told_and_left_alone() {
    let name = Name::new();
    let object = fs::File::create_new(name.path()).unwrap();
    // As the lock of its creator: of every byte, that of the administration among them.
    rustix::fs::fcntl_lock(&object, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    for len in [0, 8192] {
        object.set_len(len).unwrap();
        assert_eq!(line(&text(&["ls"]), &name), format!("{} - - - - - - being made", name.0));
        for arguments in [&["ls", "--json"][..], &["watch", "--json", "--interval", "5ms", "--count", "1"]] {
            let ring = json(arguments, &name);
            assert_eq!(ring["state"], "being made");
        }
        let stat = text(&["stat", &name.0, "--interval", "10ms"]);
        assert!(stat.contains("being made") && stat.contains("has not finished"), "{stat}");
        for arguments in [&["tap", &name.0][..], &["rm", &name.0], &["rm", "--force", &name.0]] {
            check_refused(&mut ringmain(arguments), 1, &[&name.0, "is being made"]);
        }
        assert!(name.path().exists());
    }
}

#[test]
fn what_is_not_there_or_no_ring_is_refused() {
    let (missing, other) = (Name::new(), Name::new());
    fs::write(other.path(), [7; 5000]).unwrap();
    for verb in ["stat", "watch", "tap"] {
        check_refused(&mut ringmain(&[verb, &missing.0]), 1, &[&missing.0, "ringmain ls"]);
        check_refused(&mut ringmain(&[verb, &other.0]), 1, &["is no ring"]);
        check_refused(&mut ringmain(&[verb, "a/b"]), 2, &["a/b", "1 to 30"]);
        check_refused(&mut ringmain(&[verb, &missing.0, "--interval", "0"]), 2, &["such as 10ms"]);
    }
    check_refused(&mut ringmain(&["stat"]), 2, &["<NAME>"]);
    check_refused(&mut ringmain(&["tap"]), 2, &["<NAME>"]);
    check_refused(&mut ringmain(&["ls", "-o", "colour"]), 2, &["no column 'colour'", "consumer"]);
    check_refused(&mut ringmain(&["ls", "-o", "pushed"]), 2, &["ringmain watch"]);
    check_refused(&mut ringmain(&["tap", "x", "--most", "0"]), 2, &["--most"]);
    check_refused(&mut ringmain(&["tap", "x", "--json", "--format", "hex"]), 2, &["--json"]);
    assert!(!text(&["ls"]).contains(&other.0));
}

#[test]
fn a_ring_that_may_not_be_read_is_refused_and_not_listed() {
    const NOBODY: u32 = 65_534;
    let name = Name::new();
    let _tx = messages(&name, &[b"one"]);
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        fs::set_permissions(name.path(), Permissions::from_mode(0o000)).unwrap();
    }
    // To root everything is allowed.
    let stranger = |arguments: &[&str]| {
        let mut command = ringmain(arguments);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if let Err(error) = Running::try_start(&mut stranger(&["ls"])) {
        // The tests were built where another user may not go.
        eprintln!("a_ring_that_may_not_be_read_is_refused_and_not_listed skipped: {error}");
        return;
    }
    for verb in ["stat", "watch", "tap"] {
        check_refused(&mut stranger(&[verb, &name.0]), 1, &["no permission to read", &name.0]);
    }
    let list = shell::output(&mut stranger(&["ls"]));
    assert!(list.status.success());
    assert!(!String::from_utf8(list.stdout).unwrap().contains(&name.0));
}

#[test]
fn help_tells_the_exit_status() {
    for verb in ["ls", "stat", "watch", "tap"] {
        for help in ["-h", "--help"] {
            let text = text(&[verb, help]);
            assert!(text.contains("Exit status:") && text.contains("2  wrong usage"), "{text}");
        }
    }
}
