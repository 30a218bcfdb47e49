//! Exit codes, verb by verb and cause by cause, as the table in docs/command.md has them.

mod shell;

// That of the library's tests.
#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "one is used here")]
mod ability;

use std::alloc::Layout;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ability::{Ability, missing};
use ringmain::{Role, message, stream};
use shell::{Program, Ring, Running, deserted, redirected, ringmain, start, write};

/// Where the header has the tail, from `docs/format.md`.
const TAIL: u64 = 0x0180;

fn docs() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/command.md")).unwrap()
}

/// A row of the table: a cause, and the exit code of each verb that can meet it.
type Row = (String, Vec<(String, i32)>);

fn table() -> Vec<Row> {
    let text = docs();
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("| cause | ")).collect();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let verbs = cells(lines[0]);
    let rows = lines.into_iter().skip(2).take_while(|line| line.starts_with('|')).map(cells);
    let codes = |row: &[String]| {
        let cells = verbs.iter().zip(row).skip(1).filter(|(_, code)| *code != "-");
        cells.map(|(verb, code)| (verb.clone(), code.parse().unwrap())).collect()
    };
    rows.map(|row| (row[0].clone(), codes(&row))).collect()
}

/// What runs a verb on a ring, as shortly as it can be.
fn arguments<'a>(verb: &'a str, name: &'a str) -> Vec<&'a str> {
    let more: &[&str] = match verb {
        "create" => &[name, "--kind", "stream", "--capacity", "64"],
        "rm" | "tap" => &[name],
        // A reader that finds nothing waits.
        "read" => &[name, "--no-create", "--count", "1"],
        "write" => &[name, "--no-create"],
        "stat" => &[name, "--interval", "10ms"],
        "watch" => &[name, "--interval", "10ms", "--count", "1"],
        "completions" => &["bash"],
        "bench" => &["--quick", "--test", "rtt", "--size", "8", "--rounds", "1", "--transport", "stream"],
        "chaos" => &["--seconds", "1"],
        _ => &[],
    };
    [&[verb], more].concat()
}

/// A stream of bytes with some in it.
fn filled() -> Ring {
    let ring = Ring::new();
    let mut tx: stream::Producer<u8> = ring.options().capacity(64).stream_producer().unwrap();
    tx.push_slice(b"some").unwrap();
    ring
}

/// How a verb meets a cause.
struct Met {
    command: Command,
    /// Kept until it has ended.
    _ring: Ring,
    _holders: Vec<Running>,
    _role: Option<message::Consumer>,
    _program: Option<Program>,
}

impl Met {
    fn at(command: Command, ring: Ring) -> Met {
        Met { command, _ring: ring, _holders: Vec::new(), _role: None, _program: None }
    }
}

