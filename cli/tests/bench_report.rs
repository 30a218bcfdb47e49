//! How the report of `ringmain bench` looks on a terminal and elsewhere, and what it leaves out.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

mod bench_common;
mod shell;

use bench_common::{Scratch, bench, check_json, output};
use shell::Running;

const SMALL: [&str; 8] = ["--quick", "--rounds", "1", "--size", "64", "--transport", "message,pipe", "--test"];

/// Runs with a terminal as the standard output, and returns what came there.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let user: OwnedFd = ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let mut command = bench(&[&SMALL[..], &["rtt,idle"]].concat());
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
    let child = Running::start(command.stdout(Stdio::from(user)).stderr(Stdio::null()));
    // The program's end of the terminal is closed here, so that reading ends with the program.
    drop(command);
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // A terminal without a program ends with an error.
        let _ = File::from(terminal).read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    });
    assert!(child.output().status.success());
    reader.join().unwrap()
}

#[track_caller]
fn check_plain(text: &str) {
    assert!(text.contains("rtt: time of a message") && text.contains('#'), "{text}");
    assert!(text.is_ascii() && !text.contains('\x1b'), "{text}");
}

#[test]
fn elsewhere_than_on_a_terminal_there_are_no_colours_and_ascii_alone() {
    let output = output(&[&SMALL[..], &["rtt,idle"]].concat());
    check_plain(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn a_terminal_shows_bars_and_colours() {
    let text = on_a_terminal(&[]);
    assert!(text.contains("\x1b[1mrtt: time of a message") && text.contains('█'), "{text}");
}

#[test]
fn a_terminal_shows_neither_where_the_user_wants_no_colour() {
    check_plain(&on_a_terminal(&[("NO_COLOR", "1")]));
    check_plain(&on_a_terminal(&[("TERM", "dumb")]));
}

#[test]
fn what_the_system_does_not_allow_is_left_out_with_its_reason() {
    let arguments = ["--quick", "--rounds", "1", "--size", "64", "--test", "rtt,idle", "--transport"];
    let run = |transports| {
        let arguments = [&arguments[..], &[transports]].concat();
        shell::output(bench(&arguments).env("TMPDIR", "/proc/nowhere"))
    };
    let output = run("fifo,pipe");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let (_, left_out) = text.split_once("\nleft out\n").unwrap();
    for part in
        ["rtt of 64 bytes over fifo (sleep): ", "idle of 64 bytes over fifo (spin): ", "/proc/nowhere", "TMPDIR"]
    {
        assert!(left_out.contains(part), "no '{part}' in:\n{text}");
    }

    let output = run("fifo");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("nothing that was asked for") && errors.contains("fifo"), "{errors}");
}

#[test]
fn an_earlier_run_that_was_not_steady_is_told_so_first() {
    let scratch = Scratch::new("unsteady");
    // Of figures that are always the same: in a run of its own the processors may move.
    let mut report: Value = serde_json::from_str(include_str!("walk/results.json")).unwrap();
    let mut beginning = |factor: f64| {
        let line = &mut report["regimes"][0]["line"];
        line["max"] = (line["min"].as_f64().unwrap() * factor).into();
        let output = output(&["--from", &scratch.write("results.json", &report.to_string())]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_once("\nprocessor ").unwrap().0.to_owned()
    };
    let text = beginning(7.0);
    assert!(text.contains("\nnot steady  the bare line differed by a factor of 7.0\n"), "{text}");
    let text = beginning(1.0);
    assert!(
        text.starts_with("message     64 bytes over the message ring") && !text.contains("the bare line diff"),
        "{text}"
    );
}

#[test]
fn a_set_is_told_first_beside_one_ring() {
    let output = output(&["--quick", "--rounds", "3", "--test", "waitset", "--rings", "1,8", "--transport", "stream"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("message     64 bytes over the next of many"), "{text}");
    for set in ["set of 1    ", "set of 8    "] {
        let line = text.lines().find_map(|line| line.strip_prefix(set)).unwrap_or_else(|| panic!("no {set} in {text}"));
        let ratio = line.strip_prefix("stream park: ").unwrap().split_once(" times one ring's round trip (").unwrap();
        // The same as in the table.
        let row = text.lines().find(|line| line.contains(set.trim_end()) && line.ends_with(ratio.0));
        assert!(ratio.0.parse::<f64>().unwrap() > 0.0 && row.is_some(), "{text}");
    }
}

#[test]
fn messages_beyond_the_limit_of_queues_are_left_out_with_the_limit() {
    let limit: u64 = std::fs::read_to_string("/proc/sys/fs/mqueue/msgsize_max").unwrap().trim().parse().unwrap();
    let report = check_json(&["--test", "rtt", "--size", "8,65536", "--transport", "posix-mq"]);
    let left_out = report["left-out"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(left_out.len(), usize::from(limit < 65536), "{report}");
    for one in left_out {
        assert_eq!((&one["transport"], &one["bytes"]), (&"posix-mq".into(), &65536.into()));
        assert!(one["reason"].as_str().unwrap().contains(&limit.to_string()), "{one}");
    }
}
