//! The verbs, and both ends' attaches, in a shared memory full of objects that others made to harm whoever looks.
//!
//! They are generated: holes, sparse lengths, lengths and names that change all the time, leases, foreign owners,
//! hostile headers, names and contents that a terminal would obey. The shared memory is that of a mount namespace of
//! its own, once full and once with a page left. Every program has 256 descriptors and 512 MiB of addresses.
//!
//! Verbs that look at everything (`ls`, `watch`, `rm --stale`) see all objects at once, each in a row, and attaches
//! visit them all. Verbs that take a name visit the same few objects of each kind: one, and one more for each thousand.
//! No visit takes a second, and no look at everything a second and then a millisecond for each object. Time in which a
//! program was ready to run and did not is not counted, and what took longer is tried again.
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

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr, OsString};
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use ringmain::{Error, Options};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;

use ability::{Ability, missing};
use objects::{FOLDER, Kind, Object, Objects};
use shell::{LIFETIME, Running, delay_of};

/// How many objects there are, unless `RINGMAIN_OBJECTS` says another number.
const OBJECTS: u64 = 200;

/// For so many objects, each verb visits one of each kind.
const OBJECTS_PER_VISIT: u64 = 1000;

/// What says to a process of this program that it is the one in a namespace of its own.
const APART: &str = "RINGMAIN_HOSTILE";

/// What a visit of one object may take at most.
const LONGEST_VISIT: Duration = Duration::from_secs(1);

/// What a look at everything may take for each object, beyond that.
const LONGEST_ROW: Duration = Duration::from_millis(1);

/// How long an attach waits for whoever makes the ring, or comes or leaves.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to try what takes too long: the machine may be busy once, or twice.
const ATTEMPTS: u32 = 3;

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

/// Runs a program to its end, which no signal may bring. Returns how long it took, but for the time in which a busy
/// machine kept it from running.
#[track_caller]
fn run(mut command: Command) -> (Done, Duration) {
    let what = format!("{:?} {:?}", command.get_program(), command.get_args().collect::<Vec<_>>());
    let start = Instant::now();
    let (output, delay) = Running::start(&mut command).output_and_delay();
    (Done::of(output, &what), start.elapsed().saturating_sub(delay))
}

