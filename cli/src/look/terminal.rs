//! A terminal that is drawn on, and given back as it was: at the end, and for as long as this process is stopped.
//!
//! What cannot be caught leaves it with another screen and without echo, and with nothing else: no cursor is hidden,
//! and lines wrap. A shell that runs jobs brings the echo back by itself when one of them was killed or stopped.

#![allow(unsafe_code, reason = "the action of a signal is that of the whole process")]

use std::io::{self, IsTerminal, Stdin};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction};
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

/// The signals that are listened to: all that end or stop a process which does not, and those of a terminal.
fn signals() -> SigSet {
    let mut signals = SigSet::all();
    [Signal::SIGCHLD, Signal::SIGURG].into_iter().for_each(|signal| signals.remove(signal));
    signals
}

/// Makes a call that changes the terminal. In the background it fails with `EINTR`, and changes nothing. By itself it
/// would stop the process there, with whatever ends that held back, or change the terminal of another job where the
/// signal for that is held back, too.
fn in_front<R>(call: impl FnOnce() -> R) -> R {
    extern "C" fn do_nothing(_: i32) {}
    let stop = SigSet::from(Signal::SIGTTOU);
    // No `SA_RESTART`: the call ends.
    let caught = SigAction::new(SigHandler::Handler(do_nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, which every thread may do at any time, and it has the signature that the
    // system calls. Nothing else in this program installs an action for this signal.
    let before = unsafe { sigaction(Signal::SIGTTOU, &caught) };
    let _ = stop.thread_unblock();
    let result = call();
    let _ = stop.thread_block();
    if let Ok(before) = before {
        // SAFETY: this is the action that was there, which no handler of this program is: the default, or to ignore it.
        let _ = unsafe { sigaction(Signal::SIGTTOU, &before) };
    }
    result
}

impl Terminal {
    pub(super) fn enter() -> Result<Terminal> {
        // Signals first: from here on none ends or stops the program with the terminal as it must not be left.
        let signals = signals();
        let mut mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("cannot listen to signals")?;
        // A stop that was held back then would be for ever.
        [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].into_iter().for_each(|stop| mask.remove(stop));
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("cannot listen to signals")?;
        let mut terminal = Terminal { stdin: io::stdin(), signals, mask, was: None, typed: Vec::new() };
        terminal.take()?;
        Ok(terminal)
    }

    /// Takes the screen, and the keyboard if there is one: keys come one by one, unseen.
    fn take(&mut self) -> Result<()> {
        loop {
            // Does nothing else here than to stop a process in the background, until it is fetched: what the terminal
            // is like before that is what the shell made of it for itself.
            let drain = || retry_on_intr(|| tcdrain(self.device()));
            self.with_signals_as_before(drain).context("cannot use the terminal")?;
            let was = tcgetattr(self.device()).context("cannot ask for the state of the terminal")?;
            let mut keys = was.clone();
            if self.has_keys() {
                keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
                keys.special_codes[SpecialCodeIndex::VMIN] = 1;
                keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            }
            match in_front(|| tcsetattr(self.device(), OptionalActions::Now, &keys)) {
                // Since then somebody has put it in the background. What ends it finds it stopped as any other.
                Err(Errno::INTR) => self.with_signals_as_before(|| raise(Signal::SIGSTOP)).context("cannot stop")?,
                set => {
                    set.context("cannot set the state of the terminal")?;
                    self.was = Some(was);
                    return output::print(ENTER);
                }
            }
        }
    }

    /// Gives back what was taken.
    fn give_back(&mut self) {
        let Some(was) = self.was.take() else { return };
        // A terminal that is gone needs nothing, and one that another job has is as that wants it.
        let _ = output::print(LEAVE);
        if self.is_in_front() {
            let _ = in_front(|| tcsetattr(self.device(), OptionalActions::Now, &was));
        }
    }

    /// Gives it back, and takes it as soon as it may.
    fn take_again(&mut self) -> Result<Event> {
        self.give_back();
        self.take()?;
        Ok(Event::Redraw)
    }

    /// Returns whether somebody can type.
    pub(super) fn has_keys(&self) -> bool {
        self.stdin.is_terminal()
    }

    /// Returns whether no other job has the terminal.
    fn is_in_front(&self) -> bool {
        tcgetpgrp(self.device()).map_or(true, |group| group == getpgrp())
    }

    /// The keyboard, or the screen where there is none.
    fn device(&self) -> BorrowedFd<'_> {
        if self.has_keys() { self.stdin.as_fd() } else { rustix::stdio::stdout() }
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
            let keyboard = self.has_keys().then(|| self.stdin.as_fd());
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
                    return self.take_again();
                }
                // It was stopped by what cannot be caught, and may be in the background now.
                Some(Wish::GoOn) => return self.take_again(),
                Some(Wish::Resize) => return Ok(Event::Redraw),
                None => {}
            }
            if key && !self.read_keys()? {
                // Else what was typed is for another job.
                return if self.is_in_front() { Ok(Event::Quit) } else { self.take_again() };
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
            Ok(Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU) => Wish::Stop,
            _ => Wish::End,
        };
        signals.map(|signal| wish(signal.ssi_signo)).max()
    }

    /// Reads what was typed; `false` if nobody can type any more, or not to this process.
    fn read_keys(&mut self) -> Result<bool> {
        let mut typed = [0; 64];
        match rustix::io::read(&self.stdin, &mut typed) {
            // The terminal is gone, or this process is in the background.
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
    use std::fs::File;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    #[ignore = "a process that the test starts, in the background of a terminal"]
    fn asks_in_the_background() {
        if std::env::var_os(INSIDE).is_none() {
            return;
        }
        let held = signals().thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
        let was = tcgetattr(io::stdin()).unwrap();
        assert_ne!(tcgetpgrp(io::stdin()).unwrap(), getpgrp());
        for _ in 0..2 {
            assert_eq!(in_front(|| tcsetattr(io::stdin(), OptionalActions::Now, &was)), Err(Errno::INTR));
        }
        // The signal does again what it did, and none is left over that was held back.
        let caught = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: the default action of a signal is no code of this program.
        let before = unsafe { sigaction(Signal::SIGTTOU, &caught) }.unwrap();
        assert!(matches!(before.handler(), SigHandler::SigDfl));
        held.thread_set_mask().unwrap();
    }

    const INSIDE: &str = "RINGMAIN_BACKGROUND";

    #[test]
    fn a_terminal_that_another_job_has_is_left_alone_and_nothing_stops() {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let path = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        // A shell with jobs leads a session of its own, and has this one in the background. One that is stopped has the
        // code of its signal.
        let script = r#"exec <>"$1"; set -m; "$0" --ignored --exact --nocapture --test-threads=1 "$2" <&0 & wait $!"#;
        let mut shell = Command::new("setsid");
        let name = "look::terminal::tests::asks_in_the_background";
        shell.args(["--wait", "bash", "-c", script]).arg(std::env::current_exe().unwrap()).args([&path, name]);
        let ran = shell.env(INSIDE, "").stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", ran.status);
        drop(File::from(user));
    }

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
