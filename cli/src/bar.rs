//! Where bars of progress are drawn: on the terminal at stderr, while this process is in its foreground.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp, tcgetwinsize};

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

/// Returns where to draw a bar: nowhere where it cannot be.
pub(crate) fn target() -> ProgressDrawTarget {
    if can_be_drawn() {
        ProgressDrawTarget::term_like_with_hz(Box::new(Front::default()), 20)
    } else {
        ProgressDrawTarget::hidden()
    }
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
