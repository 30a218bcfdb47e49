//! What every verb prints, on terminals of 60, 80 and 200 columns and into a pipe, against the snapshots in `walk/`.
//!
//! They are written anew where `RINGMAIN_WRITE` is set, as `scripts/walk` does. What differs from run to run is
//! replaced: process ids, ids of rings, times, rates. Where a terminal has to go on in its next row, a line ends with
//! `⏎`: no line of any verb does.
//!
//! `bench` is walked through with a report of fixed figures (`walk/results.json`), since columns are as wide as what
//! stands in them. What it measures here, what `chaos` did and what `doctor` finds is checked for its layout as it is
//! printed, and then only its frame is kept.

mod shell;

// That of the library's tests.
#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "one is used here")]
mod ability;
#[path = "look/screen.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod screen;
#[path = "look/terminal.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod terminal;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use ability::{Ability, missing};
use ringmain::inspect::Inspection;
use ringmain::{Options, Role};
use screen::Screen;
use serde_json::Value;
use shell::{Running, output, wait_for};

/// Each verb with the commands that it is walked through.
const WALK: [(&str, &[&str]); 14] = [
    ("ls", &["ringmain ls", "ringmain ls -o name,state,reason", "ringmain ls --json -o name,used,state,producer"]),
    (
        "stat",
        &[
            "ringmain stat ticks --interval 10ms",
            "ringmain stat damaged",
            "ringmain stat orders -o name,used,fill,bar,type-id",
            "ringmain stat missing",
            "ringmain stat orders --json",
        ],
    ),
    ("watch", &["ringmain watch --interval 200ms --count 2"]),
    ("tap", &["ringmain tap orders", "ringmain tap orders --format text", "ringmain tap orders --json"]),
    (
        "create",
        &[
            "ringmain create made --kind message --capacity 64K; ringmain create made --kind message --capacity 64K",
            "ringmain create made --kind stream --capacity 64K",
            "ringmain create made --kind message --capacity 64K --exclusive; ringmain rm made",
            "ringmain create a/b --kind stream --capacity 1K",
        ],
    ),
    (
        "rm",
        &[
            "ringmain rm ticks",
            "ringmain rm notes.txt missing",
            "ringmain rm --stale notes.txt",
            "ringmain rm --stale --dry-run",
        ],
    ),
    (
        "write",
        &[
            "printf 'one\\ntwo\\n' | ringmain write made --framing lines --progress=never",
            "printf 'three' | ringmain write made --framing length --progress=never",
            "ringmain write ticks </dev/null; ringmain rm made",
        ],
    ),
    (
        "read",
        &[
            "printf 'one\\ntwo\\n' | ringmain write made --framing lines --progress=never; ringmain read made --unlink",
            "ringmain read missing --no-create",
            "ringmain read damaged",
        ],
    ),
    ("doctor", &["ringmain doctor", "ringmain doctor --json"]),
    (
        "bench",
        &[
            "ringmain bench --from results.json --compare results.json",
            "ringmain bench --from results.json --json | cut -c 1-60",
            MEASURED,
            "ringmain bench --from missing.json",
            "ringmain bench --size 7",
        ],
    ),
    ("chaos", &[KILLED, "ringmain chaos --seconds 1 --json", "ringmain chaos --seconds 0"]),
    ("completions", &["ringmain completions tcsh", "ringmain completions fish | cut -c 1-60"]),
    ("man", &["ringmain man wrte", "ringmain man rm | head -n 6"]),
    ("help", &["ringmain", "ringmain help", "ringmain --version", "ringmain lss"]),
];

/// The shortest that measures everything.
const MEASURED: &str = "ringmain bench --quick --rounds 1 --test rtt,throughput,waitset,paced,idle --transport \
                        message,unix-seqpacket --size 64 --rate 1k --rings 8";

const KILLED: &str = "ringmain chaos --seconds 1 --seed 7";

/// How wide the terminals are. Where there is none: a pipe.
const PLACES: [Option<u16>; 4] = [Some(60), Some(80), Some(200), None];

/// Where the header has the tail, from `docs/format.md`.
const TAIL: u64 = 0x0180;

/// Stands below all that a command has printed.
const END: &str = "-- end --";

const INSIDE: &str = "RINGMAIN_WALK";

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/walk")
}

