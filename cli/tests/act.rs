//! The verbs that act on rings, as a user runs them.

mod shell;

// That of the library's tests.
#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "one is used here")]
mod ability;

use std::alloc::Layout;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use ability::{Ability, missing};
use ringmain::Role;
use ringmain::inspect::{Inspection, Kind};
use ringmain::stream::{Consumer, Producer};
use serde_json::Value;
use shell::{NOBODY, Program, Ring, Running, check, deserted, feed, output, ringmain, run, start, wait_for, write};

#[test]
fn a_stream_is_created_as_it_was_asked_for() {
    let ring = Ring::new();
    let (text, _) = run(
        &[
            "create",
            ring.name(),
            "--kind",
            "stream",
            "--capacity",
            "1K",
            "--element-size",
            "24",
            "--element-align",
            "8",
            "--type-tag",
            "tick",
            "--mode",
            "0640",
            "--exclusive",
        ],
        0,
    );
    assert!(
        String::from_utf8(text)
            .unwrap()
            .starts_with(&format!("created {}: a stream of 1024 elements of 24", ring.name()))
    );
    let seen = Inspection::open(ring.name()).unwrap();
    assert_eq!(seen.kind(), Kind::Stream { element_size: 24, element_align: 8 });
    assert_eq!((seen.capacity(), seen.permissions().unwrap().mode), (1024, 0o640));
    let _: Producer<[u64; 3]> = ring.options().mode(0o640).type_tag("tick").stream_producer().unwrap();
}

#[test]
fn a_ring_of_messages_is_created_and_found() {
    let ring = Ring::new();
    let arguments = ["create", ring.name(), "--kind", "message", "--capacity", "64K", "--alignment", "64"];
    assert!(String::from_utf8(run(&arguments, 0).0).unwrap().starts_with("created "));
    assert_eq!(Inspection::open(ring.name()).unwrap().kind(), Kind::Message { record_alignment: 64 });
    assert!(String::from_utf8(run(&arguments, 0).0).unwrap().starts_with("found "));
    let (_, error) = run(&[&arguments[..], &["--exclusive"]].concat(), 1);
    assert!(error.contains("exists"), "{error}");
}

#[test]
fn what_cannot_be_created_is_refused_with_a_reason() {
    let ring = Ring::new();
    let refused = |options: &[&str], code, reason: &str| {
        let (_, error) = run(&[&["create", ring.name()], options].concat(), code);
        assert!(error.contains(reason), "{error}");
        assert!(!ring.exists());
    };
    refused(&["--kind", "stream", "--capacity", "8", "--alignment", "64"], 2, "--element-align");
    refused(&["--kind", "message", "--capacity", "8", "--element-size", "4"], 2, "messages have any length");
    refused(&["--kind", "stream", "--capacity", "8", "--element-size", "6", "--element-align", "4"], 2, "multiple");
    refused(&["--kind", "message", "--capacity", "8", "--alignment", "7"], 2, "expected 8, 16, 32 or 64");
    refused(&["--kind", "message", "--capacity", "1T"], 2, "K, M or G");
    refused(&["--kind", "pipe", "--capacity", "1"], 2, "stream");
    refused(&["--kind", "message", "--capacity", "1", "--mode", "0077"], 2, "mode");
    refused(&["--kind", "message"], 2, "--capacity");
    run(&["create", "no/name", "--kind", "message", "--capacity", "1"], 2);
}

#[test]
fn a_ring_that_is_held_is_not_removed_and_its_holder_is_named() {
    let ring = Ring::new();
    let tx: Producer<u64> = ring.options().capacity(8).stream_producer().unwrap();
    let (text, error) = run(&["rm", ring.name()], 1);
    assert!(text.is_empty() && ring.exists());
    let command = std::env::args().next().unwrap();
    let command: String = command.chars().take(30).collect();
    assert!(
        error.contains(&format!("producer is process {}", std::process::id())) && error.contains(&command),
        "{error}"
    );
    run(&["rm", ring.name(), "--force", "--dry-run"], 0);
    assert!(ring.exists());
    run(&["rm", ring.name(), "--force"], 0);
    assert!(!ring.exists());
    drop(tx);
}

