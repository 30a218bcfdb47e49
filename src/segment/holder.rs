//! The process that holds a role: the notes that it stored about itself, and whether it is alive.
//!
//! A role's lock can outlive its holder: a process that it forked or spawned during its attach has a copy of the
//! descriptor, a child of `vfork` shares its memory, and the kernel keeps the memory while it writes a core. So if a
//! lock is held, the notes tell whether its holder is alive. A process that cannot be checked counts as alive: its
//! notes are of another PID namespace, or `/proc` is missing, hides processes, or belongs to another namespace.
//!
//! A sleeper asks ten times a second. Nothing is allocated for that: what is read of `/proc` is short, and lies on the
//! stack.

use std::cell::Cell;
use std::ffi::CStr;
use std::fmt::Display;
use std::str;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::layout::RoleWords;
use super::path::with_path;
use crate::ring::presence;

/// The shortest time between two reads of `/proc` for one handle.
const PROC_INTERVAL: Duration = Duration::from_millis(100);

/// The notes that the holder of a role stored about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notes {
    pid: u64,
    /// In the system's ticks since boot; 0 if it was not known.
    started: u64,
    /// 0 if it was not known.
    namespace: u64,
}

impl Notes {
    /// Returns the notes of this process.
    pub(super) fn own() -> Notes {
        Notes {
            pid: std::process::id().into(),
            // Not by the pid: what is mounted at /proc may be that of another namespace.
            started: Stat::read("self").map_or(0, |stat| stat.started),
            namespace: own_namespace().unwrap_or(0),
        }
    }

    /// Loads the notes of a slot. They may be a mix of two holders' if the second one is attaching.
    pub(super) fn read(slot: &RoleWords) -> Notes {
        let [pid, started, namespace] = [&slot.pid, &slot.start_time, &slot.pid_namespace].map(presence::load_note);
        Notes { pid, started, namespace }
    }

    /// Stores them into the slot of a role that this process has locked, before it attaches: so `Busy` can name this
    /// process.
    pub(super) fn write(self, slot: &RoleWords) {
        let Notes { pid, started, namespace } = self;
        presence::store_notes(&[(&slot.pid, pid), (&slot.start_time, started), (&slot.pid_namespace, namespace)]);
    }

    pub(super) fn pid(self) -> Option<u32> {
        u32::try_from(self.pid).ok()
    }
}

/// Checks the processes of one PID namespace: that of this process.
#[derive(Debug)]
pub(super) struct Liveness {
    namespace: Option<u64>,
    /// The process that was last found to have exited, which is final.
    gone: Cell<Option<Notes>>,
    /// When `/proc` was read last.
    last_read: Cell<Option<Instant>>,
}

impl Liveness {
    pub(super) fn new() -> Liveness {
        Liveness { namespace: own_namespace(), gone: Cell::new(None), last_read: Cell::new(None) }
    }

    /// Returns whether the process is known to have exited, as far as one system call tells: no process has its pid.
    pub(super) fn is_absent(&self, notes: Notes) -> bool {
        if self.namespace != Some(notes.namespace) {
            return false;
        }
        let pid = i32::try_from(notes.pid).ok().and_then(Pid::from_raw);
        self.gone.get() == Some(notes) || pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
    }

    /// Returns whether the process is known to have exited: no process has its pid, or another one has, or it is a
    /// zombie, or its core is being written. Reads `/proc`, about 20 us.
    pub(super) fn is_gone(&self, notes: Notes) -> bool {
        if self.is_absent(notes) {
            return true;
        }
        // Without its start time, a process cannot be told from a later one of the same pid.
        let is_gone = self.namespace == Some(notes.namespace) && notes.started != 0 && is_dead_or_replaced(notes);
        if is_gone {
            self.gone.set(Some(notes));
        }
        is_gone
    }

    /// Records that a process has exited.
    pub(super) fn set_gone(&self, gone: Notes) {
        self.gone.set(Some(gone));
    }

