//! `ringmain bench` as a user runs it. Nothing is timed: runs are as small as can be, and figures are not looked at.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

mod bench_common;
mod shell;

use bench_common::{bench, check_json, output};
use shell::{Running, wait_for};

/// The parent and state of a process, by the kernel's one letter.
fn parent_and_state(pid: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn child_of(parent: u32) -> Option<u32> {
    let entries = fs::read_dir("/proc").ok()?;
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(|pid| parent_and_state(*pid).is_some_and(|(of, _)| of == parent))
}

fn is_running(pid: u32) -> bool {
    parent_and_state(pid).is_some_and(|(_, state)| state != 'Z')
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[track_caller]
fn check_nothing_is_left(pid: u32) {
    let mark = format!(".{pid}.");
    let left: Vec<String> = fs::read_dir("/dev/shm")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains(&mark))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The transports that are calls of the kernel, in the order of a report.
const KERNEL: [&str; 7] = ["eventfd", "pipe", "fifo", "unix-stream", "unix-seqpacket", "tcp", "posix-mq"];

#[track_caller]
fn only(list: &Value) -> &Value {
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 1, "{list:?}");
    &list[0]
}

/// Checks what the bare line said about a run of one round.
#[track_caller]
fn check_one_round(report: &Value) {
    let (regime, line) = (only(&report["regimes"]), only(&report["lines"]));
    assert_eq!((&regime["nearness"], only(&regime["rounds"])), (&"near".into(), &0.into()));
    let [start, end] = ["start", "end"].map(|key| line[key].as_f64().unwrap());
    assert!(start > 0.0 && end > 0.0, "{line}");
    let median = regime["line"]["median"].as_f64().unwrap();
    assert!((start.min(end) - 1e-6..=start.max(end) + 1e-6).contains(&median), "{line} {median}");
}

#[test]
fn each_round_has_a_bare_line_whatever_is_measured() {
    for arguments in [["--test", "throughput", "--transport", "pipe"], ["--test", "rtt", "--transport", "own-work"]] {
        check_one_round(&check_json(&[&arguments[..], &["--size", "64"]].concat()));
    }
    let report = check_json(&["--test", "idle", "--transport", "pipe"]);
    assert!(report["regimes"].is_null() && report["lines"].is_null() && report["moved"].is_null(), "{report}");
}

#[test]
fn the_own_work_and_fresh_lines_are_measured_if_named() {
    let report = check_json(&["--transport", "own-work,cache-lines", "--size", "64"]);
    let names = |test: &str| {
        let results = report["results"].as_array().unwrap().iter().filter(|result| result["test"] == test);
        results.map(|result| result["transport"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names("rtt"), ["cache-line", "cache-lines", "own-work"]);
    assert_eq!(names("throughput"), ["cache-line", "own-work"]);
}

#[test]
fn the_json_has_a_result_per_transport_test_and_size() {
    let report = check_json(&["--size", "8,64"]);

    for key in ["processor", "kernel", "date"] {
        assert!(report["host"][key].is_string(), "{}", report["host"]);
    }
    assert_eq!(report["format"], 2);
    check_one_round(&report);
    assert!(report["host"]["limits"]["processors"].as_u64().unwrap() > 0);
    let same_core = report["host"]["same-core"].as_str().unwrap();
    assert!(["yes", "no", "unknown"].contains(&same_core), "{same_core}");
    assert_eq!(report["host"]["cpus"].as_array().unwrap().len(), 2);

    let results = report["results"].as_array().unwrap();
    let mut found = Vec::new();
    for result in results {
        let transport = result["transport"].as_str().unwrap();
        let spins = ["cache-line", "cache-lines", "stream", "message"].contains(&transport);
        let waits = if spins { "spin" } else { "sleep" };
        assert_eq!(result["wait"], if transport == "memcpy" { "never" } else { waits });
        let unit = if result["test"] == "rtt" { "ns" } else { "msg/s" };
        assert_eq!(result["unit"], unit);
        assert_eq!(result["values"].as_array().unwrap().len(), 1);
        let figures = only(&result["by-regime"]);
        assert_eq!((&figures["regime"], &figures["rounds"]), (&"near".into(), &1.into()));
        for key in ["median", "min", "max"] {
            assert!(figures[key].as_f64().unwrap() > 0.0, "{result}");
        }
        if result["test"] == "rtt" {
            let times =
                ["p50", "p90", "p99", "p99.9", "p99.99", "max"].map(|key| figures["times"][key].as_u64().unwrap());
            assert!(times[0] > 0 && times.is_sorted(), "{result}");
            assert!(figures["times"]["messages"].as_u64().unwrap() > 0, "{result}");
        } else {
            assert!(figures["times"].is_null(), "{result}");
        }
        // Nothing is compared with itself, and fresh lines are measured in rtt alone.
        for reference in ["cache-line", "cache-lines", "pipe", "stream", "memcpy"] {
            let ratio = &figures["ratios"][reference];
            let measured = reference != "cache-lines" || result["test"] == "rtt";
            assert_eq!(ratio.is_number(), measured && reference != transport, "{result}");
        }
        assert!(figures["ratios"]["spin"].is_null() && result["fenced"].is_null(), "{result}");
        found.push(format!("{} {} {transport}", result["test"], result["bytes"]).replace('"', ""));
    }
    let expected = ["rtt", "throughput"].map(|test| {
        let others = ["memcpy", "stream", "message"].iter().chain(&KERNEL);
        let others: Vec<&str> = others.copied().collect();
        let of = |bytes: &str| others.iter().map(|transport| format!("{test} {bytes} {transport}")).collect::<Vec<_>>();
        let bare: &[&str] = if test == "rtt" { &["cache-line", "cache-lines"] } else { &["cache-line"] };
        let bare = bare.iter().map(|transport| format!("{test} 8 {transport}")).collect();
        [bare, of("8"), of("64")].concat()
    });
    assert_eq!(found, expected.concat());
}

#[test]
fn every_supported_size_runs_on_the_rings() {
    let report = check_json(&[
        "--transport",
        "stream,message",
        "--size",
        "8,16,32,64,128,256,512,1024,2048,4096,8192,16384,32768,65536",
    ]);
    assert_eq!(report["results"].as_array().unwrap().len(), 2 * (1 + 2 * 14));
}

#[test]
fn only_what_was_asked_for_is_listed_besides_the_cache_line() {
    let report = check_json(&["--test", "rtt", "--transport", "unix-stream", "--size", "16"]);
    let results = report["results"].as_array().unwrap();
    let transports: Vec<&Value> = results.iter().map(|result| &result["transport"]).collect();
    assert_eq!(transports, ["cache-line", "unix-stream"]);
    let ratios = results[1]["by-regime"][0]["ratios"].as_object().unwrap();
    assert_eq!(ratios.keys().collect::<Vec<_>>(), ["cache-line"]);
}

/// What each of some results is about, in words.
fn described(results: &Value) -> Vec<String> {
    let words = |result: &Value| {
        let fenced = if result["fenced"] == true { " fenced" } else { "" };
        format!("{} {}{fenced}", result["transport"], result["wait"]).replace('"', "")
    };
    results.as_array().unwrap().iter().map(words).collect()
}

#[test]
fn each_way_to_wait_is_a_result_with_its_ratio_to_spinning() {
    let transports = format!("stream,message,{}", KERNEL.join(","));
    let report =
        check_json(&["--test", "rtt", "--size", "8", "--wait", "park,spin,adaptive", "--transport", &transports]);
    let rings = ["stream", "message"].map(|ring| ["spin", "adaptive", "park"].map(|wait| format!("{ring} {wait}")));
    let others = KERNEL.map(|other| ["spin", "sleep"].map(|wait| format!("{other} {wait}")));
    assert_eq!(
        described(&report["results"]),
        [vec!["cache-line spin".to_owned()], rings.concat(), others.concat()].concat()
    );
    for result in report["results"].as_array().unwrap() {
        let ratio = &result["by-regime"][0]["ratios"]["spin"];
        assert_eq!(ratio.is_number(), result["wait"] != "spin", "{result}");
    }
}

#[test]
fn fences_are_results_beside_those_without() {
    let report = check_json(&[
        "--fenced",
        "--size",
        "8",
        "--test",
        "throughput",
        "--wait",
        "spin",
        "--transport",
        "stream,message",
    ]);
    let expected = ["cache-line spin", "stream spin", "stream spin fenced", "message spin", "message spin fenced"];
    assert_eq!(described(&report["results"]), expected);
    assert!(report["results"][2]["by-regime"][0]["ratios"]["spin"].is_number());
}

#[test]
fn paced_messages_have_a_distribution_of_times_per_rate() {
    let report = check_json(&["--test", "paced", "--rate", "50,10k", "--wait", "adaptive", "--size", "8,128"]);
    let paced = report["paced"].as_array().unwrap();
    let rings = ["stream adaptive", "message adaptive"].map(str::to_owned);
    let transports = [&rings[..], &KERNEL.map(|transport| format!("{transport} sleep"))].concat();
    assert_eq!(described(&report["paced"]), [&transports[..], &transports].concat());
    let half = transports.len();
    for (index, result) in paced.iter().enumerate() {
        assert_eq!(result["rate"], if index < half { 50 } else { 10_000 });
        assert_eq!(result["messages"], if index < half { 5 } else { 1000 });
        assert_eq!((&result["bytes"], &result["unit"]), (&128.into(), &"ns".into()));
        let times = ["p50", "p90", "p99", "p99.9", "p99.99", "max"].map(|key| result[key].as_u64().unwrap());
        assert!(times[0] > 0 && times.is_sorted(), "{result}");
        for key in ["achieved", "sink-processor", "source-processor"] {
            assert!(result[key].as_f64().unwrap() > 0.0, "{result}");
        }
    }
    assert!(report["results"].as_array().unwrap().is_empty());
}

#[test]
fn idle_has_a_percentage_for_each_way_to_wait() {
    let report = check_json(&["--test", "idle"]);
    let rings = ["stream", "message"].map(|ring| ["spin", "adaptive", "park"].map(|wait| format!("{ring} {wait}")));
    let others = KERNEL.map(|other| ["spin", "sleep"].map(|wait| format!("{other} {wait}")));
    assert_eq!(described(&report["idle"]), [rings.concat(), others.concat()].concat());
    for result in report["idle"].as_array().unwrap() {
        assert!(result["percent"].as_f64().unwrap() > 0.0, "{result}");
    }
}

#[test]
fn the_text_has_a_table_for_paced_and_one_for_idle() {
    let output =
        output(&["--quick", "--test", "paced,idle", "--transport", "message", "--rate", "100", "--wait", "adaptive"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["each case once", "adaptive  a ring spins for about", "paced: time", "100/s", "p99.9", "idle: proc"] {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
}

#[test]
fn two_processes_on_one_processor_do_not_hang() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let processor = (0..1024).find(|one| allowed.is_set(*one)).unwrap();
    let processors = format!("{processor},{processor}");
    let report = check_json(&["--cpus", &processors, "--size", "8", "--wait", "spin,adaptive"]);
    assert_eq!(report["host"]["cpus"][0], report["host"]["cpus"][1]);
    assert_eq!(report["host"]["same-core"], "yes");
}

#[test]
fn the_text_has_a_table_per_test_and_says_who_spins() {
    let output = output(&["--quick", "--rounds", "1", "--size", "8"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.starts_with("message "), "{text}");
    for part in [
        "message     8 bytes over the message ring, which spins while it waits\nregime      near (",
        " in 1 of 1 round, ",
        "\nround trip  ",
        " as long as one over two bare cache lines\none way     ",
        "\nbeside      a pipe: ",
        "  log scale\ncache-line spin ",
        "\n\nprocessor   ",
        "rtt: ",
        "throughput: ",
        "waiting     spin      polls, which keeps a processor busy",
        "sleep     a pipe, socket, queue or eventfd blocks",
        "/ pipe",
        "rtt percentiles: ",
        "Messages of 8 bytes; ",
        "smaller is better",
    ] {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
}

#[track_caller]
fn check_usage_error(arguments: &[&str], parts: &[&str]) {
    let output = output(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty());
    for part in parts {
        assert!(errors.contains(part), "no '{part}' in: {errors}");
    }
}

#[test]
fn wrong_inputs_are_usage_errors_that_name_the_right_ones() {
    check_usage_error(&["--size", "12"], &["12", "8, 16, 32", "65536"]);
    check_usage_error(&["--size", "0"], &["--size"]);
    check_usage_error(&["--size", "131072"], &["65536"]);
    check_usage_error(&["--test", "latency"], &["latency", "rtt", "throughput"]);
    check_usage_error(&["--transport", "udp"], &["udp", "unix-stream", "posix-mq"]);
    check_usage_error(&["--align", "12"], &["12", "8, 16, 32 or 64"]);
    check_usage_error(&["--wait", "y"], &["spin, busy, adaptive, park]"]);
    check_usage_error(&["--wait", "sleep"], &["spin, busy, adaptive, park]"]);
    check_usage_error(&["--rate", "0"], &["--rate", "from 1 to 10M"]);
    check_usage_error(&["--rate", "x"], &["'x'", "10k"]);
    check_usage_error(&["--test", "paced", "--size", "8"], &["paced", "16 bytes"]);
    check_usage_error(&["--test", "idle", "--transport", "memcpy"], &["idle", "name stream"]);
    check_usage_error(&["--rounds", "0"], &["--rounds", "1"]);
    check_usage_error(&["--cpus", "0"], &["two processors", "0,1"]);
    check_usage_error(&["--cpus", "1000000,0"], &["processor 1000000", "taskset"]);
}

#[test]
fn a_run_leaves_no_shared_memory_behind() {
    let parent = Running::start(bench(&["--quick", "--rounds", "1", "--transport", "stream"]).stdout(Stdio::null()));
    let pid = parent.id();
    assert!(parent.output().status.success());
    check_nothing_is_left(pid);
}

#[test]
fn a_report_that_nobody_reads_ends_quietly() {
    let mut command = bench(&["--quick", "--rounds", "1", "--size", "8", "--transport", "pipe"]);
    let mut parent = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    drop(parent.child().stdout.take());
    let output = parent.output();
    assert_eq!(output.status.code(), Some(141), "{}", output.status);
    assert!(output.stderr.is_empty());
}

#[test]
fn a_run_that_nobody_reads_ends_early() {
    // Of hours, each: in the rounds, and behind them.
    for (test, more) in [("rtt", ["--rounds", "100000"]), ("paced", ["--rate", "1"])] {
        let sizes = (0..9).map(|size| (16 << size).to_string()).collect::<Vec<_>>().join(",");
        let mut command = bench(&[&["--test", test, "--size", &sizes], &more[..]].concat());
        let output = Running::start(command.stdout(shell::deserted()).stderr(Stdio::piped())).output();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(141), 0), "{test}");
    }
}

/// Starts a run that would last for hours, and returns it with its peer's pid once both are measuring.
fn endless(transport: &str, test: &str, more: &[&str]) -> (Running, u32) {
    let arguments = ["--transport", transport, "--test", test, "--rounds", "100000"];
    let arguments = [&arguments, more].concat();
    let parent = Running::start(bench(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()));
    let peer = wait_for("the peer process", || child_of(parent.id()));
    // Not needed for the test to pass: it makes it likely that the next step meets a measurement.
    thread::sleep(Duration::from_millis(100));
    (parent, peer)
}

#[track_caller]
fn check_killed_peer(transport: &str, test: &str, more: &[&str]) {
    let (run, peer) = endless(transport, test, more);
    let pid = run.id();
    kill(peer);
    let output = run.output();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("peer process"), "{errors}");
    check_nothing_is_left(pid);
}

#[track_caller]
fn check_killed_parent(transport: &str, test: &str, more: &[&str]) {
    let (mut run, peer) = endless(transport, test, more);
    assert_eq!(run.kill().signal(), Some(Signal::KILL.as_raw()));
    wait_for("the end of the peer process", || (!is_running(peer)).then_some(()));
    check_nothing_is_left(run.id());
}

/// Runs that wait in other ways, or for a longer time.
const OTHERS: [(&str, &str, &[&str]); 8] = [
    ("stream", "rtt", &["--size", "8", "--wait", "park"]),
    ("message", "throughput", &["--size", "8", "--wait", "adaptive"]),
    ("pipe", "throughput", &["--size", "8", "--wait", "spin"]),
    ("unix-seqpacket", "rtt", &["--size", "8", "--wait", "spin"]),
    ("posix-mq", "rtt", &["--size", "8", "--wait", "spin"]),
    ("eventfd", "throughput", &["--size", "8", "--wait", "spin"]),
    ("message", "paced", &["--rate", "1", "--wait", "park"]),
    ("stream", "paced", &["--rate", "100k"]),
];

#[test]
fn a_killed_peer_ends_the_run_with_an_error() {
    check_killed_peer("cache-lines", "rtt", &[]);
    for transport in ["cache-line", "stream", "message"].iter().chain(&KERNEL) {
        for test in ["rtt", "throughput"] {
            check_killed_peer(transport, test, &["--size", "8"]);
        }
    }
    for (transport, test, more) in OTHERS {
        check_killed_peer(transport, test, more);
    }
}

#[test]
fn the_peer_ends_with_the_process_that_started_it() {
    check_killed_parent("cache-lines", "rtt", &[]);
    for transport in ["cache-line", "stream", "message"].iter().chain(&KERNEL) {
        for test in ["rtt", "throughput"] {
            check_killed_parent(transport, test, &["--size", "8"]);
        }
    }
    for (transport, test, more) in OTHERS {
        check_killed_parent(transport, test, more);
    }
}