#[test]
fn every_ring_that_can_be_removed_is_and_the_others_are_reported() {
    let (held, free) = (Ring::new(), Ring::new());
    let rx: Consumer<u64> = held.options().capacity(8).stream_consumer().unwrap();
    drop(free.options().capacity(8).create_stream(Layout::new::<u8>()).unwrap());
    let (text, error) = run(&["rm", held.name(), "act-missing", free.name()], 1);
    assert_eq!(String::from_utf8(text).unwrap(), format!("removed {}\n", free.name()));
    assert!(error.contains("consumer") && error.contains("act-missing"), "{error}");
    assert!(held.exists() && !free.exists());
    drop(rx);
    run(&["rm"], 2);
}

#[test]
fn what_is_no_ring_is_removed_by_force_alone() {
    let ring = Ring::new();
    fs::write(ring.path(), "not a ring").unwrap();
    let (_, error) = run(&["rm", ring.name()], 1);
    assert!(error.contains("--force") && ring.exists(), "{error}");
    run(&["rm", ring.name(), "--force"], 0);
    assert!(!ring.exists());
}

#[test]
fn what_is_not_certainly_left_of_a_ring_is_removed_by_force_alone() {
    for bytes in [vec![], vec![0; 8192], [vec![0; 8192], vec![7]].concat()] {
        let ring = Ring::new();
        fs::write(ring.path(), &bytes).unwrap();
        let (_, error) = run(&["rm", ring.name()], 1);
        assert!(error.contains("is no ring") && error.contains("--force"), "{error}");
        run(&["rm", "--stale", ring.name()], 1);
        run(&["read", "--no-create", ring.name()], 1);
        run(&["write", ring.name()], 1);
        run(&["create", ring.name(), "--kind", "message", "--capacity", "1"], 1);
        assert_eq!(fs::read(ring.path()).unwrap(), bytes);
        run(&["rm", "--force", ring.name()], 0);
        assert!(!ring.exists());
        // The mark of a creator, that was killed.
        fs::write(ring.path(), &bytes).unwrap();
        fs::set_permissions(ring.path(), fs::Permissions::from_mode(0o1600)).unwrap();
        run(&["rm", "--stale", ring.name()], 0);
        assert!(!ring.exists());
    }
}

#[test]
fn a_ring_whose_role_is_locked_is_kept_whatever_it_says() {
    let ring = Ring::new();
    drop(ring.options().capacity(8).stream_producer::<u64>().unwrap());
    let stranger = fs::OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    // As one whose holder was killed, while another process keeps its lock.
    stranger.write_all_at(&1_u64.to_ne_bytes(), 0x80).unwrap();
    // Another test that removes what is stale locks each role for a moment.
    wait_for("the locks", || {
        rustix::fs::fcntl_lock(&stranger, rustix::fs::FlockOperation::NonBlockingLockExclusive).ok()
    });
    assert!(run(&["rm", ring.name()], 1).1.contains("is held: producer"));
    assert!(run(&["rm", "--stale", ring.name()], 1).1.contains("is held: producer"));
    assert!(ring.exists());
    drop(stranger);
    run(&["rm", "--stale", ring.name()], 0);
    assert!(!ring.exists());
}

#[test]
fn all_rings_together_are_waited_for_no_longer_than_one() {
    let rings = [(); 4].map(|()| Ring::new());
    let held = rings.each_ref().map(|ring| {
        drop(ring.options().capacity(8).stream_producer::<u64>().unwrap());
        let stranger = fs::OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
        stranger.write_all_at(&1_u64.to_ne_bytes(), 0x80).unwrap();
        // The administration, as a process would that removes the ring and is stopped.
        lock_byte(&stranger, 2);
        stranger
    });
    let names = rings.each_ref().map(Ring::name);
    std::thread::scope(|scope| {
        for way in ["--stale", "--force", "--"] {
            scope.spawn(move || {
                let start = std::time::Instant::now();
                let (_, error) = run(&[&["rm", way], &names[..]].concat(), 1);
                assert_eq!(error.lines().count(), 4, "{error}");
                // One by one they would take 20 seconds.
                assert!(start.elapsed() < std::time::Duration::from_secs(15), "{way}: {:?}", start.elapsed());
            });
        }
    });
    assert!(rings.iter().all(Ring::exists));
    drop(held);
    run(&[&["rm", "--force"], &names[..]].concat(), 0);
}

