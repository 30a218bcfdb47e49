//! The verbs, and both ends' attaches, in a shared memory full of objects that others made to harm whoever looks.
//!
//! They are generated: holes, sparse lengths, lengths and names that change all the time, leases, foreign owners,
//! hostile headers, names and contents that a terminal would obey. The shared memory is that of a mount namespace of
//! its own, once full and once with a page left. Every program has 256 descriptors and 512 MiB of addresses.
//!
//! ```sh
//! cargo test -p ringmain-cli --test hostile                                              # some hundred objects
//! RINGMAIN_OBJECTS=10000 cargo test -p ringmain-cli --test hostile -- --nocapture        # some minutes
//! RINGMAIN_SEED=4711 cargo test -p ringmain-cli --test hostile                           # the same objects again
//! ```

#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "the tests of the library use all of it")]
mod ability;
#[path = "hostile/objects.rs"]
mod objects;
mod shell;

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use ringmain::Options;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;

use ability::{Ability, missing};
use objects::{FOLDER, Kind, Objects};
use shell::Running;

/// How many objects there are, unless `RINGMAIN_OBJECTS` says another number.
const OBJECTS: u64 = 200;

/// About how many objects are looked at by themselves, each by a program, where there are more.
const VISITS: usize = 1000;

/// What says to a process of this program that it is the one in a namespace of its own.
const APART: &str = "RINGMAIN_HOSTILE";

/// For how long one program may run that looks at one object. A second is what it should be; the rest is for a machine
/// that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A user without privileges.
const NOBODY: u32 = 65_534;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

/// Makes the program that is tested, or this one, begin with few descriptors and little room.
fn limited(mut command: Command) -> Command {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    // SAFETY: it makes system calls alone, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            limit(Resource::Nofile, 256)?;
            limit(Resource::As, 512 << 20)?;
            Ok(())
        });
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ringmain(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments).env_remove("NO_COLOR");
    limited(command)
}

/// What a program did.
struct Done {
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Done {
    /// Checks that no signal ended it.
    #[track_caller]
    fn of(output: Output, what: &str) -> Done {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), None, "{what}: {errors}");
        let code = output.status.code().unwrap();
        assert!(matches!(code, 0..=3) && !errors.contains("panicked"), "{what}: {code}: {errors}");
        Done { code, stdout: output.stdout, stderr: output.stderr }
    }
}

/// Runs a program to its end, which no signal may bring.
#[track_caller]
fn run(mut command: Command) -> Done {
    let what = format!("{:?} {:?}", command.get_program(), command.get_args().collect::<Vec<_>>());
    Done::of(Running::start(&mut command).output(), &what)
}