/// Does what must not take so long, and does it again if it has: a busy machine takes processors and lines from a
/// program that runs, too, but whoever hangs at an object does so each time. Returns how long it took.
#[track_caller]
fn within<R>(limit: Duration, what: &dyn Debug, mut act: impl FnMut() -> (R, Duration)) -> (R, Duration) {
    for _ in 0..ATTEMPTS {
        let (done, took) = act();
        if took < limit {
            return (done, took);
        }
        println!("{took:?} instead of {limit:?}: {what:?}");
    }
    panic!("it took longer than {limit:?} each time: {what:?}");
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
    let count = number("RINGMAIN_OBJECTS").unwrap_or(OBJECTS);
    let process = match Running::try_start_for(LIFETIME.max(Duration::from_secs(count / 4)), &mut command) {
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
    let limit = LONGEST_VISIT + LONGEST_ROW * before.len() as u32;
    let told = |verb: &str, took| println!("{verb} of {} objects: {took:?}", before.len());

    // All at once, as root and as somebody who may read nothing.
    let (listed, took) = within(limit, &"ls", || run(ringmain(["ls", "--json"])));
    told("ls", took);
    list(&objects, listed, false);
    let (listed, took) = within(limit, &"ls of a stranger", list_as_a_stranger);
    told("ls of a stranger", took);
    list(&objects, listed, true);
    let (text, took) = within(limit, &"ls", || run(ringmain(["ls", "-o", "name,state,type-tag,reason"])));
    told("ls as text", took);
    check_harmless(&text.stdout, "ls");
    let watch = ["watch", "--json", "--interval", "10ms", "--count", "2"];
    // It looks once more, before the first interval.
    let (watched, took) = within(3 * limit, &"watch", || run(ringmain(watch)));
    told("watch, three times,", took);
    check_harmless(&watched.stdout, "watch");
    check_rows(&objects, &rows(&watched), 2, false);

    let attaching = Attaching::start(&objects, spare == 0);
    visit_some(&objects, before.len() as u64, &mut fastrand::Rng::with_seed(seed));
    let attached = attaching.end();

    // Removed in one go is what is certainly left of a ring, and nothing else.
    let (stale, took) = within(limit, &"rm --stale", || run(ringmain(["rm", "--stale", "--dry-run"])));
    told("rm --stale --dry-run", took);
    let (removed, took) = run(ringmain(["rm", "--stale"]));
    told("rm --stale", took);
    // It cannot be tried again.
    assert!(took < ATTEMPTS * limit + PATIENCE, "{took:?}");
    check_harmless(&removed.stderr, "rm --stale");
    changes.end();
    let after = sizes();
    let is_removable = |object: &Object| {
        let is_ring = object.kind != Kind::Unfinished;
        object.kind.is_removable() && !(is_ring && attached.contains(&object.name))
    };
    for object in &objects.all {
        let is_there = after.contains_key(&object.name) || object.kind == Kind::Renamed;
        assert_eq!(is_there, !is_removable(object), "{object:?} after rm --stale");
    }
    let count = objects.all.iter().filter(|object| is_removable(object) && !attached.contains(&object.name)).count();
    assert_eq!(stale.stdout.split(|&byte| byte == b'\n').count() - 1, count, "what would be removed");
    let changing: BTreeSet<&OsString> =
        objects.all.iter().filter(|object| object.kind.changes()).map(|object| &object.name).collect();
    for (name, (inode, len, blocks)) in &before {
        if let Some(now) = after.get(name).filter(|_| !changing.contains(name)) {
            assert!(
                now.0 == *inode && now.1 == *len && now.2 <= *blocks,
                "{name:?}: {:?}, now {now:?}",
                (inode, len, blocks)
            );
        }
    }
}

fn list_as_a_stranger() -> (Done, Duration) {
    // The program may have been built where nobody else may go.
    let program = env::temp_dir().join(format!("ringmain-hostile-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_ringmain"), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["ls", "--json"]).uid(NOBODY).gid(NOBODY);
    let done = run(limited(command));
    fs::remove_file(program).unwrap();
    done
}

/// Visits some objects of each kind, by each verb that takes a name.
fn visit_some(objects: &Objects, count: u64, random: &mut fastrand::Rng) {
    let (mut slowest, mut visits) = ((Duration::ZERO, String::new()), 0);
    for kind in Kind::ALL {
        let mut some: Vec<&Object> = objects.all.iter().filter(|object| object.kind == kind).collect();
        random.shuffle(&mut some);
        some.truncate(1 + (count / OBJECTS_PER_VISIT) as usize);
        let mut verbs: Vec<&[&str]> = vec![
            &["stat", "--interval", "10ms"],
            &["tap", "--format", "hex"],
            &["tap", "--json"],
            &["tap", "--format", "text"],
            &["watch", "--interval", "10ms", "--count", "1"],
            // Of others it would be right to remove them.
            match !kind.is_waited_at() || matches!(kind, Kind::Locked | Kind::BeingMade) {
                true => &["rm"],
                false => &["rm", "--dry-run"],
            },
        ];
        if !kind.is_waited_at() {
            verbs.extend([&["read", "--no-create"][..], &["write", "--no-create"]]);
        }
        for (object, verb) in some.iter().flat_map(|object| verbs.iter().map(move |verb| (object, verb))) {
            let mut arguments: Vec<OsString> = verb.iter().map(OsString::from).collect();
            arguments.extend(["--".into(), object.name.clone()]);
            let what = format!("{verb:?} of {object:?}");
            let (done, took) = within(LONGEST_VISIT, &what, || run(ringmain(&arguments)));
            check_harmless(&done.stdout, &what);
            check_harmless(&done.stderr, &what);
            visits += 1;
            if took > slowest.0 {
                slowest = (took, what);
            }
        }
    }
    println!("{visits} visits, the slowest {:?}: {}", slowest.0, slowest.1);
}

/// Reads the rows that a verb has printed as JSON.
#[track_caller]
fn rows(done: &Done) -> Vec<Value> {
    let text = std::str::from_utf8(&done.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Checks that a list has each object, in a state that it may have.
#[track_caller]
fn list(objects: &Objects, done: Done, is_stranger: bool) {
    check_harmless(&done.stdout, "ls");
    check_harmless(&done.stderr, "ls");
    let rows = rows(&done);
    let unread =
        rows.iter().any(|row| ["not readable", "leased", "changing"].contains(&row["state"].as_str().unwrap()));
    assert_eq!(done.code, i32::from(unread), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(unread, String::from_utf8_lossy(&done.stderr).contains("could not be read"));
    assert!(!is_stranger || rows.iter().any(|row| row["state"] == "not readable"));
    check_rows(objects, &rows, 1, is_stranger);
}

/// Checks that each object has so many rows, in states that it may have.
#[track_caller]
fn check_rows(objects: &Objects, rows: &[Value], looks: usize, is_stranger: bool) {
    let mut rows_of: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    rows.iter().for_each(|row| rows_of.entry(row["name"].as_str().unwrap()).or_default().push(row));
    assert!(rows_of.values().all(|rows| rows.len() <= looks), "no name comes twice in a look");
    // Names that are no text, and those with a backslash, are written in another way.
    let plain = |object: &&Object| object.name.to_str().is_some_and(|name| !name.contains('\\'));
    let texts = objects.all.iter().filter(|object| object.kind != Kind::Renamed);
    for object in texts.clone().filter(plain) {
        let name = object.name.to_str().unwrap();
        let rows = rows_of.get(name).map_or(&[][..], |rows| rows);
        assert_eq!(rows.len(), looks, "rows for {object:?}");
        for row in rows {
            let (state, expected) = (row["state"].as_str().unwrap(), object.kind.states());
            let is_denied = is_stranger && state == "not readable";
            assert!(is_denied || expected.contains(&state), "{object:?} is {state}, expected {expected:?}");
            assert_eq!(row["reason"].is_null(), ["live", "idle", "stale"].contains(&state), "{row}");
        }
    }
    let count = texts.filter(|object| !plain(object)).count();
    let escaped = rows_of.keys().filter(|name| name.contains('\\')).count();
    assert!(escaped >= count, "{escaped} of {count} names that are written in another way");
}

/// A process with few descriptors and little room that attaches both ends of both rings to objects.
struct Attaching {
    process: Running,
    names: BTreeSet<OsString>,
}

impl Attaching {
    /// Attaches to each object, but to every second one only of those that `rm --stale` is to remove, and to a few of
    /// those whose creator, or whose holder, is waited for, if it `waits`.
    fn start(objects: &Objects, waits: bool) -> Attaching {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "attaches_to_hostile_objects"]).env(APART, "1");
        let mut command = limited(command);
        let mut process = Running::try_start_for(2 * LIFETIME, command.stdin(Stdio::piped())).unwrap();
        let mut stdin = process.child().stdin.take().unwrap();
        let mut counts = [0; Kind::ALL.len()];
        let chosen = objects.all.iter().filter(|object| {
            let count = &mut counts[object.kind as usize];
            *count += 1;
            match object.kind {
                Kind::Stale | Kind::Crowded | Kind::Unfinished => *count % 2 == 0,
                kind if WAITED_FOR.contains(&kind) => waits && *count <= 2,
                _ => object.name.to_str().is_some(),
            }
        });
        let names: BTreeSet<OsString> = chosen.map(|object| object.name.clone()).collect();
        let input = names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>().join(&0);
        // It ends if the process does.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        Attaching { process, names }
    }

    /// Waits until it has attached to all, and returns which.
    #[track_caller]
    fn end(self) -> BTreeSet<OsString> {
        let output = self.process.output();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), None, "{text}");
        let told = text.lines().find(|line| line.starts_with(&format!("attached to {} names", self.names.len())));
        assert!(output.status.success() && told.is_some(), "{text}");
        println!("{}", told.unwrap_or_default());
        self.names
    }
}

