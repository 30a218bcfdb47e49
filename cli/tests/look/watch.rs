//! Rings as `watch` draws and prints them.

use std::io::BufRead;

use rustix::process::Signal;
use serde_json::Value;

use crate::holder;
use crate::program::{ringmain, spawn, text};
use crate::ring::{LAYOUT_VERSION, Name};
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

/// Watches on a terminal, ends that as `end` does, and checks that the terminal is as it was.
#[track_caller]
fn check_watch_ends(arguments: &[&str], end: impl Fn(&mut Terminal, &Running)) {
    let mut terminal = Terminal::new();
    let before = terminal.state();
    let mut child = terminal.spawn(&mut ringmain(arguments));
    let drawn = terminal.read_until("q ends");
    assert!(drawn.contains("\x1b[?1049h\x1b[?25l"), "{drawn:?}");
    assert_ne!(terminal.state(), before);
    // The next view is drawn over this one.
    terminal.read_until("\x1b[H");
    end(&mut terminal, &child);
    let left = terminal.read_until("\x1b[?25h\x1b[?1049l");
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
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        check_watch_ends(&["watch", "--interval", "20ms"], |_, child| child.signal(signal));
    }
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
