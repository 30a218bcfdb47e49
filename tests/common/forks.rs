//! Processes that are forked, and run no other program.

use std::time::{Duration, Instant};
use std::{fs, io, thread};

use ringmain::Role;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{PATIENCE, byte_of};

/// Forks; `None` in the child.
pub(crate) fn fork() -> Option<Pid> {
    // SAFETY: the child makes system calls and frees memory, which the allocator of the system is ready for after a
    // fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    Pid::from_raw(pid)
}

/// Ends a forked child, and nothing of its parent's.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Waits for a forked child to end, and returns its code; `None` if a signal ended it. One that does not end is killed.
#[track_caller]
pub(crate) fn code(child: Pid) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some((_, status)) = waitpid(Some(child), WaitOptions::NOHANG).unwrap() {
            return status.exit_status();
        }
        if start.elapsed() > PATIENCE {
            let _ = kill_process(child, Signal::KILL);
            panic!("waited in vain for the end of a forked child");
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Sleeps in a forked child until the test lets go of this process's standard input.
pub(crate) fn wait_for_the_end() -> ! {
    let mut byte = 0_u8;
    // SAFETY: one byte is valid for a write of one; the call is one of those allowed in a forked child.
    while unsafe { libc::read(0, (&raw mut byte).cast(), 1) } > 0 {}
    exit(0)
}

/// Returns whether a process has a descriptor whose description holds the lock of a role.
pub(crate) fn keeps_a_lock(pid: Pid, role: Role) -> bool {
    keeps_the_lock_of(pid, byte_of(role))
}

/// Returns whether a process has a descriptor whose description holds the lock of a byte.
pub(crate) fn keeps_the_lock_of(pid: Pid, byte: libc::off_t) -> bool {
    let folder = format!("/proc/{}/fdinfo", pid.as_raw_nonzero());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .any(|line| line.starts_with("lock:") && line.contains("OFDLCK") && line.ends_with(&format!(" {byte} {byte}")))
}