#[test]
fn every_verb_prints_what_the_snapshots_show() {
    let folder = env::temp_dir().join(format!("ringmain-walk-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    // With a shared memory and with process ids of its own; as root, of a user namespace where this is not root.
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script =
        "mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 99; exec \"$0\" --ignored --exact --nocapture walks";
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]);
    let walk = output(command.arg(env::current_exe().unwrap()).env(INSIDE, &folder));
    let said = [&walk.stdout, &walk.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    if !walk.status.success() {
        fs::remove_dir_all(&folder).unwrap();
        assert_ne!(walk.status.code(), Some(101), "{said}");
        return missing(Ability::PidNamespace, said);
    }
    let mut differing = Vec::new();
    for (verb, _) in WALK {
        let name = format!("{verb}.txt");
        let found = fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| panic!("{error}: {name}: {said}"));
        let path = snapshots().join(&name);
        if env::var_os("RINGMAIN_WRITE").is_some() {
            fs::create_dir_all(snapshots()).unwrap();
            fs::write(&path, &found).unwrap();
        } else if let Some(difference) = difference(&fs::read_to_string(&path).unwrap_or_default(), &found) {
            differing.push(format!("{name}: {difference}"));
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    assert!(differing.is_empty(), "{}\nscripts/walk writes them anew", differing.join("\n"));
}

/// Returns the first line that differs.
fn difference(snapshot: &str, found: &str) -> Option<String> {
    if snapshot == found {
        return None;
    }
    let count = snapshot.lines().zip(found.lines()).take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(count).unwrap_or("the end").to_owned();
    Some(format!("line {}:\n  snapshot  {}\n  found     {}", count + 1, line(snapshot), line(found)))
}

#[test]
fn another_output_than_that_of_a_snapshot_is_found() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert!(difference("a\nb\n", "a\nc\n").unwrap().contains("line 2:\n  snapshot  b\n  found     c"));
    assert!(difference("a\n", "a\nc\n").unwrap().contains("the end"));
}

#[test]
#[ignore = "a process that the test starts, with a shared memory of its own"]
fn walks() {
    let Some(folder) = env::var_os(INSIDE).map(PathBuf::from) else { return };
    let scene = Scene::new(&folder);
    let is_for_programs = |command: &str| command.contains("--json") || command.contains(" | ");
    for (verb, commands) in WALK {
        let help = if verb == "help" { vec![] } else { vec![format!("ringmain {verb} --help")] };
        let commands: Vec<String> = commands.iter().map(|&command| command.to_owned()).chain(help).collect();
        let mut text = String::new();
        let mut wrapped = Vec::new();
        for place in PLACES {
            let name = place.map_or_else(|| "a pipe".to_owned(), |columns| format!("{columns} columns"));
            for command in commands.iter().filter(|command| place.is_none() || !is_for_programs(command)) {
                let sizes: &[u16] =
                    if verb == "watch" && !command.contains("help") && place.is_some() { &[24, 8] } else { &[500] };
                for rows in sizes {
                    let seen = scene.run(command, place, *rows);
                    let cut = seen.lines().filter(|line| line.ends_with('⏎'));
                    wrapped.extend(cut.map(|line| format!("{name}: {line}")));
                    text += &format!("== {name} == $ {command}\n");
                    text += &match (verb, *command == *MEASURED) {
                        ("doctor", _) if !command.contains("help") => findings(&seen, place),
                        ("chaos", _) if command.contains(" 1 ") => counts(&seen),
                        (_, true) => sections(&seen),
                        _ => scene.masked(&seen),
                    };
                }
            }
        }
        assert!(wrapped.is_empty(), "{verb}: lines that a terminal has cut:\n{}", wrapped.join("\n"));
        fs::write(folder.join(format!("{verb}.txt")), text).unwrap();
    }
}

#[test]
#[ignore = "a process that the walk starts"]
fn flows() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let options = Options::new("moving").capacity(1024);
    let (mut tx, mut rx) = (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap());
    (0..300).for_each(|number| tx.push(number).unwrap());
    loop {
        for number in 0..20 {
            tx.push(number).unwrap();
            rx.pop().unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The rings that are looked at: one that data moves through, one that is written to, messages that wait, what a killed
/// writer left, one that is damaged, and a file.
struct Scene {
    holders: [Running; 2],
    path: std::ffi::OsString,
}

impl Scene {
    fn new(folder: &Path) -> Scene {
        let program = Path::new(env!("CARGO_BIN_EXE_ringmain")).parent().unwrap().to_owned();
        let path = env::join_paths([program].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
        // A program whose name is the same after each build.
        let feed = folder.join("feed");
        symlink(env::current_exe().unwrap(), &feed).unwrap();
        let mut command = Command::new(feed);
        command.args(["--ignored", "--exact", "flows"]).stdout(Stdio::null());
        let feed = Running::start(&mut command);
        let await_data = |ring: &str| {
            wait_for("data in a ring", || {
                let ring = Inspection::open(ring).ok()?;
                (ring.positions().ok()?.used > 0 && ring.end(Role::Producer).is_ok()).then_some(())
            });
        };
        await_data("moving");
        let write = |ring: &str, bytes: &[u8]| {
            let mut command = shell::ringmain(&["write", ring]);
            // As a shell calls it.
            let mut writer = Running::start(command.arg0("ringmain").stdin(Stdio::piped()));
            writer.child().stdin.as_mut().unwrap().write_all(bytes).unwrap();
            await_data(ring);
            writer
        };
        let writer = write("ticks", &[7; 4096]);
        shell::write(&["orders", "--framing", "lines", "--capacity", "64K"], "buy 100 EURUSD\nsell 20\n\n", 0);
        let long = "quotes-of-the-paris-venue.part";
        shell::run(&["create", long, "--kind", "message", "--capacity", "4M", "--alignment", "64"], 0);
        write(long, b"one\n").kill();
        shell::run(&["create", "damaged", "--kind", "stream", "--capacity", "1K", "--element-size", "48"], 0);
        let damaged = OpenOptions::new().write(true).open("/dev/shm/damaged").unwrap();
        damaged.write_all_at(&5000_u64.to_ne_bytes(), TAIL).unwrap();
        fs::write("/dev/shm/notes.txt", "no ring\n").unwrap();
        Scene { holders: [feed, writer], path: path.unwrap() }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).stdin(Stdio::null()).env("PATH", &self.path).env("TERM", "xterm");
        command.env_remove("NO_COLOR").env_remove("COLUMNS").current_dir(snapshots());
        command
    }

    /// Runs a command to its end, and returns what is seen of it.
    fn run(&self, line: &str, place: Option<u16>, rows: u16) -> String {
        let Some(columns) = place else {
            let output = output(self.command(&format!("{{ {line}; }} 2>&1")).stdout(Stdio::piped()));
            let text = String::from_utf8(output.stdout).unwrap();
            return format!("{text}{}\n", code(output.status.code()));
        };
        let mut screen = Screen::new(rows, columns);
        let is_drawn = line.starts_with("ringmain watch --interval");
        // What is drawn vanishes at its end.
        let line = match is_drawn {
            true => line.replace(" --count 2", ""),
            false => format!("{line}; code=$?; printf '\\n{END}\\n'; exit $code"),
        };
        let mut process = screen.terminal.lead(&mut self.command(&line));
        if is_drawn {
            let lines = screen.see("rates", |screen| {
                let lines = screen.rows();
                let has_rate = |name: &str| lines.iter().any(|line| line.starts_with(name) && line.contains("/s"));
                let is_whole = lines.iter().any(|line| line.starts_with("notes.txt") || line.contains(" more"));
                (has_rate("moving") && has_rate("ticks") && is_whole).then_some(lines)
            });
            screen.terminal.type_keys(b"q");
            process.end();
            return lines.concat();
        }
        let lines = screen.see("all", |screen| {
            let mut lines = screen.rows();
            (lines.pop()? == format!("{END}\n")).then_some(lines)
        });
        format!("{}\n{}\n", lines.concat().trim_end(), code(process.end().code()))
    }

    /// Replaces what differs from run to run.
    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for holder in &self.holders {
            let (pid, mask) = (holder.id().to_string(), "P".repeat(holder.id().to_string().len()));
            for (before, after) in [("process ", ""), ("", " feed"), ("", " rin")] {
                text = text.replace(&format!("{before}{pid}{after}"), &format!("{before}{mask}{after}"));
            }
        }
        let head = text.lines().find(|line| line.starts_with("NAME ")).unwrap_or_default().to_owned();
        text.lines().map(|line| masked(line, &head) + "\n").collect()
    }
}

/// What `doctor` has looked at. What it found is the machine's, and so is how many lines that takes: each is where it
/// belongs, and the first of each check stays.
fn findings(text: &str, place: Option<u16>) -> String {
    /// Where the text of a finding begins.
    const MARGIN: usize = 27;
    let mut kept = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Ok(mut finding) = serde_json::from_str::<Value>(line) {
            for key in ["status", "found", "cure"] {
                assert!(finding[key].is_string() || key == "cure" && finding[key].is_null(), "{line}");
                finding[key] = "...".into();
            }
            kept += &format!("{finding}\n");
            continue;
        }
        let (head, found) = line.split_at_checked(MARGIN).unwrap_or_else(|| panic!("no finding: {line:?}"));
        let status = ["ok         ", "attention  "].into_iter().find_map(|status| head.strip_prefix(status));
        let is_next = head.trim().is_empty() && (found.starts_with("-> ") || place.is_some());
        assert!(!found.is_empty() && (status.is_some() || is_next), "no finding: {line:?}");
        let columns = place.map_or(usize::MAX, usize::from);
        assert!(line.chars().count() <= columns, "wider than {columns}: {line}");
        kept += &status.map_or_else(String::new, |check| format!("...        {check}...\n"));
    }
    // Not every machine has one.
    let (governor, kept): (Vec<&str>, Vec<&str>) = kept.lines().partition(|line| line.contains("governor"));
    assert!(governor.len() <= 1, "{governor:?}");
    kept.iter().map(|line| format!("{line}\n")).collect::<String>() + "\n"
}

/// What `chaos` has counted: what is wrong as it is, and of the rest that there is a number, which stands to the left.
fn counts(text: &str) -> String {
    const FAULTS: [&str; 8] =
        ["lost", "torn", "invented", "repeated", "withheld", "told-wrongly", "hangs", "other-failures"];
    let is_fault = |name: &str| FAULTS.contains(&&*name.trim_end().replace(' ', "-"));
    let line = |line: &str| {
        let name = line.split("  ").next().unwrap_or_default();
        if is_fault(name) { line.to_owned() } else { without_numbers(line) }
    };
    let object = |text: &str| {
        let mut object = serde_json::from_str::<Value>(text).ok()?;
        let counts = object.as_object_mut()?.iter_mut().filter(|(name, _)| !is_fault(name));
        counts.for_each(|(_, count)| *count = "...".into());
        Some(object.to_string())
    };
    text.lines().map(|text| object(text).unwrap_or_else(|| line(text)) + "\n").collect()
}

/// The titles of what `bench` has measured, of which everything is in a table that is straight.
fn sections(text: &str) -> String {
    let mut tables = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("══") || line.starts_with("=="))
    {
        let width = line.chars().count();
        let (top, head) = (lines[at - 2], lines[at - 1]);
        let rows: Vec<&str> = lines[at + 1..].iter().copied().take_while(|line| *line != top).collect();
        assert!(top.chars().count() == width && at + 1 + rows.len() < lines.len(), "no table: {text}");
        // Between two columns all rows are empty.
        let is_empty = |at: usize| rows.iter().chain([&head]).all(|row| row.chars().nth(at).is_none_or(|it| it == ' '));
        let begins = |at: usize| !is_empty(at) && (at == 0 || at > 1 && is_empty(at - 1) && is_empty(at - 2));
        let titles = head.split("  ").filter(|title| !title.trim().is_empty()).count();
        assert!(!rows.is_empty() && (0..width).filter(|at| begins(*at)).count() >= titles, "no columns: {text}");
        assert!(rows.iter().all(|row| row.chars().count() <= width), "{text}");
        tables += 1;
    }
    assert_eq!(tables, 6, "{text}");
    let is_first = |at: usize| at == 0 || lines[at - 1].is_empty();
    let first = lines.iter().enumerate().filter(|(at, line)| is_first(*at) && !line.is_empty()).map(|(_, line)| *line);
    // The axis of the picture, and the machine.
    let titles = first.filter(|line| !line.starts_with(' ') && !line.starts_with("processor"));
    titles.map(|line| without_numbers(line) + "\n").collect::<String>() + "\n"
}

