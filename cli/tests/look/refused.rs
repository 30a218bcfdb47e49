//! What cannot be looked at, or not be written.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::fs::{FallocateFlags, fallocate};

use crate::ability::{Ability, missing};
use crate::program::{check_ends, check_refused, json, line, ringmain, spawn, text};
use crate::ring::{LAYOUT_VERSION, Name, PRODUCER_PRESENCE, TAIL, messages};
use crate::shell::{self, Program, Running, deserted};

#[test]
fn what_nobody_reads_ends_quietly() {
    let name = Name::new();
    let mut tx = messages(&name, &[b"one"]);
    let follow = ["tap", &name.0, "--follow"];
    let watch = ["watch", &name.0, "--interval", "5ms"];
    for arguments in [&["ls"][..], &["stat", &name.0], &follow, &watch, &["watch", "--json", "--interval", "5ms"]] {
        let child = Running::start(ringmain(arguments).stdout(deserted()).stderr(Stdio::piped()));
        assert_eq!(check_ends(child, 141), "", "{arguments:?}");
    }
    // Also in a look that takes an hour.
    let patient =
        Running::start(ringmain(&["stat", &name.0, "--interval", "60m"]).stdout(deserted()).stderr(Stdio::piped()));
    assert_eq!(check_ends(patient, 141), "");
    // Also where nothing comes that could be written.
    let (child, mut stdout) = spawn(&follow);
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(check_ends(child, 141), "");
    tx.push(b"two").unwrap();
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let name = Name::new();
    let _tx = messages(&name, &[b"one"]);
    for arguments in [&["ls"][..], &["stat", &name.0], &["tap", &name.0], &["watch", "--interval", "5ms"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        check_refused(ringmain(arguments).stdout(full), 1, &["cannot write to stdout"]);
    }
}

#[test]
fn a_damaged_ring_and_one_of_another_version_say_why() {
    let (version, position) = (Name::new(), Name::new());
    for name in [&version, &position] {
        drop(name.options().capacity(64).stream_producer::<u64>().unwrap());
    }
    version.set_word(LAYOUT_VERSION, 1);
    position.set_word(TAIL, 1000);
    let list = text(&["ls"]);
    assert_eq!(line(&list, &version), format!("{} - - - - - - other version", version.0));
    assert_eq!(line(&list, &position), format!("{} stream 8 B 64 - - - damaged", position.0));
    for (name, state, part) in [(&version, "other version", "layout version 1"), (&position, "damaged", "tail")] {
        let ring = json(&["ls", "--json"], name);
        assert_eq!(ring["state"], state);
        assert!(ring["reason"].as_str().unwrap().contains(part), "{ring}");
        let text = text(&["stat", &name.0, "--interval", "10ms"]);
        assert!(text.contains(state) && text.contains(part), "{text}");
        let watched = json(&["watch", "--json", "--interval", "5ms", "--count", "1"], name);
        assert_eq!(watched["state"], state);
        check_refused(&mut ringmain(&["tap", &name.0]), 1, &[&name.0, part]);
    }
}

#[test]
fn a_ring_with_a_hole_is_damaged_though_memory_behind_its_end_is_counted_for_it() {
    let name = Name::new();
    drop(name.options().capacity(4096).stream_producer::<u8>().unwrap());
    // As one whose holder was killed.
    name.set_word(PRODUCER_PRESENCE, 1);
    let object = OpenOptions::new().write(true).open(name.path()).unwrap();
    fallocate(&object, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 4096, 4096).unwrap();
    fallocate(&object, FallocateFlags::KEEP_SIZE, 8192, 4096).unwrap();
    let ring = json(&["ls", "--json"], &name);
    if ring["state"] == "stale" {
        return missing(Ability::PageCounts, "the memory behind the end was counted");
    }
    assert_eq!(ring["state"], "damaged");
    let part = "has memory for 4096 of its 8192 bytes";
    let stat = text(&["stat", &name.0, "--interval", "10ms"]);
    assert!(ring["reason"].as_str().unwrap().contains(part) && stat.contains(part), "{ring}{stat}");
    for arguments in [&["tap", &name.0][..], &["rm", &name.0], &["rm", "--stale", &name.0]] {
        check_refused(&mut ringmain(arguments), 1, &[part]);
    }
    assert!(!text(&["rm", "--stale", "--dry-run"]).contains(&name.0));
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
    assert_eq!(line(&text(&["ls"]), &other), format!("{} - - - - - - not a ring", other.0));
    assert!(json(&["ls", "--json"], &other)["reason"].as_str().unwrap().contains("is no ring"));
}

#[test]
fn a_ring_that_may_not_be_read_is_refused_and_its_row_says_so() {
    let name = Name::new();
    let _tx = messages(&name, &[b"one"]);
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        fs::set_permissions(name.path(), Permissions::from_mode(0o000)).unwrap();
    }
    // To root everything is allowed, and the program may have been built where nobody else may go.
    let program = Program::copied();
    let stranger = |arguments: &[&str]| {
        if is_root { program.as_nobody(arguments) } else { ringmain(arguments) }
    };
    for verb in ["stat", "watch", "tap"] {
        check_refused(&mut stranger(&[verb, &name.0]), 1, &["no permission to read", &name.0]);
    }
    let list = shell::output(&mut stranger(&["ls", "-o", "name,state,reason"]));
    let texts = [list.stdout, list.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(list.status.code(), Some(1), "{texts:?}");
    assert!(line(&texts[0], &name).starts_with(&format!("{} not readable no permission", name.0)), "{}", texts[0]);
    assert!(texts[1].contains("could not be read"), "{}", texts[1]);
}

#[test]
fn what_a_terminal_would_obey_is_escaped_wherever_it_comes_from() {
    const HOSTILE: &str = "\x1b[2J\u{202e}\u{9b}\x7f";
    let (name, noise) = (Name::new(), Name::new());
    let mut tx = name.options().capacity(4096).type_tag(HOSTILE).message_producer().unwrap();
    tx.push(&[HOSTILE.as_bytes(), b"\xff"].concat()).unwrap();
    let other = PathBuf::from(format!("{}{HOSTILE}", noise.path().display()));
    fs::write(&other, "no ring").unwrap();
    let texts = [
        text(&["ls", "-o", "name,type-tag,reason"]),
        text(&["ls", "--json", "-o", "name,type-tag,reason"]),
        text(&["stat", &name.0, "--interval", "10ms"]),
        text(&["stat", &name.0, "--json"]),
        text(&["tap", &name.0]),
        text(&["tap", &name.0, "--format", "text"]),
        text(&["tap", &name.0, "--json"]),
    ];
    fs::remove_file(other).unwrap();
    for text in &texts {
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n' || letter == '\u{202e}'), "{text:?}");
    }
    let expected = "\\u{1b}[2J\\u{202e}\\u{9b}\\u{7f}";
    assert!(texts[0].contains(&format!("{}{expected}", noise.0)) && texts[0].contains(&format!("  {expected}")));
    assert_eq!(texts[5], format!("{expected}\\xff\n"));
    // It is the same to whoever reads the JSON.
    assert_eq!(serde_json::from_str::<serde_json::Value>(&texts[3]).unwrap()["type-tag"], HOSTILE);
}

#[test]
fn hostile_names_look_the_same_in_every_column_and_no_two_of_them_alike() {
    let own = Name::new();
    let names: [&[u8]; 7] = [b"\x1b", br"\u{1b}", b"\xff", br"\xff", b"\n", br"\n", b"a \"b\""];
    let shown = [r"\u{1b}", r"\\u{1b}", r"\xff", r"\\xff", r"\n", r"\\n", "a \"b\""];
    let paths = names.map(|name| {
        let name = [own.0.as_bytes(), name].concat();
        PathBuf::from("/dev/shm").join(OsStr::from_bytes(&name))
    });
    paths.iter().for_each(|path| fs::write(path, "no ring").unwrap());
    let list = text(&["ls", "-n", "-o", "name,reason"]);
    let objects = text(&["ls", "--json", "-o", "name,reason"]);
    paths.iter().for_each(|path| fs::remove_file(path).unwrap());
    let objects: Vec<serde_json::Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let in_json = ["\x1b", r"\\u{1b}", r"\xff", r"\\xff", "\n", r"\\n", "a \"b\""];
    for (shown, in_json) in shown.into_iter().zip(in_json) {
        let name = format!("{}{shown}", own.0);
        let reason = format!("ring name \"{name}\" ");
        let is_its_row = |line: &&str| line.starts_with(&format!("{name} ")) && line.contains(&reason);
        assert_eq!(list.lines().filter(is_its_row).count(), 1, "{name} in:\n{list}");
        let is_it = |object: &&serde_json::Value| object["name"] == format!("{}{in_json}", own.0);
        let found: Vec<_> = objects.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{in_json:?} in {objects:?}");
        assert!(found[0]["reason"].as_str().unwrap().starts_with(&reason), "{}", found[0]);
    }
    // A name on the command line is shown so, too.
    check_refused(&mut ringmain(&["stat", "a\u{1b}\\"]), 2, &[r#"ring name "a\u{1b}\\" has"#]);
}

#[test]
fn help_tells_the_exit_codes() {
    for verb in ["ls", "stat", "watch", "tap", "create", "rm", "write", "read", "doctor", "bench", "chaos"] {
        for help in ["-h", "--help"] {
            let text = text(&[verb, help]);
            assert!(text.contains("Exit codes:") && text.contains("141  nobody takes"), "{text}");
        }
    }
}
