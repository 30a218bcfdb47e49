//! What somebody sees on a terminal.

use rustix::process::{Pid, Signal, kill_process};

use crate::shell::wait_for;
use crate::terminal::Terminal;

/// A terminal with the letters that stand on it.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal,
    parser: vt100::Parser,
}

impl Screen {
    pub(crate) fn new(rows: u16, columns: u16) -> Screen {
        let terminal = Terminal::new();
        terminal.resize(rows, columns);
        Screen { terminal, parser: vt100::Parser::new(rows, columns, 0) }
    }

    /// As whoever draws a corner of a window: the programs in the foreground get `SIGWINCH` if the terminal is theirs.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.terminal.resize(rows, columns);
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// Waits until something is seen, and returns that.
    #[track_caller]
    pub(crate) fn see<T>(&mut self, what: &str, look: impl Fn(&Screen) -> Option<T>) -> T {
        let mut last = String::new();
        wait_for(&format!("{what} on a screen"), || {
            self.parser.process(&self.terminal.take());
            let found = look(self);
            if found.is_none() && last != self.parser.screen().contents() {
                last = self.parser.screen().contents();
                // For whoever reads of a test that waits in vain.
                println!("-- {what}? --\n{last}");
            }
            found
        })
    }

    /// Waits until a text is seen.
    #[track_caller]
    pub(crate) fn read(&mut self, text: &str) {
        self.see(text, |screen| screen.has(text).then_some(()));
    }

    /// The lines from the top; `None` if one of them goes on in the next row.
    pub(crate) fn lines(&self) -> Option<Vec<String>> {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let is_whole = (0..rows).all(|row| !screen.row_wrapped(row));
        is_whole.then(|| screen.rows(0, columns).collect())
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.parser.screen().contents().contains(text)
    }

    /// All rows down to the last one that has letters, each ended; with a mark where a line goes on in the next row.
    pub(crate) fn rows(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let row = |(number, text): (u16, String)| {
            format!("{}{}\n", text.trim_end(), if screen.row_wrapped(number) { "⏎" } else { "" })
        };
        let mut rows: Vec<String> = (0..rows).zip(screen.rows(0, columns)).map(row).collect();
        rows.truncate(rows.iter().rposition(|row| row != "\n").map_or(0, |last| last + 1));
        rows
    }

    /// Whether it is the one that programs draw on, which leaves the other one as it was.
    pub(crate) fn is_other(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    pub(crate) fn has_cursor(&self) -> bool {
        !self.parser.screen().hide_cursor()
    }
}

/// Sends a signal to a process that is no child of the test.
#[track_caller]
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
