//! Processes that are forked, and run no other program.

use std::io;

use rustix::process::{Pid, WaitOptions, waitpid};

/// Forks; `None` in the child.
pub(crate) fn fork() -> Option<Pid> {
    // SAFETY: the child makes system calls and frees memory, which the allocator of the system is ready for after a fork.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    Pid::from_raw(pid)
}

/// Ends a forked child, and nothing of its parent's.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// Waits for a forked child to end, and returns its code; `None` where a signal ended it.
pub(crate) fn code(child: Pid) -> Option<i32> {
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    status.exit_status()
}