/// Locks a byte of a file for as long as that is open.
fn lock_byte(file: &fs::File, byte: i64) {
    // SAFETY: `flock` is a C struct of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_start, lock.l_len) = (libc::F_WRLCK as libc::c_short, byte, 1);
    // SAFETY: the descriptor is open, and the command reads one `flock`.
    let status = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut lock) };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn stale_rings_are_those_whose_holder_was_killed() {
    let (crashed, closed, held) = (Ring::new(), Ring::new(), Ring::new());
    let mut killed = start(&["read", crashed.name()]);
    crashed.await_holder(Role::Consumer);
    killed.kill();
    write(&[closed.name()], "x", 0);
    let mut reader = start(&["read", held.name()]);
    held.await_holder(Role::Consumer);

    let names = [crashed.name(), closed.name(), held.name()];
    // What was named and stays is an error each.
    let junk = Ring::new();
    fs::write(junk.path(), "no ring").unwrap();
    let (text, errors) = run(&[&["rm", "--stale", "--dry-run"], &names[..], &[junk.name()]].concat(), 1);
    assert_eq!(String::from_utf8(text).unwrap(), format!("would remove {}\n", names[0]));
    let errors: Vec<&str> = errors.lines().collect();
    assert!(
        errors[0].contains(&format!("ring {:?} is not stale: nobody who held it was killed", names[1])),
        "{errors:?}"
    );
    assert!(errors[1].contains(&format!("ring {:?} is held: consumer", names[2])), "{errors:?}");
    assert!(errors[2].contains(&format!("the object {:?} of 7 bytes is no ring", junk.name())), "{errors:?}");
    assert_eq!(errors.len(), 3);
    // Other tests leave stale rings for a moment, so nothing is removed without names here.
    let (text, _) = run(&["rm", "--stale", "--dry-run"], 0);
    let text = String::from_utf8(text).unwrap();
    let is_listed = |name: &str| text.lines().any(|line| line == format!("would remove {name}"));
    assert_eq!(names.map(is_listed), [true, false, false], "{text}");
    run(&["rm", "--stale", crashed.name()], 0);
    assert!(!crashed.exists() && closed.exists() && held.exists());
    reader.kill();
}

/// Leaves a ring whose reader was killed.
fn leave(ring: &Ring, mode: &str) {
    let mut killed = start(&["read", ring.name(), "--mode", mode]);
    ring.await_holder(Role::Consumer);
    killed.kill();
}

