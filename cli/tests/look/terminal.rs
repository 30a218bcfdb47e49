//! A terminal as a program sees it: a pseudo-terminal, whose other end the test has.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::shell::{Running, wait_for};

/// A terminal with a keyboard and a screen.
pub(crate) struct Terminal {
    /// The end of whoever types and reads.
    user: File,
    /// The end of programs, kept open so that the terminal outlives each.
    program: File,
    /// What was written and not asked for yet.
    written: Vec<u8>,
}

impl Terminal {
    pub(crate) fn new() -> Terminal {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let path = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
        // It must not become that of the test.
        let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let program = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap();
        fcntl_setfl(&user, fcntl_getfl(&user).unwrap() | OFlags::NONBLOCK).unwrap();
        let terminal = Terminal { user: user.into(), program, written: Vec::new() };
        terminal.resize(50, 200);
        terminal
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.program, size).unwrap();
    }

    /// Starts a program that has this terminal as its input and output.
    pub(crate) fn spawn(&self, command: &mut Command) -> Running {
        Running::start(command.stdin(self.end()).stdout(self.end()).stderr(self.end()))
    }

    /// The end of programs.
    pub(crate) fn end(&self) -> Stdio {
        self.program.try_clone().unwrap().into()
    }

    /// Starts a program that leads a session whose terminal this is, and that gets the keys.
    pub(crate) fn lead(&self, command: &mut Command) -> Running {
        let lead = || {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        };
        // SAFETY: it makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(lead) };
        self.spawn(command)
    }

    pub(crate) fn type_keys(&mut self, keys: &[u8]) {
        self.user.write_all(keys).unwrap();
    }

    /// Everything that a program can set.
    pub(crate) fn state(&self) -> String {
        format!("{:?}", tcgetattr(&self.program).unwrap())
    }

    /// Reads what is written, up to and with these letters.
    #[track_caller]
    pub(crate) fn read_until(&mut self, letters: &str) -> String {
        let end = wait_for(letters, || {
            self.read();
            let found = self.written.windows(letters.len()).position(|some| some == letters.as_bytes());
            found.map(|at| at + letters.len())
        });
        String::from_utf8_lossy(&self.written.drain(..end).collect::<Vec<_>>()).into_owned()
    }

    /// Everything that was written and not asked for yet.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.read();
        std::mem::take(&mut self.written)
    }

    fn read(&mut self) {
        let mut some = [0; 4096];
        loop {
            match self.user.read(&mut some) {
                Ok(count) => self.written.extend_from_slice(&some[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