/// Checks that a terminal shows a text as it is.
#[track_caller]
fn check_harmless(text: &[u8], what: &str) {
    let text = std::str::from_utf8(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    let harmful = |letter: &char| {
        letter.is_control() && *letter != '\n' || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(letter) = text.chars().find(harmful) {
        panic!("{what}: {letter:?} in {text:?}");
    }
}

#[test]
fn no_object_ends_hides_or_delays_anything_that_looks() {
    if !geteuid().is_root() {
        return missing(Ability::OtherUsers, "only root makes objects of another user");
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "looks_at_hostile_objects"]).env(APART, "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let have_own_mounts = || {
        // SAFETY: a forked child has one thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        Ok(())
    };
    // SAFETY: it makes system calls alone, and allocates nothing.
    unsafe { command.pre_exec(have_own_mounts) };
    let process = match Running::try_start(&mut command) {
        Ok(process) => process,
        Err(refused) => return missing(Ability::MountNamespace, refused),
    };
    let output = process.output();
    let texts = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    println!("{}", texts[0]);
    assert!(output.status.success(), "{}: {}\n{}", output.status, texts[0], texts[1]);
}

#[test]
#[ignore = "a process that the tests start"]
fn looks_at_hostile_objects() {
    if env::var_os(APART).is_none() {
        return;
    }
    let seed = number("RINGMAIN_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("RINGMAIN_SEED={seed}");
    let count = number("RINGMAIN_OBJECTS").unwrap_or(OBJECTS);
    // For the locks and the leases, of which each has a descriptor.
    setrlimit(Resource::Nofile, Rlimit { current: Some(4096), maximum: Some(4096) }).unwrap();
    for spare in [0, 1] {
        let size = CString::new(format!("size={}", count * 32 * 1024)).unwrap();
        mount("tmpfs", FOLDER, "tmpfs", MountFlags::empty(), size.as_c_str()).unwrap();
        look_at_all(Objects::make(count, seed), spare, seed);
        rustix::mount::unmount(FOLDER, rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

/// What must not grow or go of an object: its number, its length and its memory.
type Size = (u64, u64, u64);

fn sizes() -> BTreeMap<OsString, Size> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap());
    let size =
        |path: &std::path::Path| fs::symlink_metadata(path).map(|found| (found.ino(), found.len(), found.blocks()));
    entries.filter_map(|entry| Some((entry.file_name(), size(&entry.path()).ok()?))).collect()
}

/// Fills the shared memory up to so many pages, and looks.
fn look_at_all(objects: Objects, spare: u64, seed: u64) {
    let mut filling = File::create(format!("{FOLDER}/filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    let len = filling.metadata().unwrap().len();
    filling.set_len(len - 4096 * spare).unwrap();
    let changes = objects.change();
    let before = sizes();
    let (mut slowest, mut random) = ((Duration::ZERO, String::new()), fastrand::Rng::with_seed(seed));

    // All at once, as root and as somebody who may read nothing.
    let start = Instant::now();
    list(&objects, run(ringmain(["ls", "--json"])), false);
    println!("ls of {} objects: {:?}", before.len(), start.elapsed());
    // The program may have been built where nobody else may go.
    let program = env::temp_dir().join(format!("ringmain-hostile-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_ringmain"), &program).unwrap();
    let mut stranger = Command::new(&program);
    stranger.args(["ls", "--json"]).uid(NOBODY).gid(NOBODY);
    let stranger = limited(stranger).spawn();
    let listed = stranger.and_then(std::process::Child::wait_with_output);
    fs::remove_file(program).unwrap();
    list(&objects, Done::of(listed.unwrap(), "ls of a stranger"), true);
    let text = run(ringmain(["ls", "-o", "name,state,type-tag,reason"]));
    check_harmless(&text.stdout, "ls");
    let watched = run(ringmain(["watch", "--json", "--interval", "10ms", "--count", "2"]));
    check_harmless(&watched.stdout, "watch");
    let lines = watched.stdout.split(|&byte| byte == b'\n').count() - 1;
    assert!(lines >= 2 * objects.all.len(), "watch: {lines} lines for {} objects", objects.all.len());

    // Some by themselves, by some verb: others with another number of free pages.
    let step = (objects.all.len() / VISITS).max(2);
    for object in objects.all.iter().skip(spare as usize).step_by(step) {
        let mut verbs: Vec<&[&str]> = vec![
            &["stat", "--interval", "10ms"],
            &["tap", "--format", "hex"],
            &["tap", "--json"],
            &["tap", "--format", "text"],
            &["rm"],
            &["watch", "--interval", "10ms", "--count", "1"],
        ];
        if !object.kind.is_waited_at() {
            verbs.push(&["read", "--no-create"]);
            verbs.push(&["write", "--no-create"]);
        }
        let mut verb = verbs[random.usize(..verbs.len())];
        // To `rm` it would be right to remove it.
        if verb == ["rm"] && object.kind.is_waited_at() && !matches!(object.kind, Kind::Locked | Kind::BeingMade) {
            verb = &["rm", "--dry-run"];
        }
        let mut arguments: Vec<OsString> = verb.iter().map(OsString::from).collect();
        arguments.extend(["--".into(), object.name.clone()]);
        let start = Instant::now();
        let done = run(ringmain(&arguments));
        let took = start.elapsed();
        check_harmless(&done.stdout, &format!("{verb:?} of {object:?}"));
        check_harmless(&done.stderr, &format!("{verb:?} of {object:?}"));
        if took > slowest.0 {
            slowest = (took, format!("{verb:?} of {object:?}"));
        }
        assert!(took < PATIENCE, "{took:?}: {verb:?} of {object:?}");
    }
    println!("slowest: {:?}: {}", slowest.0, slowest.1);

    attach(&objects);
    // Removed in one go is what is certainly left of a ring, and nothing else.
    let start = Instant::now();
    let removed = run(ringmain(["rm", "--stale"]));
    println!("rm --stale: {:?}", start.elapsed());
    check_harmless(&removed.stderr, "rm --stale");
    changes.end();
    let after = sizes();
    for object in &objects.all {
        let is_there = after.contains_key(&object.name) || object.kind == Kind::Renamed;
        assert_eq!(is_there, !object.kind.is_removable(), "{object:?} after rm --stale");
    }
    for (name, (inode, len, blocks)) in &before {
        let changes = objects.all.iter().any(|object| object.name == *name && object.kind.changes());
        if let Some(now) = after.get(name).filter(|_| !changes) {
            assert!(
                now.0 == *inode && now.1 == *len && now.2 <= *blocks,
                "{name:?}: {:?}, now {now:?}",
                (inode, len, blocks)
            );
        }
    }
}

/// Checks that a list has each object, in a state that it may have.
#[track_caller]
fn list(objects: &Objects, done: Done, is_stranger: bool) {
    check_harmless(&done.stdout, "ls");
    check_harmless(&done.stderr, "ls");
    let rows: Vec<Value> = String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let rows_of: BTreeMap<&str, &Value> = rows.iter().map(|row| (row["name"].as_str().unwrap(), row)).collect();
    assert_eq!(rows_of.len(), rows.len(), "each has one row");
    let unread =
        rows.iter().any(|row| ["not readable", "leased", "changing"].contains(&row["state"].as_str().unwrap()));
    assert_eq!(done.code, i32::from(unread), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(unread, String::from_utf8_lossy(&done.stderr).contains("could not be read"));
    // Names that are no text are written in another way.
    let texts = objects.all.iter().filter(|object| object.kind != Kind::Renamed);
    for object in texts.clone() {
        let Some(name) = object.name.to_str() else { continue };
        let row = rows_of.get(name).unwrap_or_else(|| panic!("no row for {object:?}"));
        let (state, expected) = (row["state"].as_str().unwrap(), object.kind.states());
        let is_denied = is_stranger && state == "not readable";
        assert!(is_denied || expected.contains(&state), "{object:?} is {state}, expected {expected:?}");
        assert_eq!(row["reason"].is_null(), ["live", "idle", "stale"].contains(&state), "{row}");
    }
    assert!(!is_stranger || rows.iter().any(|row| row["state"] == "not readable"));
    let count = texts.filter(|object| object.name.to_str().is_none()).count();
    let escaped = rows_of.keys().filter(|name| name.contains("\\x")).count();
    assert!(escaped >= count, "{escaped} of {count} names that are no text");
}

/// Attaches both ends of both rings to every object, in a process with few descriptors and little room.
fn attach(objects: &Objects) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "attaches_to_hostile_objects"]).env(APART, "1");
    let mut command = limited(command);
    let mut process = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = process.child().stdin.take().unwrap();
    // What is being made is waited for, and so is a role whose holder seems to be coming or leaving: for five seconds.
    let is_waited_for = |kind| matches!(kind, Kind::BeingMade | Kind::Locked | Kind::Unfinished | Kind::Stale);
    let some = objects.all.iter().step_by((objects.all.len() / VISITS).max(1));
    let all = some.filter(|object| !is_waited_for(object.kind));
    let names: Vec<&[u8]> = all.filter(|object| object.name.to_str().is_some()).map(|it| it.name.as_bytes()).collect();
    let input = names.join(&0);
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = process.output();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), None, "{text}");
    assert!(output.status.success() && text.contains(&format!("attached to {} names", names.len())), "{text}");
}

#[test]
#[ignore = "a process that the tests start"]
fn attaches_to_hostile_objects() {
    if env::var_os(APART).is_none() {
        return;
    }
    let names = io::read_to_string(io::stdin()).unwrap();
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for name in names.split('\0') {
        // Whoever names another user as the owner trusts that one not to change the length.
        let is_trusted = !name.starts_with("Flipping");
        let trusting = Options::new(name).owner(NOBODY).mode(0o666);
        for options in [Some(Options::new(name)), Some(trusting).filter(|_| is_trusted)].into_iter().flatten() {
            let start = Instant::now();
            // None of them may take a ring of another user for its own, nor memory for what has none.
            drop((options.stream_producer::<u64>(), options.stream_consumer::<u64>()));
            drop((options.message_producer(), options.message_consumer()));
            slowest = slowest.max(start.elapsed());
        }
        count += 1;
    }
    println!("attached to {count} names, {slowest:?} at most for one");
    assert!(slowest < PATIENCE, "{slowest:?}");
}

#[test]
fn every_kind_of_hostile_object_is_made() {
    let kinds = Objects::kinds(300, 1);
    for kind in Kind::ALL {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}