    /// Returns the process, if it is in this namespace, and another one than this.
    pub(super) fn other_process(&self, notes: Notes) -> Option<Pid> {
        let pid = i32::try_from(notes.pid).ok().filter(|_| self.namespace == Some(notes.namespace))?;
        Pid::from_raw(pid).filter(|_| notes.pid != u64::from(std::process::id()))
    }

    /// As [`is_gone`](Liveness::is_gone), for repeated calls: reads `/proc` once in 100 ms.
    pub(super) fn is_gone_rate_limited(&self, notes: Notes) -> bool {
        if self.last_read.get().is_some_and(|last_read| last_read.elapsed() < PROC_INTERVAL) {
            return self.is_absent(notes);
        }
        self.last_read.set(Some(Instant::now()));
        self.is_gone(notes)
    }

    /// Returns the pid, if the process is in this namespace and alive. If `/proc` cannot tell it from another process
    /// of that pid, either counts.
    pub(super) fn name(&self, notes: Notes) -> Option<u32> {
        let pid = notes.pid()?;
        let is_it = || match proc_is_of_this_namespace() {
            true => Stat::read(pid).is_some_and(|stat| stat.started == notes.started),
            false => !self.is_absent(notes),
        };
        (self.namespace == Some(notes.namespace) && is_it()).then_some(pid)
    }
}

/// Returns whether `/proc` has another process of this pid, or this one as a zombie.
fn is_dead_or_replaced(notes: Notes) -> bool {
    let Some(stat) = Stat::read(notes.pid).filter(|_| proc_is_of_this_namespace()) else { return false };
    if stat.started != notes.started {
        return shares_boot_clock(notes.pid);
    }
    stat.is_dead() || (stat.may_dump() && is_dumping(notes.pid))
}

/// Reads a file of a process, as much as the buffer has room for.
fn read<'a>(process: impl Display, file: &str, text: &'a mut [u8]) -> Option<&'a [u8]> {
    let open = |path: &CStr| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let file = with_path(format_args!("/proc/{process}/{file}"), open).ok()?;
    let len = rustix::io::read(file, &mut *text).ok()?;
    Some(&text[..len])
}

/// Returns whether `/proc` is that of this process's PID namespace.
fn proc_is_of_this_namespace() -> bool {
    let mut own = [0; 24];
    let len = rustix::fs::readlinkat_raw(CWD, "/proc/self", &mut own[..]).unwrap_or(0);
    str::from_utf8(&own[..len]).is_ok_and(|own| own.parse() == Ok(std::process::id()))
}

/// Returns whether the start time of a process is by the same clock: a time namespace may shift it. Without such
/// namespaces, all are.
fn shares_boot_clock(pid: u64) -> bool {
    let namespace = |path: &CStr| rustix::fs::stat(path).map(|stat| stat.st_ino);
    match (namespace(c"/proc/self/ns/time"), with_path(format_args!("/proc/{pid}/ns/time"), namespace)) {
        (Ok(own), Ok(other)) => own == other,
        (Err(Errno::NOENT), Err(Errno::NOENT)) => true,
        _ => false,
    }
}

/// Returns whether the kernel is writing the core of a process: it runs no more, but its memory is kept.
fn is_dumping(pid: u64) -> bool {
    // In the status of a process with hundreds of groups the line lies beyond the buffer: it counts as not dumping, and
    // its lock ends soon.
    let says_so = |status: &[u8]| status.split(|&byte| byte == b'\n').any(|line| line == b"CoreDumping:\t1");
    read(pid, "status", &mut [0; 4096]).is_some_and(says_so)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    flags: u64,
    threads: u64,
    started: u64,
}

impl Stat {
    fn read(process: impl Display) -> Option<Stat> {
        Stat::parse(read(process, "stat", &mut [0; 1024])?)
    }

