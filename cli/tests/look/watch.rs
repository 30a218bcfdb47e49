//! Rings as `watch` draws and prints them.

use std::fs;
use std::io::BufRead;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::holder;
use crate::program::{ringmain, spawn, text};
use crate::ring::{LAYOUT_VERSION, Name};
use crate::screen::{self, Screen};
use crate::shell::{Running, wait_for};
use crate::terminal::Terminal;

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let name = Name::new();
    name.options().capacity(64).stream_producer::<u64>().unwrap().close().unwrap();
    name.set_word(LAYOUT_VERSION, 1);
    let on_terminal = |variable: &str, value: &str| {
        let mut terminal = Terminal::new();
        let mut child = terminal.spawn(ringmain(&["ls"]).env(variable, value));
        let text = terminal.read_until(&name.0);
        assert!(child.end().success());
        text
    };
    assert!(on_terminal("TERM", "xterm").contains("\x1b[31m"));
    assert!(!on_terminal("NO_COLOR", "1").contains('\x1b'));
    assert!(on_terminal("NO_COLOR", "").contains("\x1b[31m"));
    assert!(!on_terminal("TERM", "dumb").contains('\x1b'));
    assert!(!text(&["ls"]).contains('\x1b'));
}

#[test]
fn a_watch_prints_lines_where_there_is_no_terminal() {
    let name = Name::new();
    let _child = holder(&name);
    let watched = text(&["watch", &name.0, "--interval", "5ms", "--count", "3"]);
    let lines: Vec<&str> = watched.lines().collect();
    assert_eq!(lines.len(), 4, "{watched}");
    assert!(lines[0].starts_with("NAME") && !watched.contains('\x1b'), "{watched}");
    let column = lines[0].find("PRODUCER").unwrap();
    for line in &lines[1..] {
        assert!(line.starts_with(&name.0) && line.contains("[#.........]"), "{watched}");
        // It stands below its heading.
        assert!(line[column..].starts_with(|first: char| first.is_ascii_digit()), "{watched}");
    }
}

#[test]
fn a_watch_goes_over_to_the_ring_that_comes_under_its_name() {
    let name = Name::new();
    drop(name.options().capacity(64).stream_producer::<u64>().unwrap());
    let (_child, mut lines) = spawn(&["watch", &name.0, "--json", "--interval", "5ms"]);
    let mut capacity = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["capacity"].as_u64()
    };
    assert_eq!(capacity(), Some(64));
    ringmain::unlink(&name.0).unwrap();
    drop(name.options().capacity(128).stream_producer::<u64>().unwrap());
    wait_for("the new ring", || (capacity() == Some(128)).then_some(()));
}