/// Puts an N for each number.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for letter in line.chars() {
        match letter {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            '.' if text.ends_with('N') => {}
            _ => text.push(letter),
        }
    }
    text
}

fn code(code: Option<i32>) -> String {
    match code {
        Some(0) | None => String::new(),
        Some(code) => format!("(exit code {code})\n"),
    }
}

fn masked(line: &str, head: &str) -> String {
    if let Ok(mut object) = serde_json::from_str::<Value>(line) {
        for key in ["created", "ring-id", "time"] {
            object.get_mut(key).into_iter().for_each(|value| *value = "...".into());
        }
        if let Some(pid) = object.pointer_mut("/producer/pid").filter(|pid| !pid.is_null()) {
            *pid = "...".into();
        }
        return object.to_string();
    }
    for (key, mask) in [("created", "YYYY-MM-DD hh:mm:ss"), ("ring-id", "0x0000111122223333")] {
        if let Some(rest) = line.strip_prefix(key) {
            let value = rest.trim_start();
            if value.starts_with(|first: char| first.is_ascii_digit()) {
                return line.replace(value, mask);
            }
        }
    }
    if !line.starts_with("moving ") {
        return line.to_owned();
    }
    // The figures of what moves end where their headings do.
    let mut letters: Vec<char> = line.chars().collect();
    for name in ["PUSHED", "POPPED", "USED", "LAG"] {
        let Some(end) = head.find(&format!(" {name}")).map(|at| at + 1 + name.len()) else { continue };
        let mut at = end.min(letters.len());
        while at > 1 && (letters[at - 1] != ' ' || letters[at - 2] != ' ') {
            at -= 1;
            letters[at] = ' ';
        }
        letters[end - 1] = 'N';
    }
    letters.into_iter().collect()
}