#[test]
fn a_dry_run_says_what_the_run_does() {
    if !rustix::process::geteuid().is_root() {
        return missing(Ability::OtherUsers, "only root acts as another user");
    }
    let program = Program::copied();
    let as_nobody = |arguments: &[&str]| {
        let output = Running::start(&mut program.as_nobody(arguments)).output();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    // Of another owner, and writable: by the sticky bit of the directory it stays. Not writable. One's own.
    let [sticky, closed, own] = [(); 3].map(|()| Ring::new());
    for (ring, mode) in [(&sticky, "0666"), (&closed, "0644"), (&own, "0600")] {
        leave(ring, mode);
    }
    chown(own.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let (_, listed, _) = as_nobody(&["rm", "--stale", "--dry-run"]);
    let is_listed = |ring: &&Ring| listed.lines().any(|line| line == format!("would remove {}", ring.name()));
    assert_eq!([&sticky, &closed, &own].iter().map(is_listed).collect::<Vec<_>>(), [false, false, true], "{listed}");
    for ring in [&sticky, &closed, &own] {
        for how in [&[][..], &["--stale"], &["--force"]] {
            let dry = as_nobody(&[&["rm", "--dry-run"], how, &[ring.name()]].concat());
            let (code, said, errors) = as_nobody(&[&["rm"], how, &[ring.name()]].concat());
            assert_eq!(dry, (code, said.replace("removed", "would remove"), errors), "{how:?}");
            assert_eq!(code, Some(i32::from(ring.exists())));
            assert_eq!(code == Some(0), ring.name() == own.name());
            if !ring.exists() {
                leave(ring, "0600");
                chown(ring.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
    }
    // Without names all that this user may remove: not by a real run here, since other tests have stale rings.
    assert_eq!(as_nobody(&["rm", "--stale", "--dry-run"]).0, Some(0));
}

#[test]
fn what_is_stale_is_not_removed_by_force() {
    let ring = Ring::new();
    leave(&ring, "0600");
    for names in [&[][..], &[ring.name()]] {
        let (_, error) = run(&[&["rm", "--stale", "--force"], names].concat(), 2);
        assert!(error.contains("'--stale'") && error.contains("'--force'"), "{error}");
    }
    assert!(ring.exists());
}

/// Runs what is advised, in a shell that finds the command.
#[track_caller]
fn obey(advice: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_ringmain")).parent().unwrap();
    let script = format!("PATH={}:$PATH; {advice}", program.display());
    let done = output(Command::new("sh").args(["-c", &script]));
    assert!(done.status.success(), "{advice}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The commands within quotes.
fn advised(text: &str) -> Vec<&str> {
    text.match_indices("'ringmain ").map(|(at, _)| text[at + 1..].split('\'').next().unwrap()).collect()
}

/// Makes an object of something, or of a ring.
type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn what_is_no_ring_or_damaged_has_one_reason_and_one_advice_that_works() {
    // Where it has the tail, from docs/format.md.
    const TAIL: u64 = 0x0180;
    let damage = |path: &Path, word: u64, value: u64| {
        fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&value.to_ne_bytes(), word).unwrap();
    };
    // The object, and what is said of it.
    let kinds: [(Make<'_>, &str); 6] = [
        (&|path| fs::write(path, "").unwrap(), "is no ring: it is empty"),
        (&|path| fs::write(path, "a note").unwrap(), "of 6 bytes is no ring: it has no header"),
        (&|path| fs::write(path, [0; 8192]).unwrap(), "of 8192 bytes is no ring: it has no header"),
        (&|path| fs::write(path, [7; 5000]).unwrap(), "of 5000 bytes is no ring: it begins with 0x0707070707070707"),
        (&|path| damage(path, TAIL, u64::MAX), "is damaged"),
        (&|path| fs::File::options().write(true).open(path).unwrap().set_len(4096).unwrap(), "object length"),
    ];
    // No name of these is one that a shell or the command takes for something else.
    let names = [format!("act-broken-{}", std::process::id()), format!("-act-broken-{}", std::process::id())];
    for name in &names {
        let path = Path::new("/dev/shm").join(name);
        for (make, reason) in &kinds {
            for verb in ["stat", "ls", "read", "write", "rm"] {
                let _ = fs::remove_file(&path);
                if reason.starts_with("is damaged") || reason.starts_with("object") {
                    drop(ringmain::Options::new(name).capacity(8).create_stream(Layout::new::<u64>()).unwrap());
                }
                make(&path);
                let arguments: &[&str] = match verb {
                    "stat" => &["stat", "-o", "name,state,reason", "--", name],
                    "ls" => &["ls", "-o", "name,reason"],
                    "rm" => &["rm", "--", name],
                    verb => &[verb, "--no-create", "--", name],
                };
                let done = Running::start(&mut ringmain(arguments)).output();
                let text = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
                let lines = text.lines().filter(|line| !line.starts_with("ringmain")).collect::<Vec<_>>();
                let line = lines.iter().find(|line| line.contains(reason) && line.contains(&**name));
                let line = line.unwrap_or_else(|| panic!("{verb} of {reason}: {text}"));
                let advice = advised(line);
                assert!(matches!(&advice[..], [advice] if advice.ends_with(&**name)), "{verb}: {line}");
                obey(advice[0]);
                assert!(!path.exists(), "{}", advice[0]);
            }
        }
    }
}

#[test]
fn a_doctor_that_makes_no_ring_advises_what_lets_it() {
    for (limit, found) in [
        ("-S -f 0", "no ring can be made: 4097 bytes needed, the file size limit is 0"),
        ("-S -n 4", "no ring can be made: open(/proc/self/fd) failed: Too many open files"),
        ("-S -n 5", "no role can be taken: open(/proc/self/fd) failed: Too many open files"),
        // The second handle, which is to be refused.
        ("-S -n 6", "whether a role is held by one handle alone is not known: "),
    ] {
        let script = format!(
            r#"limited() {{ (ulimit {limit}; eval "$1"; exec "$0" doctor --json) | grep '"ofd-locks"'; }}
            limited : >&2; cure=$(limited : | sed 's/.*"cure":"\([^";]*\)[;"].*/\1/'); limited "$cure""#
        );
        let done = output(Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_ringmain")]));
        let [after, before] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(before.contains(found), "{before}");
        assert!(after.contains("a role is held by one handle alone"), "{before}{after}");
    }
}

#[test]
fn what_cannot_be_printed_makes_no_ring() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let create = |ring: &Ring, more: &[&str]| {
        ringmain(&[&["create", ring.name(), "--kind", "message", "--capacity", "64K"], more].concat())
    };
    for more in [&[][..], &["--exclusive"]] {
        let ring = Ring::new();
        let (_, error) = check(Running::start(create(&ring, more).stdout(full())), 1);
        assert!(error.contains("cannot write to stdout") && !ring.exists(), "{error}");
        check(Running::start(create(&ring, more).stdout(deserted())), 141);
        assert!(!ring.exists());
        // One that stood before stays.
        check(Running::start(&mut create(&ring, more)), 0);
        check(Running::start(create(&ring, &[]).stdout(full())), 1);
        check(Running::start(create(&ring, &[]).stdout(deserted())), 141);
        assert!(ring.exists());
    }
}

#[test]
fn a_reader_of_nothing_is_refused_and_makes_nothing() {
    let ring = Ring::new();
    let (_, error) = run(&["read", ring.name(), "--count", "0"], 2);
    assert!(error.contains("--count") && !ring.exists(), "{error}");
    assert!(String::from_utf8(run(&["read", "--help"], 0).0).unwrap().contains("at least 1"));
}

#[test]
fn the_doctor_says_of_each_check_how_it_is() {
    let (text, _) = run(&["doctor"], 0);
    let text = String::from_utf8(text).unwrap();
    for check in [
        "dev-shm",
        "membarrier",
        "ofd-locks",
        "limit-memlock",
        "limit-fsize",
        "limit-nofile",
        "huge-pages",
        "processors",
    ] {
        assert!(
            text.lines().any(|line| line.contains(check) && (line.starts_with("ok ") || line.starts_with("attention")))
        );
    }
    let (json, _) = run(&["doctor", "--json"], 0);
    for line in String::from_utf8(json).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["status"] == "attention", finding["cure"].is_string(), "{finding}");
    }
}

#[test]
fn a_strict_doctor_fails_where_something_needs_attention() {
    let mut shell = std::process::Command::new("sh");
    let script = r#"ulimit -n 100; "$0" doctor >&2; "$0" doctor --strict"#;
    let output = output(shell.args(["-c", script, env!("CARGO_BIN_EXE_ringmain")]));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("attention  limit-nofile    100\n"), "{text}");
    // The shell above has lowered the hard limit, too.
    assert!(text.contains("-> ") && text.contains("prlimit --pid $$ --nofile=1024 as root"), "{text}");
}

#[test]
fn completions_ask_the_command_and_the_manual_page_names_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = String::from_utf8(run(&["completions", shell], 0).0).unwrap();
        assert!(text.contains("COMPLETE") && text.contains("ringmain"), "{shell}: {text}");
    }
    let text = String::from_utf8(run(&["man"], 0).0).unwrap();
    assert!(text.contains(".TH ringmain") && text.contains("doctor") && text.contains("141"), "{text}");
    run(&["completions", "abacus"], 2);
    let (help, _) = run(&["--help"], 0);
    assert!(String::from_utf8(help).unwrap().contains("Exit codes:"));
}

#[test]
fn a_ring_of_a_foreign_mode_is_refused_until_it_is_asked_for() {
    let ring = Ring::new();
    drop(ring.options().capacity(4096).mode(0o666).create_stream(Layout::new::<u8>()).unwrap());
    assert_eq!(fs::metadata(ring.path()).unwrap().permissions().mode() & 0o777, 0o666);
    assert!(write(&[ring.name()], "abc", 1).contains("mode"));
    write(&[ring.name(), "--mode", "0666"], "abc", 0);
    assert_eq!(run(&["read", ring.name(), "--mode", "0666", "--unlink"], 0).0, b"abc");
    assert!(!ring.exists());
}

#[test]
fn a_role_that_is_held_is_refused_with_its_holder() {
    let ring = Ring::new();
    let reader = start(&["read", ring.name()]);
    ring.await_holder(Role::Consumer);
    let (_, error) = run(&["read", ring.name()], 1);
    assert!(error.contains("has a consumer already: process"), "{error}");
    feed(&["write", ring.name()], "abc").end();
    assert_eq!(check(reader, 0).0, b"abc");
}