/// Where an attach waits for whoever makes the ring, or comes or leaves.
const WAITED_FOR: [Kind; 2] = [Kind::BeingMade, Kind::Locked];

#[test]
#[ignore = "a process that the tests start"]
fn attaches_to_hostile_objects() {
    if env::var_os(APART).is_none() {
        return;
    }
    let names = io::read_to_string(io::stdin()).unwrap();
    let is_waited_for = |name: &&str| WAITED_FOR.iter().any(|kind| name.starts_with(&format!("{kind:?}-")));
    let (waited, others): (Vec<&str>, Vec<&str>) = names.split('\0').partition(is_waited_for);
    std::thread::scope(|scope| {
        let waits: Vec<_> = waited.iter().map(|name| scope.spawn(move || wait_at(name))).collect();
        let slowest = others.iter().map(|name| within(LONGEST_VISIT, name, || attach_to(name)).1).max().unwrap();
        let longest = waits.into_iter().map(|wait| wait.join().unwrap()).max().unwrap_or_default();
        println!(
            "attached to {} names, {slowest:?} at most for one; waited at {} of them, for {longest:?} at most",
            names.split('\0').count(),
            waited.len()
        );
    });
}

/// Attaches to an object in all ways. Returns how long that took, as [`run`] does.
fn attach_to(name: &str) -> ((), Duration) {
    let delay = || delay_of("/proc/thread-self/schedstat");
    let (start, before) = (Instant::now(), delay());
    let options = Options::new(name).any_type(true);
    // Whoever names another user as the owner trusts that one not to change the length.
    let trusting = (!name.starts_with("Flipping")).then(|| options.clone().owner(NOBODY).mode(0o666));
    for options in [Some(options), trusting].into_iter().flatten() {
        // None of them may take a ring of another user for its own, nor memory for what has none.
        drop((options.stream_producer::<u64>(), options.stream_consumer::<u64>()));
        drop((options.message_producer(), options.message_consumer()));
    }
    ((), start.elapsed().saturating_sub(delay() - before))
}

/// Attaches to an object until patience ends, and returns how long that took.
fn wait_at(name: &str) -> Duration {
    let start = Instant::now();
    let refused = Options::new(name).stream_producer::<u64>();
    let took = start.elapsed();
    assert!(matches!(refused, Err(Error::NotReady { .. })), "{name}: {refused:?}");
    // A busy machine may make it longer, but not by as much again.
    assert!((PATIENCE..2 * PATIENCE).contains(&took), "{took:?} at {name}");
    took
}

#[test]
fn every_kind_of_hostile_object_is_made() {
    let kinds = Objects::kinds(300, 1);
    for kind in Kind::ALL {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}
