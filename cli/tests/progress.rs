//! What `--progress` shows on a terminal, and what it does to a job in the background.

#[path = "look/screen.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod screen;
mod shell;
#[path = "look/terminal.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod terminal;

use std::fs;
use std::process::{Command, Stdio};

use screen::Screen;
use shell::{Ring, Running, noise, ringmain, run};
use terminal::Terminal;

/// What a bar looks like that has no end.
const BAR: &str = "B/s]";

/// Runs a script of bash that leads the session of a terminal, in which `$0` is the command and `$1` a ring.
#[track_caller]
fn session(ring: &Ring, script: &str) -> String {
    let mut terminal = Terminal::new();
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{script}; echo 'all done'"), env!("CARGO_BIN_EXE_ringmain"), ring.name()]);
    let mut bash = terminal.lead(bash.env("TERM", "xterm"));
    // The keyboard echoes nothing here.
    let text = terminal.read_until("all done");
    assert!(bash.end().success(), "{text}");
    text
}

#[test]
fn a_job_in_the_background_is_neither_stopped_by_its_bar_nor_draws_it() {
    let job = r#"sleep 0.7 | "$0" write "$1" --progress"#;
    for stty in ["tostop", "-tostop"] {
        let ring = Ring::new();
        let text = session(&ring, &format!(r#"stty {stty}; set -m; {job} & wait $!; echo "code $?""#));
        assert!(text.contains("code 0"), "{stty}: {text:?}");
        assert!(!text.contains(BAR) && !text.contains('\x1b'), "{stty}: {text:?}");
    }
    // Lines, too.
    let ring = Ring::new();
    let text = session(&ring, &format!(r#"stty tostop; set -m; export TERM=dumb; {job} & wait $!; echo "code $?""#));
    assert!(text.contains("code 0") && !text.contains("B/s"), "{text:?}");
    // In the foreground it is drawn, and so is that of a job which was fetched there.
    let ring = Ring::new();
    assert!(session(&ring, &format!("set -m; {job}")).contains(BAR));
    let text = session(&ring, &format!("stty tostop; set -m; {job} & sleep 0.2; fg %1 >/dev/null"));
    assert!(text.contains(BAR), "{text:?}");
}

#[test]
fn a_bar_of_a_file_has_the_ring_the_part_and_the_time_that_is_left() {
    let ring = Ring::new();
    let path = std::env::temp_dir().join(format!("ringmain-progress-{}", std::process::id()));
    fs::write(&path, noise(512 << 10)).unwrap();
    let file = || Stdio::from(fs::File::open(&path).unwrap());
    let terminal = || (Terminal::new(), ringmain(&["write", ring.name(), "--progress"]));
    let (mut screen, mut command) = terminal();
    command.env("TERM", "xterm");
    let mut process = Running::start(command.stdin(file()).stderr(screen.end()));
    let text = screen.read_until("100% ETA");
    assert!(process.end().success());
    assert!(text.contains(&format!("{}: 512.00 KiB", ring.name())), "{text:?}");
    run(&["read", ring.name()], 0);
    // Where nothing can be drawn: a line.
    let (mut screen, mut command) = terminal();
    command.env("TERM", "dumb");
    let mut process = Running::start(command.stdin(file()).stderr(screen.end()));
    let text = screen.read_until(" s left");
    assert!(process.end().success());
    assert!(text.contains(&format!("{}: 512.0 KiB in ", ring.name())) && text.contains(", 100 %"), "{text:?}");
    assert!(!text.contains('\x1b'), "{text:?}");
    fs::remove_file(path).unwrap();
    run(&["read", ring.name()], 0);
}

#[test]
fn a_bar_is_drawn_unasked_where_it_takes_longer_and_the_data_go_to_no_terminal() {
    let ring = Ring::new();
    shell::write(&[ring.name()], noise(4096), 0);
    let mut screen = Terminal::new();
    let mut command = ringmain(&["read", ring.name(), "--follow"]);
    let mut process = Running::start(command.env("TERM", "xterm").stderr(screen.end()));
    let text = screen.read_until(BAR);
    assert!(text.contains("4.00 KiB"), "{text:?}");
    process.kill();
    // What is over at once has none, unless somebody asks for it.
    for (asked, is_drawn) in [("--progress=auto", false), ("--progress", true)] {
        let mut screen = Terminal::new();
        let mut command = ringmain(&["write", ring.name(), asked]);
        let mut process = Running::start(command.env("TERM", "xterm").stderr(screen.end()));
        assert!(process.end().success());
        let text = String::from_utf8(screen.take()).unwrap();
        assert_eq!(text.contains(BAR), is_drawn, "{asked}: {text:?}");
    }
}

/// Checks what stands on a screen of so many columns while a bar is drawn.
#[track_caller]
fn check_row(columns: u16, command: &mut Command, is_bar: impl Fn(&str) -> bool) -> String {
    let mut screen = Screen::new(24, columns);
    let process = Running::start(command.env("TERM", "xterm").stderr(screen.terminal.end()));
    let rows = screen.see("a bar", |screen| screen.rows().iter().any(|row| is_bar(row)).then(|| screen.rows()));
    assert!(rows.iter().all(|row| !row.contains('⏎')), "{columns} columns: {rows:?}");
    drop(process);
    rows.into_iter().find(|row| is_bar(row)).unwrap()
}

#[test]
fn a_bar_fits_one_row_of_any_terminal() {
    let path = std::env::temp_dir().join(format!("ringmain-rows-{}", std::process::id()));
    fs::write(&path, noise(512 << 10)).unwrap();
    for columns in [20, 40, 60, 80, 200] {
        let ring = Ring::long();
        let mut command = ringmain(&["write", ring.name(), "--progress"]);
        let row = check_row(columns, command.stdin(fs::File::open(&path).unwrap()), |row| row.contains("512.00 KiB"));
        let is_whole = row.starts_with(&format!("{}: ", ring.name()));
        assert_eq!((is_whole, row.contains('…')), if columns > 80 { (true, false) } else { (false, true) }, "{row}");
        // The name is told at both of its ends.
        assert!(row.starts_with("act-") || columns < 40, "{row}");
    }
    fs::remove_file(path).unwrap();
    for columns in [20, 40, 60, 80, 200] {
        let tests = ["bench", "--test", "rtt", "--transport", "unix-seqpacket", "--rounds", "100000"];
        check_row(columns, &mut ringmain(&tests), |row| row.contains(": 1/"));
    }
}
