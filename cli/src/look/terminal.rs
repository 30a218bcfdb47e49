//! A terminal that is drawn on, and given back as it was.

use std::io::{self, IsTerminal, Read, Stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::low_level::pipe;

use crate::ending::Ending;
use crate::output;

/// The other screen, without a cursor and without wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A screen to draw on, until this is dropped.
#[derive(Debug)]
pub(super) struct Terminal {
    stdin: Stdin,
    /// What the keyboard was like, where there is one.
    keyboard: Option<Termios>,
    /// Tells of signals that end the program.
    endings: UnixStream,
    /// Tells that the screen has another size.
    resizes: UnixStream,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The time is over.
    Timeout,
    /// The screen has another size.
    Resize,
    /// Somebody wants an end.
    Quit,
}

impl Terminal {
    pub(super) fn enter() -> Result<Terminal> {
        // Signals first: from here on none ends the program with the terminal as it must not be left.
        let (endings, sender) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            pipe::register(signal, sender.try_clone()?).context("cannot listen to signals")?;
        }
        let (resizes, sender) = UnixStream::pair()?;
        pipe::register(SIGWINCH, sender).context("cannot listen to signals")?;
        resizes.set_nonblocking(true)?;
        let mut terminal = Terminal { stdin: io::stdin(), keyboard: None, endings, resizes };
        if terminal.stdin.is_terminal() {
            terminal.listen_to_keys()?;
        }
        output::print(ENTER)?;
        Ok(terminal)
    }

    /// Makes keys come one by one, unseen, and none of them a signal.
    fn listen_to_keys(&mut self) -> Result<()> {
        let was = tcgetattr(&self.stdin).context("cannot ask for the state of the terminal")?;
        let mut keys = was.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        keys.special_codes[SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        self.keyboard = Some(was);
        tcsetattr(&self.stdin, OptionalActions::Now, &keys).context("cannot set the state of the terminal")
    }

    /// Draws lines from the top, as far as there is room.
    pub(super) fn draw(&self, lines: &[String]) -> Result<()> {
        output::print(&screen(lines, self.rows()))
    }

    fn rows(&self) -> usize {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 => size.ws_row.into(),
            _ => 24,
        }
    }

    /// Waits until a moment, or until something happens.
    pub(super) fn wait_until(&mut self, end: Instant) -> Result<Event> {
        loop {
            let stdout = io::stdout();
            let keyboard = self.keyboard.is_some().then(|| self.stdin.as_fd());
            let sources: Vec<BorrowedFd<'_>> =
                [self.endings.as_fd(), self.resizes.as_fd(), stdout.as_fd()].into_iter().chain(keyboard).collect();
            let [ending, resize, screen, key] = poll_until(&sources, end)?;
            if ending || screen {
                return Ok(Event::Quit);
            }
            if key && self.is_end_wanted()? {
                return Ok(Event::Quit);
            }
            if resize {
                // One look for all that has come.
                let _ = self.resizes.read(&mut [0; 64]);
                return Ok(Event::Resize);
            }
            if !key {
                return Ok(Event::Timeout);
            }
        }
    }

    /// Reads keys, and returns whether one of them wants an end.
    fn is_end_wanted(&mut self) -> Result<bool> {
        const CONTROL_C: u8 = 3;
        let mut keys = [0; 64];
        match rustix::io::read(&self.stdin, &mut keys) {
            // The terminal is gone.
            Ok(0) | Err(Errno::IO) => Ok(true),
            Ok(count) => Ok(keys[..count].iter().any(|key| matches!(key, b'q' | b'Q' | &CONTROL_C))),
            Err(Errno::INTR | Errno::AGAIN) => Ok(false),
            Err(error) => Err(error).context("cannot read the keyboard"),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = output::print(LEAVE);
        if let Some(keyboard) = &self.keyboard {
            let _ = tcsetattr(&self.stdin, OptionalActions::Now, keyboard);
        }
    }
}

/// Returns what draws these lines over whatever stands there.
fn screen(lines: &[String], rows: usize) -> String {
    let lines: Vec<&str> = lines.iter().take(rows).map(String::as_str).collect();
    // Each line wipes what is left of the one before it, and the last one wipes all below: nothing flickers. The reset
    // ends a colour whose end was cut off.
    format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))
}

/// Waits until a moment, or until nobody reads the output any more: an ending of its own.
pub(super) fn wait_for_reader_until(end: Instant) -> Result<()> {
    let stdout = io::stdout();
    match poll_until(&[stdout.as_fd()], end)? {
        [false] => Ok(()),
        [true] => Err(Ending::BrokenPipe.into()),
    }
}

/// Waits until a moment, or until one of the sources has something to read or is gone. Only the end of the standard
/// output counts, since nothing is read there.
fn poll_until<const COUNT: usize>(sources: &[BorrowedFd<'_>], end: Instant) -> Result<[bool; COUNT]> {
    let stdout = io::stdout();
    let is_stdout = |source: &BorrowedFd<'_>| {
        use std::os::fd::AsRawFd;
        source.as_raw_fd() == stdout.as_fd().as_raw_fd()
    };
    loop {
        let asked = |source: &BorrowedFd<'_>| if is_stdout(source) { PollFlags::empty() } else { PollFlags::IN };
        let mut polled: Vec<PollFd<'_>> =
            sources.iter().map(|source| PollFd::from_borrowed_fd(*source, asked(source))).collect();
        let left = end.saturating_duration_since(Instant::now());
        match poll(&mut polled, Some(&timespec(left))) {
            Ok(_) => {
                let mut happened = [false; COUNT];
                for (happened, polled) in happened.iter_mut().zip(&polled) {
                    *happened = polled.revents().intersects(PollFlags::IN | PollFlags::ERR | PollFlags::HUP);
                }
                return Ok(happened);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait"),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    // No interval is longer than an hour.
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_takes_as_many_lines_as_it_has() {
        let lines = ["one", "two", "three"].map(str::to_owned);
        assert_eq!(screen(&lines, 2), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J");
        assert_eq!(screen(&[], 2), "\x1b[H\x1b[K\x1b[J");
    }
}
