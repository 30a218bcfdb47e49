//! A terminal that is drawn on, and given back as it was: at the end, and for as long as this process is stopped.
//!
//! What cannot be caught leaves it with another screen and without echo, and with nothing else: no cursor is hidden,
//! and lines wrap. A shell that runs jobs brings the echo back by itself when one of them was killed or stopped.

use std::io::{self, IsTerminal, Stdin};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcdrain, tcgetattr, tcgetpgrp, tcsetattr,
};

use super::keys::{self, Key, Scroll};
use crate::ending::Ending;
use crate::output::{self, Size};

/// The other screen.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// A screen to draw on, until this is dropped.
#[derive(Debug)]
pub(super) struct Terminal {
    stdin: Stdin,
    /// Tells of signals, which do nothing by themselves.
    signals: SignalFd,
    /// Which signals were held back before.
    mask: SigSet,
    /// What the terminal was like, while it is taken.
    was: Option<Termios>,
    /// What was typed and not looked at yet.
    typed: Vec<u8>,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The time is over.
    Timeout,
    /// The screen is empty, or has another size.
    Redraw,
    /// Somebody wants to see other rows.
    Scroll(Scroll),
    /// Somebody wants an end.
    Quit,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Resize,
    /// This process was stopped, and goes on.
    GoOn,
    Stop,
    End,
}

/// The signals that are listened to.
fn signals() -> SigSet {
    use Signal::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
    [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH].into_iter().collect()
}

impl Terminal {
    pub(super) fn enter() -> Result<Terminal> {
        // Signals first: from here on none ends or stops the program with the terminal as it must not be left.
        let signals = signals();
        let mut mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("cannot listen to signals")?;
        // A stop that was held back then would be for ever.
        mask.remove(Signal::SIGTSTP);
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("cannot listen to signals")?;
        let mut terminal = Terminal { stdin: io::stdin(), signals, mask, was: None, typed: Vec::new() };
        terminal.take()?;
        Ok(terminal)
    }

    /// Takes the screen, and the keyboard if there is one: keys come one by one, unseen.
    fn take(&mut self) -> Result<()> {
        // Does nothing else here than to stop a process in the background, until it is fetched: what the terminal is
        // like before that is what the shell made of it for itself.
        self.with_signals_as_before(|| retry_on_intr(|| tcdrain(self.device()))).context("cannot use the terminal")?;
        let was = tcgetattr(self.device()).context("cannot ask for the state of the terminal")?;
        let mut keys = was.clone();
        if self.stdin.is_terminal() {
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 1;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        }
        tcsetattr(self.device(), OptionalActions::Now, &keys).context("cannot set the state of the terminal")?;
        self.was = Some(was);
        output::print(ENTER)
    }

    /// Gives back what was taken.
    fn give_back(&mut self) {
        let Some(was) = self.was.take() else { return };
        // Else a word to a terminal that another job has could stop this process.
        let stop = SigSet::from(Signal::SIGTTOU);
        let mask = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        // A terminal that is gone needs nothing, and one that another job has is as that wants it.
        let _ = output::print(LEAVE);
        if tcgetpgrp(self.device()).map_or(true, |group| group == getpgrp()) {
            let _ = tcsetattr(self.device(), OptionalActions::Now, &was);
        }
        if let Ok(mask) = mask {
            let _ = mask.thread_set_mask();
        }
    }