    fn parse(text: &[u8]) -> Option<Stat> {
        // The name in parentheses may hold any bytes, also parentheses. Field 3 follows it.
        let name = text.iter().rposition(|&byte| byte == b')')?;
        let mut fields = str::from_utf8(&text[name + 1..]).ok()?.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let flags = fields.nth(5)?.parse().ok()?;
        let threads = fields.nth(10)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Stat { state, flags, threads, started })
    }

    /// Returns whether it is a zombie. If only its first thread has exited, others are left.
    fn is_dead(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x') && self.threads <= 1
    }

    /// Returns whether its first thread writes a core, or has exited, as all threads but one have while a core is
    /// written.
    fn may_dump(self) -> bool {
        const DUMPS_CORE: u64 = 0x200;
        const HAS_ENDED: u64 = 0x8;
        self.flags & (DUMPS_CORE | HAS_ENDED) != 0
    }
}

/// Returns the number of this process's PID namespace.
fn own_namespace() -> Option<u64> {
    Some(rustix::fs::stat("/proc/self/ns/pid").ok()?.st_ino)
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "forks a child that ends at once")]

    use super::*;

    const LINE: &[u8] = b"7 (a) Z 1 ) S 23421 23393 7935 0 -1 4227148 220 0 0 0 0 0 0 0 20 0 3 0 99518 0 0 0";

    #[test]
    fn a_line_of_a_process_is_read_whatever_its_name_is() {
        let expected = Stat { state: 'S', flags: 4_227_148, threads: 3, started: 99_518 };
        assert_eq!(Stat::parse(LINE), Some(expected));
        assert_eq!(Stat::parse(&[b"7 (\xff\xfe) ", &LINE[12..]].concat()), Some(expected));
        assert_eq!(Stat::parse(b"7 (a) S 1"), None);
    }

    #[test]
    fn a_process_whose_first_thread_alone_has_ended_is_not_dead() {
        let stat = |state, threads| Stat { state, threads, flags: 0, started: 1 };
        assert!(!stat('Z', 2).is_dead() && !stat('S', 1).is_dead());
        assert!(stat('Z', 1).is_dead() && stat('X', 0).is_dead());
    }

    #[test]
    fn this_process_is_not_gone_and_another_one_of_its_number_is() {
        let (liveness, own) = (Liveness::new(), Notes::own());
        assert!(!liveness.is_absent(own) && !liveness.is_gone(own));
        assert_eq!(liveness.name(own), Some(std::process::id()));
        let other = Notes { started: own.started + 1, ..own };
        assert!(!liveness.is_absent(other) && liveness.is_gone(other));
        // What was found once needs no second check.
        assert!(liveness.is_absent(other) && liveness.name(other).is_none());
    }

    #[test]
    fn what_is_not_known_counts_as_running() {
        let (liveness, own) = (Liveness::new(), Notes::own());
        let absent = u64::from(u32::MAX);
        for notes in [
            Notes { namespace: own.namespace + 1, started: own.started + 1, ..own },
            Notes { namespace: 0, ..own },
            Notes { started: 0, ..own },
            Notes { pid: 0, ..own },
            Notes { pid: absent, ..own },
        ] {
            assert!(!liveness.is_gone(notes), "{notes:?}");
        }
        let blind = Liveness { namespace: None, ..Liveness::new() };
        assert!(!blind.is_gone(Notes { started: own.started + 1, ..own }));
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_is_gone_and_so_is_one_that_was() {
        let liveness = Liveness::new();
        // SAFETY: the child makes one system call, which ends it.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: it takes any number and does not return.
            unsafe { libc::_exit(0) };
        }
        let pid = u64::try_from(child).unwrap();
        // SAFETY: zero is a value of this struct of integers.
        let mut ended: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: it waits for the child's end without reaping it, and writes one `siginfo_t`.
        let status = unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut ended, libc::WEXITED | libc::WNOWAIT) };
        assert_eq!(status, 0);
        let started = Stat::read(pid).unwrap().started;
        let notes = Notes { pid, started, ..Notes::own() };
        assert!(!liveness.is_absent(notes), "it is still there to be reaped");
        assert!(liveness.is_gone(notes));
        // SAFETY: it reaps the child; no status is asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert!(Liveness::new().is_absent(notes));
    }
}
