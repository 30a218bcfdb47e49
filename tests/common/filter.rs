//! A filter of system calls that a process puts on itself, for good: it refuses some, or lets another thread watch all.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::{io, mem};

/// What becomes of a call that is refused.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    /// It fails with `EPERM`.
    Fails,
    /// It ends the process.
    Kills,
}

/// Refuses these calls to this thread from here on, and to those that it starts.
///
/// # Errors
///
/// If the system has no filters, or this machine none that are known here: the test can say nothing then.
pub(crate) fn refuse(calls: &[libc::c_long], verdict: Verdict) -> io::Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the filter is written for x86_64 alone"));
    }
    const ARCHITECTURE: u32 = 0xc000_003e;
    let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |k, jt, jf| libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt, jf, k };
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |verdict| statement(libc::BPF_RET | libc::BPF_K, verdict);
    // Of `seccomp_data`: the architecture at 4, the number of the call at 0.
    let mut program = vec![load(4), jump(ARCHITECTURE, 1, 0), answer(libc::SECCOMP_RET_ALLOW), load(0)];
    for &call in calls {
        program.push(jump(call as u32, 0, 1));
        program.push(answer(match verdict {
            Verdict::Fails => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            Verdict::Kills => libc::SECCOMP_RET_KILL_PROCESS,
        }));
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the call takes integers alone.
    let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the program is as long as it says, and lives through the call, which copies it.
    let status = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets another thread watch each system call of this one from here on, before it is made, by the descriptor that is
/// returned. Without a watcher this thread stands still at its next call.
///
/// # Errors
///
/// If the system has no such filters.
pub(crate) fn be_watched() -> io::Result<RawFd> {
    let mut program = [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_USER_NOTIF,
    }];
    let program = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    // SAFETY: the call takes integers alone.
    let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the program is as long as it says, and lives through the call, which copies it.
    let listener =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as RawFd) }
}

/// Watches the calls of a thread.
pub(crate) struct Watcher(OwnedFd);

impl Watcher {
    /// Takes the descriptor that the thread got, and nobody else has.
    pub(crate) fn of(listener: RawFd) -> Watcher {
        // SAFETY: it is open, and nobody else closes it.
        Watcher(unsafe { OwnedFd::from_raw_fd(listener) })
    }

    /// Waits for the next call, does something with its number, and then lets it be made.
    pub(crate) fn before_a_call(&self, act: impl FnOnce(libc::c_long)) {
        // `SECCOMP_IOCTL_NOTIF_RECV` and `SECCOMP_IOCTL_NOTIF_SEND`.
        const RECEIVE: libc::c_ulong = 0xc050_2100;
        const SEND: libc::c_ulong = 0xc018_2101;
        // SAFETY: a C struct of integers, for which zero is a value, as the call wants it.
        let mut call: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the call writes one such struct.
        let status = unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE as _, &raw mut call) };
        assert_eq!(status, 0, "{}", io::Error::last_os_error());
        act(call.data.nr.into());
        let mut answer = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the call reads one such struct.
        let status = unsafe { libc::ioctl(self.0.as_raw_fd(), SEND as _, &raw mut answer) };
        assert_eq!(status, 0, "{}", io::Error::last_os_error());
    }
}
