//! Network namespaces, which hang on a descriptor, and programs in them.

#![allow(unsafe_code, reason = "a child enters its namespace between fork and exec")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace. It ends with the last process in it, after this was dropped.
#[derive(Debug)]
pub struct Space(OwnedFd);

impl Space {
    /// Makes a namespace, with nothing in it but a loopback device.
    ///
    /// # Errors
    /// - this process is not root, or the system has no network namespaces, or no `ip`
    pub fn new() -> Result<Space> {
        let made = thread::spawn(|| -> io::Result<OwnedFd> {
            // SAFETY: it changes the network of this thread alone, which ends here.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Ok(File::open("/proc/thread-self/ns/net")?.into())
        });
        let space = Space(made.join().expect("no panic").context("cannot make a network namespace, which takes root")?);
        space.ip("link set lo up")?;
        Ok(space)
    }

    /// Returns a command that runs a program here, and ends it with the thread that starts it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let space = self.0.as_raw_fd();
        let enter = move || {
            // SAFETY: both make system calls alone; the descriptor is open as long as its owner, which starts this.
            let entered = unsafe { libc::setns(space, libc::CLONE_NEWNET) };
            // SAFETY: as above.
            let asked = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            if entered != 0 || asked != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: the closure makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs `ip` here.
    ///
    /// # Errors
    /// - there is no such program, or it says what is wrong
    pub fn ip(&self, arguments: &str) -> Result<()> {
        self.run(&format!("ip {arguments}"))
    }

    /// Runs a program here to its end; words are parted by blanks.
    ///
    /// # Errors
    /// - there is no such program, or it says what is wrong
    pub fn run(&self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().context("a program")?);
        let output = command.args(words).output().with_context(|| format!("cannot run `{line}`"))?;
        ensure!(output.status.success(), "`{line}`: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Runs code in a thread that is here.
    ///
    /// # Errors
    /// - the code fails
    pub fn within<T: Send + 'static>(&self, code: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&self.0), Some(LinkNameSpaceType::Network))
                    .context("cannot enter a network namespace")?;
                code()
            });
            thread.join().expect("no panic")
        })
    }

    /// Returns the path by which another process finds this namespace, for as long as this one lives.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Joins this namespace to another one by a pair of devices of these names, each with an address (`1.2.3.4/24`).
    ///
    /// # Errors
    /// - `ip` fails
    pub fn join(&self, device: &str, address: &str, other: &Space, their_device: &str, theirs: &str) -> Result<()> {
        let path = other.path();
        self.ip(&format!("link add {device} type veth peer name {their_device} netns {path}"))?;
        for (space, device, address) in [(self, device, address), (other, their_device, theirs)] {
            space.ip(&format!("addr add {address} dev {device}"))?;
            space.ip(&format!("link set {device} up"))?;
        }
        Ok(())
    }
}
