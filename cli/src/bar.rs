//! Bars of progress: a row on the terminal at stderr, which is drawn while this process is in its foreground.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp, tcgetwinsize};

use unicode_width::UnicodeWidthStr;

use crate::fit::{beginning, without_middle};
use crate::output;
use crate::streams::Stream;

/// Returns whether a bar can be drawn.
pub(crate) fn can_be_drawn() -> bool {
    io::stderr().is_terminal() && !output::is_dumb()
}

/// Returns whether this process may write to the terminal at stderr: one in the background would be stopped by that, or
/// write over what another program draws. What is no terminal of this session stops nobody.
pub(crate) fn is_in_front() -> bool {
    tcgetpgrp(Stream::Err.descriptor()).map_or(true, |group| group == getpgrp())
}

/// Returns whether a word on stderr would stop this process, since the user of the terminal wants that of those in the
/// background.
pub(crate) fn would_stop() -> bool {
    let stops = tcgetattr(Stream::Err.descriptor()).is_ok_and(|it| it.local_modes.contains(LocalModes::TOSTOP));
    stops && !is_in_front()
}

/// A bar, of which nothing is drawn before its first step.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    name: Arc<Mutex<String>>,
}

/// What is told of a state, each with its rank.
type Facts = fn(&ProgressState) -> Vec<(u8, String)>;

impl Bar {
    pub(crate) fn new(len: Option<u64>, name: &str, facts: Facts) -> Bar {
        let target = match can_be_drawn() {
            true => ProgressDrawTarget::term_like_with_hz(Box::new(Front::default()), 20),
            false => ProgressDrawTarget::hidden(),
        };
        let name = Arc::new(Mutex::new(name.to_owned()));
        let shown = Arc::clone(&name);
        let key = move |state: &ProgressState, text: &mut dyn Write| {
            let (name, part) =
                (shown.lock().unwrap_or_else(PoisonError::into_inner), state.len().map(|_| state.fraction()));
            // Writing into a string does not fail.
            let _ = text.write_str(&row(&name, &facts(state), part, usize::from(Front::default().width())));
        };
        let bar = ProgressBar::with_draw_target(len, target);
        let bar = match ProgressStyle::default_bar().with_key("row", key).template("{row}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Bar { bar, name }
    }

    pub(crate) fn set_name(&self, name: String) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
        self.bar.tick();
    }
}

impl Deref for Bar {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.bar
    }
}

/// Writes a row that fits: a name, which may lose its middle, and what is told of it, with a bar of this part at the
/// end. Where there is no room the bar goes first, and then those facts of the highest rank.
fn row(name: &str, facts: &[(u8, String)], part: Option<f32>, columns: usize) -> String {
    /// How much of a name stays, and how long a bar is at least, with what is around it.
    const LEAST: [usize; 2] = [8, 8];
    let told = |most: u8| -> String {
        let facts = facts.iter().filter(|(rank, _)| *rank <= most);
        facts.fold(":".to_owned(), |text, (_, fact)| text + " " + fact)
    };
    let least = name.width().min(LEAST[0]);
    let worst = facts.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
    let most = (0..=worst).rev().find(|&most| least + told(most).width() <= columns).unwrap_or(0);
    let told = told(most);
    let room = columns.saturating_sub(told.width());
    let part = part.filter(|_| least + LEAST[1] <= room);
    let name = without_middle(name, if part.is_some() { room - LEAST[1] } else { room });
    let rest = room.saturating_sub(name.width());
    let bar = part.map_or_else(String::new, |part| {
        // With a space before it, and brackets around it.
        let (len, part) = (rest - 3, part.clamp(0.0, 1.0));
        let full = (part * len as f32) as usize;
        let tip = if full < len { ">" } else { "" };
        format!(" [{:<len$}]", "=".repeat(full) + tip)
    });
    beginning(&(name + &told + &bar), columns)
}

/// The terminal at stderr. What is drawn while this process is in the background is lost.
#[derive(Debug, Default)]
struct Front {
    /// What was drawn and not flushed yet.
    drawn: Mutex<String>,
}

impl Front {
    fn draw(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn shift(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.draw(&format!("\x1b[{count}{direction}")) }
    }
}

impl TermLike for Front {
    fn width(&self) -> u16 {
        match tcgetwinsize(Stream::Err.descriptor()) {
            Ok(size) if size.ws_col > 0 => size.ws_col,
            _ => 80,
        }
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.shift(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.shift(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.shift(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.shift(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text)?;
        self.draw("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        if is_in_front() {
            output::draw(&drawn);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> [(u8, String); 4] {
        [(0, "390.62 KiB"), (3, "00:00:01"), (1, "50%"), (2, "ETA 00:00:01")]
            .map(|(rank, fact)| (rank, fact.to_owned()))
    }

    #[test]
    fn a_row_has_a_bar_then_a_short_name_then_fewer_facts() {
        let name = "quotes-of-the-paris-venue.part";
        let rows = [82, 80, 56, 50, 40, 24, 19, 11, 3].map(|columns| row(name, &facts(), Some(0.5), columns));
        let expected = [
            "quotes-of-the-paris-venue.part: 390.62 KiB 00:00:01 50% ETA 00:00:01 [=====>     ]",
            "quotes-of-the-paris-venue.part: 390.62 KiB 00:00:01 50% ETA 00:00:01 [====>    ]",
            "quote…part: 390.62 KiB 00:00:01 50% ETA 00:00:01 [==>  ]",
            "quotes….part: 390.62 KiB 00:00:01 50% ETA 00:00:01",
            "quote….part: 390.62 KiB 50% ETA 00:00:01",
            "quot…art: 390.62 KiB 50%",
            "quo…art: 390.62 KiB",
            "…: 390.62 …",
            "…:…",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_row_is_never_wider_than_its_terminal() {
        for name in ["x", "abcdefgh", &"n".repeat(90), "環環環環環環環環環"] {
            for (columns, part) in (0..120).flat_map(|columns| [None, Some(0.0), Some(1.0)].map(|part| (columns, part)))
            {
                let row = row(name, &facts(), part, columns);
                assert!(row.width() <= columns.max(1), "{columns}: {row}");
            }
        }
    }
}
