//! A filter of system calls that a process puts on itself, for good.

use std::io;

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