    /// The keyboard, or the screen where there is none.
    fn device(&self) -> BorrowedFd<'_> {
        if self.stdin.is_terminal() { self.stdin.as_fd() } else { rustix::stdio::stdout() }
    }

    /// Lets signals stop or end this process meanwhile.
    fn with_signals_as_before<R>(&self, call: impl FnOnce() -> R) -> R {
        let _ = self.mask.thread_set_mask();
        let result = call();
        let _ = signals().thread_block();
        result
    }

    /// Draws lines from the top.
    pub(super) fn draw(&self, lines: &[String]) -> Result<()> {
        output::print(&screen(lines, Size::of_screen().rows))
    }

    /// Waits until a moment, or until something happens.
    pub(super) fn wait_until(&mut self, end: Instant) -> Result<Event> {
        loop {
            match keys::next(&mut self.typed) {
                Some(Key::Quit) => return Ok(Event::Quit),
                Some(Key::Redraw) => return Ok(Event::Redraw),
                Some(Key::Scroll(scroll)) => return Ok(Event::Scroll(scroll)),
                None => {}
            }
            let keyboard = self.stdin.is_terminal().then(|| self.stdin.as_fd());
            let sources: Vec<BorrowedFd<'_>> =
                [self.signals.as_fd(), rustix::stdio::stdout()].into_iter().chain(keyboard).collect();
            let [signal, screen, key] = poll_until(&sources, end)?;
            if screen {
                return Ok(Event::Quit);
            }
            match if signal { self.wish() } else { None } {
                Some(Wish::End) => return Ok(Event::Quit),
                Some(Wish::Stop) => {
                    self.give_back();
                    // As if nobody had listened. Where nobody could let it go on, the system lets it go on at once.
                    self.with_signals_as_before(|| raise(Signal::SIGTSTP)).context("cannot stop")?;
                    self.take()?;
                    return Ok(Event::Redraw);
                }
                Some(Wish::GoOn) => {
                    // It was stopped by what cannot be caught, and may be in the background now.
                    self.give_back();
                    self.take()?;
                    return Ok(Event::Redraw);
                }
                Some(Wish::Resize) => return Ok(Event::Redraw),
                None => {}
            }
            if key && !self.read_keys()? {
                return Ok(Event::Quit);
            }
            if !key && !signal {
                return Ok(Event::Timeout);
            }
        }
    }

    /// Returns the most urgent of what signals ask for.
    fn wish(&mut self) -> Option<Wish> {
        let signals = std::iter::from_fn(|| self.signals.read_signal().ok().flatten());
        let wish = |number: u32| match Signal::try_from(number as i32) {
            Ok(Signal::SIGWINCH) => Wish::Resize,
            Ok(Signal::SIGCONT) => Wish::GoOn,
            Ok(Signal::SIGTSTP) => Wish::Stop,
            _ => Wish::End,
        };
        signals.map(|signal| wish(signal.ssi_signo)).max()
    }

    /// Reads what was typed; `false` if nobody can type any more.
    fn read_keys(&mut self) -> Result<bool> {
        let mut typed = [0; 64];
        match rustix::io::read(&self.stdin, &mut typed) {
            // The terminal is gone.
            Ok(0) | Err(Errno::IO) => return Ok(false),
            Ok(count) => self.typed.extend_from_slice(&typed[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error).context("cannot read the keyboard"),
        }
        Ok(true)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
        let _ = self.mask.thread_set_mask();
    }
}

/// Returns what draws these lines over whatever stands there.
fn screen(lines: &[String], rows: usize) -> String {
    // Each line is wiped before it is written, and all below with the last one. Behind a line that fills its row, a
    // terminal would wipe the last letter.
    let (mut text, last) = ("\x1b[H".to_owned(), rows.min(lines.len()).saturating_sub(1));
    for line in &lines[..last] {
        text += &format!("\x1b[K{line}\r\n");
    }
    text + "\x1b[J" + lines.get(last).map_or("", |line| line)
}

/// Waits until a moment, or until nobody reads the output any more: an ending of its own.
pub(super) fn wait_for_reader_until(end: Instant) -> Result<()> {
    match poll_until(&[rustix::stdio::stdout()], end)? {
        [false] => Ok(()),
        [true] => Err(Ending::BrokenPipe.into()),
    }
}

/// Waits until a moment, or until one of the sources has something to read or is gone. Only the end of the standard
/// output counts, since nothing is read there.
fn poll_until<const COUNT: usize>(sources: &[BorrowedFd<'_>], end: Instant) -> Result<[bool; COUNT]> {
    let is_stdout = |source: &BorrowedFd<'_>| source.as_raw_fd() == rustix::stdio::stdout().as_raw_fd();
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
        assert_eq!(screen(&lines, 2), "\x1b[H\x1b[Kone\r\n\x1b[Jtwo");
        assert_eq!(screen(&lines[..1], 2), "\x1b[H\x1b[Jone");
        assert_eq!(screen(&[], 2), "\x1b[H\x1b[J");
    }

    #[test]
    fn an_end_is_more_urgent_than_a_stop() {
        assert!(Wish::End > Wish::Stop && Wish::Stop > Wish::GoOn && Wish::GoOn > Wish::Resize);
    }
}