#[test]
fn a_watch_says_of_each_of_its_rings_that_it_is_gone() {
    let (kept, removed, held) = (Name::new(), Name::new(), Name::new());
    for name in [&kept, &removed, &held] {
        drop(name.options().capacity(64).stream_producer::<u64>().unwrap());
    }
    let _holder = held.options().stream_producer::<u64>().unwrap();
    let names = [&kept, &removed, &held].map(|name| &*name.0);
    let (_one, mut lines_of_one) = spawn(&["watch", &removed.0, "--json", "--interval", "5ms"]);
    let (_all, mut lines) = spawn(&[&["watch", "--json", "--interval", "5ms"], &names[..]].concat());
    let next = |lines: &mut dyn BufRead| {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let states = |rows: &[Value]| rows.iter().map(|row| row["state"].clone()).collect::<Vec<_>>();
    let rows = names.map(|_| next(&mut lines));
    assert_eq!(
        (states(&rows), next(&mut lines_of_one)["state"].clone()),
        (vec!["idle".into(), "idle".into(), "live".into()], "idle".into())
    );
    [&removed, &held].into_iter().for_each(|name| ringmain::unlink(&name.0).unwrap());
    let rows = wait_for("two that are gone", || {
        let rows = names.map(|_| next(&mut lines));
        (states(&rows) == ["idle", "gone", "gone"]).then_some(rows)
    });
    let gone = format!("ring {:?} was removed or renamed; the next one of that name is shown when it comes", removed.0);
    assert_eq!(rows[1]["reason"], gone);
    // Nothing of it stands there any more, unless somebody is at it.
    assert_eq!((&rows[1]["capacity"], &rows[2]["capacity"]), (&Value::Null, &64.into()));
    assert_eq!(rows[2]["producer"]["pid"], std::process::id());
    wait_for("the one that is gone", || (next(&mut lines_of_one)["reason"] == *gone).then_some(()));
}

/// Watches on a terminal, ends that as `end` does, and checks that the terminal is as it was.
#[track_caller]
fn check_watch_ends(arguments: &[&str], end: impl Fn(&mut Terminal, &Running)) {
    let mut terminal = Terminal::new();
    let before = terminal.state();
    let mut child = terminal.lead(&mut ringmain(arguments));
    let drawn = terminal.read_until("q ends");
    assert!(drawn.starts_with("\x1b[?1049h"), "{drawn:?}");
    assert_ne!(terminal.state(), before);
    // The next view is drawn over this one.
    terminal.read_until("\x1b[H");
    end(&mut terminal, &child);
    let left = terminal.read_until("\x1b[?1049l");
    assert!(!left.contains("panicked"), "{left:?}");
    let status = child.end();
    assert!(status.success(), "{status}");
    assert_eq!(terminal.state(), before);
}

#[test]
fn a_watch_on_a_terminal_ends_on_q_and_restores_it() {
    let name = Name::new();
    let _child = holder(&name);
    check_watch_ends(&["watch", "--interval", "20ms"], |terminal, _| terminal.type_keys(b"xq"));
    check_watch_ends(&["watch", &name.0, "--interval", "20ms"], |terminal, _| terminal.type_keys(b"\x03"));
}

#[test]
fn a_watch_on_a_terminal_restores_it_also_at_a_signal() {
    // All whose default is to end a process, also those of a fault where they were sent, and those without a name: not
    // SIGKILL, those from SIGCHLD to SIGURG, SIGWINCH, and the two that the C library keeps for itself.
    for signal in (1..=64).filter(|number| !matches!(number, 9 | 17..=23 | 28 | 32 | 33)) {
        check_watch_ends(&["watch", "--interval", "20ms"], |_, child| {
            let command = format!("kill -{signal} {}", child.id());
            assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
        });
    }
}

#[test]
fn a_watch_without_a_keyboard_names_no_key() {
    let _names: Vec<Name> = (0..20)
        .map(|_| Name::new())
        .inspect(|name| drop(name.options().capacity(64).stream_producer::<u64>().unwrap()))
        .collect();
    let mut terminal = Terminal::new();
    terminal.resize(10, 80);
    let mut watch = ringmain(&["watch", "--interval", "20ms", "--count", "1"]);
    let mut child = Running::start(watch.stdin(Stdio::null()).stdout(terminal.end()).stderr(terminal.end()));
    let drawn = terminal.read_until("\x1b[?1049l");
    assert!(child.end().success());
    assert!(drawn.contains("; Ctrl-C ends") && drawn.contains(" more"), "{drawn:?}");
    assert!(!drawn.contains("q ends") && !drawn.contains("arrow"), "{drawn:?}");
}

#[test]
fn a_watch_on_a_terminal_ends_after_its_count_and_fits_the_screen() {
    let names: Vec<Name> = (0..20).map(|_| Name::new()).collect();
    for name in &names {
        drop(name.options().capacity(64).stream_producer::<u64>().unwrap());
    }
    let mut terminal = Terminal::new();
    terminal.resize(10, 80);
    let mut child = terminal.spawn(&mut ringmain(&["watch", "--interval", "5ms", "--count", "2"]));
    let drawn = terminal.read_until("\x1b[?1049l");
    assert!(child.end().success());
    let views: Vec<&str> = drawn.split("\x1b[H").skip(1).collect();
    assert_eq!(views.len(), 3, "{drawn:?}");
    for view in views {
        assert_eq!(view.matches('\n').count(), 9, "{view:?}");
    }
}

/// Rings with long names, of which one is live.
fn rings(count: usize) -> (Vec<Name>, Running) {
    let names: Vec<Name> = (0..count).map(|_| Name::long()).collect();
    let child = holder(&names[count / 2]);
    for name in &names {
        drop(name.options().capacity(64).stream_consumer::<u64>().unwrap());
    }
    (names, child)
}

/// The view of a watch: how many rows there are, the headings, the rows that are shown, and what stands below them.
type View = (usize, String, Vec<String>, String);

/// Reads a view; `None` while it is being drawn.
fn view(screen: &Screen, rows: usize) -> Option<View> {
    let mut lines = screen.lines()?;
    let count = lines[0].strip_suffix("q ends").and_then(|title| title.split(' ').next()?.parse().ok())?;
    let last = lines.remove(rows - 1);
    let head = lines.remove(2);
    head.starts_with("NAME").then(|| (count, head, lines.split_off(2), last))
}

#[test]
fn a_watch_fits_any_terminal() {
    let (names, _child) = rings(40);
    let mut screen = Screen::new(20, 60);
    let _watch = screen.terminal.lead(&mut ringmain(&["watch", "--interval", "20ms"]));
    for (columns, expected) in [
        (60, &["NAME", "STATE", "PUSHED", "POPPED", "LAG"][..]),
        (80, &["NAME", "STATE", "PUSHED", "POPPED", "LAG", "PRODUCER", "CONSUMER"]),
        (200, &["NAME", "STATE", "PUSHED", "POPPED", "BAR", "USED", "LAG", "PRODUCER", "CONSUMER"]),
        (28, &["NAME", "STATE"]),
        (5, &["NAME"]),
    ] {
        // The system tells the watch by `SIGWINCH`.
        screen.resize(20, columns);
        // The rows of other tests may be wider, and come and go.
        screen.see(&format!("these in {columns} columns"), |screen| {
            let head = screen.lines()?.into_iter().find(|line| line.starts_with("NAME"))?;
            (head.split_whitespace().collect::<Vec<_>>() == expected).then_some(())
        });
    }
    screen.resize(20, 60);
    let own = &names[20].0;
    let short = [&own[..1], "…", &own[own.len() - 3..]];
    screen.see("a name without its middle", |screen| {
        let (_, _, rows, _) = view(screen, 20)?;
        let name = |row: &String| row.split_whitespace().next().map(str::to_owned);
        let mut names = rows.iter().filter_map(name);
        names
            .any(|name| name.starts_with(short[0]) && name.contains(short[1]) && name.ends_with(short[2]))
            .then_some(())
    });
}

#[test]
fn what_does_not_fit_is_counted_and_can_be_scrolled_to() {
    const ROWS: usize = 12;
    let (_names, _child) = rings(40);
    let mut screen = Screen::new(ROWS as u16, 100);
    let _watch = screen.terminal.lead(&mut ringmain(&["watch", "--interval", "20ms"]));
    // Title, an empty line, headings, and what counts the rest.
    let shown = ROWS - 4;
    let mut check = |keys: &str, what: &str, is_right: fn(&str, usize, usize) -> bool| {
        screen.terminal.type_keys(keys.as_bytes());
        screen.see(what, |screen| {
            let (count, _, rows, last) = view(screen, ROWS)?;
            let rest = last.strip_suffix("; arrow keys scroll")?;
            let is_full = rows.len() == shown && rows.iter().all(|row| !row.is_empty());
            (is_full && is_right(rest, count, count - shown)).then_some(())
        });
    };
    check("", "all that is below", |rest, _, hidden| rest == format!("{hidden} more"));
    check("\x1b[B", "one row below", |rest, _, hidden| rest == format!("1 above, {} more", hidden - 1));
    check("j\x1b[6~", "a page below", |rest, _, hidden| rest == format!("10 above, {} more", hidden - 10));
    check("\x1b[F", "the end", |rest, _, hidden| rest == format!("{hidden} above"));
    check("\x1bOA", "a row from the end", |rest, _, hidden| rest == format!("{} above, 1 more", hidden - 1));
    check("g", "the beginning", |rest, _, hidden| rest == format!("{hidden} more"));
}

#[test]
fn those_at_work_are_first_and_the_busiest_before_the_others() {
    let (_names, _child) = rings(3);
    let (slow, fast, quiet, stale) = (Name::new(), Name::new(), Name::new(), Name::new());
    let _tx = quiet.options().capacity(64).stream_producer::<u64>().unwrap();
    let _rx = quiet.options().stream_consumer::<u64>().unwrap();
    stale.options().capacity(64).stream_producer::<u64>().unwrap().abandon();
    let ended = AtomicBool::new(false);
    let mut ends = [&slow, &fast].map(|name| {
        let options = name.options().capacity(1 << 16);
        (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap())
    });
    let mut screen = Screen::new(100, 120);
    thread::scope(|scope| {
        let ended = &ended;
        scope.spawn(move || {
            let mut number = 0_u64;
            while !ended.load(Ordering::Relaxed) {
                for ((tx, rx), count) in ends.iter_mut().zip([1, 30_000]) {
                    (0..count).for_each(|_| number += u64::from(tx.push(number).is_ok()));
                    while rx.pop().is_ok() {}
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let _watch = screen.terminal.lead(&mut ringmain(&["watch", "--interval", "50ms", "-o", "name,state,pushed"]));
        let seen = panic::catch_unwind(AssertUnwindSafe(|| {
            screen.see("the busiest first", |screen| {
                let (_, _, rows, _) = view(screen, 100)?;
                let place = |what: &str| rows.iter().position(|row| row.starts_with(&format!("{what} ")));
                let last_live = rows.iter().rposition(|row| row.contains(" live "))?;
                let first_other = rows.iter().position(|row| row.contains(" stale ") || row.contains(" idle "))?;
                let is_sorted = [&fast, &slow, &quiet, &stale].map(|name| place(&name.0)).is_sorted();
                (place(&fast.0).is_some() && is_sorted && last_live < first_other).then_some(())
            });
        }));
        ended.store(true, Ordering::Relaxed);
        seen.unwrap();
    });
}

/// A shell with jobs on a terminal, in which a watch runs.
struct Session {
    screen: Screen,
    bash: Running,
    /// What the terminal is like while the shell waits for a command.
    before: String,
    /// How often it was asked whether it is there.
    asked: u32,
}

impl Session {
    fn new() -> Session {
        let mut screen = Screen::new(20, 80);
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noprofile", "--noediting", "-i"]).env("TERM", "xterm").env("PS1", "ready> ");
        let bash = screen.terminal.lead(bash.env("W", env!("CARGO_BIN_EXE_ringmain")));
        screen.read("ready> ");
        let before = screen.terminal.state();
        Session { screen, bash, before, asked: 0 }
    }

    fn command(&mut self, text: &str) {
        self.screen.terminal.type_keys(format!("{text}\n").as_bytes());
    }

    /// Starts a watch and returns its process.
    fn watch(&mut self) -> u32 {
        self.command("$W watch --interval 20ms");
        self.await_watch();
        let children = format!("/proc/{0}/task/{0}/children", self.bash.id());
        fs::read_to_string(children).unwrap().split_whitespace().last().unwrap().parse().unwrap()
    }

    /// Waits until a watch has taken the terminal, and drawn: what one drew that was stopped may stand there still.
    fn await_watch(&mut self) {
        let before = &self.before;
        self.screen.see("a watch", |screen| {
            let is_drawn = screen.is_other() && view(screen, 20).is_some();
            (is_drawn && screen.terminal.state() != *before).then_some(())
        });
    }

    /// Fetches a watch that was stopped, and waits for what it draws then.
    fn fetch(&mut self) {
        self.command("clear; fg");
        self.screen.see("that nothing is stopped", |screen| (!screen.has("Stopped")).then_some(()));
        self.await_watch();
    }

    /// Checks that the shell has its terminal as it was, and says this of its job.
    #[track_caller]
    fn check_shell(&mut self, said: &str) {
        self.screen.see("what stood there", |screen| (!screen.is_other()).then_some(()));
        self.screen.read(said);
        self.check_ready();
    }

    /// Ends the watch by a key.
    #[track_caller]
    fn quit(&mut self) {
        self.screen.terminal.type_keys(b"q");
        // What is typed before is its own.
        self.screen.see("what stood there", |screen| (!screen.is_other()).then_some(()));
        self.command("echo \"code $?\"");
        self.check_shell("code 0");
    }

    /// Waits until the shell has heard that its job was stopped since it is in the background.
    fn await_stop_in_background(&mut self) {
        // What is typed is seen, too, and is not what is waited for.
        self.command("while ! jobs -l | grep 'Stopped (tty[ ]output)'; do sleep 0.02; done");
        self.check_shell("Stopped (tty output)");
        assert!(!self.screen.has("q ends"));
    }

    /// Checks that what is typed is seen, and done.
    #[track_caller]
    fn check_ready(&mut self) {
        self.asked += 1;
        let asked = self.asked;
        self.command(&format!("echo $((6 * 7))th-{asked}"));
        self.screen.read(&format!("echo $((6 * 7))th-{asked}"));
        self.screen.read(&format!("42th-{asked}"));
        let before = &self.before;
        self.screen.see("the state before", |screen| (screen.terminal.state() == *before).then_some(()));
        assert!(self.screen.has_cursor());
    }
}

/// Whether a process has ended. A shell that waits for a command reaps some of its jobs at the next one only.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name of the program, which may have any letters.
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

#[test]
fn a_watch_that_is_stopped_by_a_key_gives_the_terminal_back_and_takes_it_again() {
    let mut session = Session::new();
    session.watch();
    session.screen.terminal.type_keys(b"\x1a");
    session.check_shell("Stopped");
    session.fetch();
    session.screen.terminal.type_keys(b"\x1a");
    session.check_shell("Stopped");
    // In the background it draws nothing, and is stopped at once.
    session.command("clear; bg");
    session.await_stop_in_background();
    session.fetch();
    session.quit();
}

#[test]
fn a_watch_that_begins_in_the_background_waits_until_it_is_fetched() {
    let mut session = Session::new();
    session.command("$W watch --interval 20ms &");
    session.await_stop_in_background();
    session.fetch();
    session.quit();
}

#[test]
fn a_watch_that_was_stopped_by_a_signal_goes_on_and_ends_wherever_it_is() {
    for signal in [Signal::STOP, Signal::TSTP] {
        let mut session = Session::new();
        let watch = session.watch();
        screen::signal(watch, signal);
        session.screen.read("Stopped");
        // A shell sees to the keyboard itself, and nothing of the screen is hidden.
        session.check_ready();
        session.fetch();
        screen::signal(watch, signal);
        session.screen.read("Stopped");
        // What ends it finds it in the background, where it changes nothing any more.
        session.command("kill %1");
        wait_for("its end", || has_ended(watch).then_some(()));
        session.check_shell("$W watch");
    }
}

#[test]
fn a_watch_that_is_killed_leaves_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut session = Session::new();
        session.command("echo stands here");
        session.screen.read("\nstands here");
        let watch = session.watch();
        screen::signal(watch, signal);
        session.check_shell("\nstands here");
    }
    // What cannot be caught leaves the other screen, with a cursor and with what is typed: nothing to be repaired.
    let mut session = Session::new();
    let watch = session.watch();
    screen::signal(watch, Signal::KILL);
    session.screen.read("Killed");
    session.check_ready();
    // docs/command.md says what brings it back.
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/command.md")).unwrap();
    assert!(docs.contains("`tput rmcup` brings back the screen"));
    session.command("tput rmcup");
    session.check_shell("ready> ");
}

#[test]
fn a_new_size_is_drawn_at_once() {
    let mut terminal = Terminal::new();
    let child = terminal.spawn(&mut ringmain(&["watch", "--interval", "60m"]));
    terminal.read_until("q ends");
    terminal.read_until("\x1b[J");
    terminal.resize(5, 40);
    child.signal(Signal::WINCH);
    terminal.read_until("q ends");
}