/// Makes a verb meet a cause; `None` if the system does not let it, which is said.
fn meet(cause: &str, verb: &str) -> Option<Met> {
    let plain = |ring: Ring, more: &[&str]| {
        let command = ringmain(&[&arguments(verb, ring.name())[..], more].concat());
        Some(Met::at(command, ring))
    };
    match cause {
        "all was done" => match verb {
            "create" => plain(Ring::new(), &[]),
            _ => plain(filled(), &[]),
        },
        "an option that there is not" => plain(Ring::new(), &["--colour"]),
        "a name that cannot be" => Some(Met::at(ringmain(&arguments(verb, "no/name")), Ring::new())),
        "a size that cannot be" => match verb {
            "create" => plain(Ring::new(), &["--element-size", "3", "--element-align", "2"]),
            _ => plain(Ring::new(), &["--framing", "fixed:0"]),
        },
        "no ring of that name" => plain(Ring::new(), &[]),
        "no ring, but something else" => {
            let ring = Ring::new();
            fs::write(ring.path(), [7; 5000]).unwrap();
            plain(ring, &[])
        }
        "a ring whose positions cannot be" => {
            let ring = filled();
            let file = File::options().write(true).open(ring.path()).unwrap();
            file.write_all_at(&u64::MAX.to_ne_bytes(), TAIL).unwrap();
            plain(ring, &[])
        }
        "another ring than was asked for" => match verb {
            "create" => {
                let ring = Ring::new();
                drop(ring.options().capacity(128).create_stream(Layout::new::<u8>()).unwrap());
                plain(ring, &[])
            }
            // Without --no-create, which excludes a capacity.
            _ => {
                let ring = filled();
                Some(Met::at(ringmain(&[verb, ring.name(), "--capacity", "4K"]), ring))
            }
        },
        "a ring that is not stale, with --stale" => plain(filled(), &["--stale"]),
        "a framing that the ring cannot have" => plain(filled(), &["--framing", "lines"]),
        "a ring that others may not read" => {
            let ring = filled();
            if !rustix::process::geteuid().is_root() {
                missing(Ability::OtherUsers, "only root acts as another user");
                return None;
            }
            let program = Program::copied();
            let command = program.as_nobody(&arguments(verb, ring.name()));
            Some(Met { _program: Some(program), ..Met::at(command, ring) })
        }
        "its role is held" => {
            let ring = filled();
            let other = if verb == "write" { "write" } else { "read" };
            let holder = match other {
                "write" => Running::start(ringmain(&["write", ring.name()]).stdin(Stdio::piped())),
                _ => start(&["read", ring.name(), "--follow"]),
            };
            ring.await_holder(if other == "write" { Role::Producer } else { Role::Consumer });
            plain(ring, &[]).map(|met| Met { _holders: vec![holder], ..met })
        }
        "stdout is closed" | "stdin is closed" => {
            let ring = if verb == "create" { Ring::new() } else { filled() };
            let how = if cause.starts_with("stdout") { ">&-" } else { "<&-" };
            Some(Met::at(redirected(&arguments(verb, ring.name()), how), ring))
        }
        "stdout cannot be written" => {
            let mut met = plain(if verb == "create" { Ring::new() } else { filled() }, &[])?;
            met.command.stdout(File::options().write(true).open("/dev/full").unwrap());
            Some(met)
        }
        "nobody reads stdout" => {
            let mut met = plain(if verb == "create" { Ring::new() } else { filled() }, &[])?;
            met.command.stdout(deserted());
            Some(met)
        }
        "stdin cannot be read" => {
            let mut met = plain(filled(), &[])?;
            met.command.stdin(File::open("/").unwrap());
            Some(met)
        }
        "the other end left" => {
            let ring = Ring::new();
            if verb == "read" {
                write(&[ring.name()], "some", 0);
                return Some(Met::at(ringmain(&["read", ring.name()]), ring));
            }
            // It comes while the writer is there, and leaves at once.
            let reader = start(&["read", ring.name(), "--count", "1"]);
            ring.await_holder(Role::Consumer);
            let mut command = ringmain(&["write", ring.name()]);
            let (input, mut endless) = std::io::pipe().unwrap();
            std::thread::spawn(move || while endless.write_all(&[7; 4096]).is_ok() {});
            command.stdin(input);
            Some(Met { _holders: vec![reader], ..Met::at(command, ring) })
        }
        "the other end was killed" => {
            let ring = Ring::new();
            let mut writer = Running::start(ringmain(&["write", ring.name()]).stdin(Stdio::piped()));
            ring.await_holder(Role::Producer);
            writer.kill();
            Some(Met::at(ringmain(&["read", ring.name()]), ring))
        }
        "the other end failed" => {
            let ring = Ring::new();
            write(&[ring.name(), "--framing", "fixed:4"], "abcdef", 1);
            Some(Met::at(ringmain(&["read", ring.name()]), ring))
        }
        cause => panic!("the table has a cause that is not known here: {cause}"),
    }
}

#[test]
fn each_verb_ends_as_the_table_says_for_each_cause() {
    let table = table();
    assert!(table.len() > 10, "{table:?}");
    for (cause, codes) in &table {
        for (verb, code) in codes {
            let Some(mut met) = meet(cause, verb) else { continue };
            let output = Running::start(&mut met.command).output();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(*code), "{cause}, {verb}: {errors}");
            assert!(!errors.contains("panicked"), "{errors}");
        }
    }
}

#[test]
fn no_code_depends_on_whether_stderr_can_be_written() {
    for (cause, codes) in &table() {
        // Those take their time, and fail as all do.
        for (verb, code) in codes.iter().filter(|(verb, code)| *code != 0 && verb != "bench" && verb != "chaos") {
            let full = || File::options().write(true).open("/dev/full").unwrap().into();
            let broken = || deserted().into();
            let streams: [&dyn Fn() -> Stdio; 2] = [&full, &broken];
            for stderr in streams {
                let Some(mut met) = meet(cause, verb) else { continue };
                let mut process = Running::start(met.command.stderr(stderr()));
                assert_eq!(process.end().code(), Some(*code), "{cause}, {verb}");
            }
        }
    }
    // Help and the version have no other codes than reports.
    for argument in ["--help", "--version"] {
        for (how, code) in [(">&-", 1), (">/dev/full", 1), (">/dev/full 2>/dev/full", 1), (">/dev/null", 0)] {
            let output = Running::start(&mut redirected(&[argument], how)).output();
            assert_eq!(output.status.code(), Some(code), "{argument} {how}");
        }
        let mut process = Running::start(ringmain(&[argument]).stdout(deserted()));
        assert_eq!(process.end().code(), Some(141));
    }
}

#[test]
fn the_help_of_each_verb_has_the_codes_of_the_documentation() {
    let docs = docs();
    let help = |arguments: &[&str]| {
        let output = start(arguments).output();
        let text = String::from_utf8(output.stdout).unwrap();
        text[text.find("Exit codes:").unwrap_or_else(|| panic!("{arguments:?}: {text}"))..].trim_end().to_owned()
    };
    let codes = help(&["--help"]);
    assert!(docs.contains(&codes), "docs/command.md has not:\n{codes}");
    let verbs: BTreeSet<String> = table().into_iter().flat_map(|(_, codes)| codes).map(|(verb, _)| verb).collect();
    assert_eq!(verbs.len(), 13, "{verbs:?}");
    for verb in verbs {
        for option in ["-h", "--help"] {
            assert_eq!(help(&[&verb, option]), codes, "{verb}");
        }
    }
}
