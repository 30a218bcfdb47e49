//! A holder that comes and leaves while the end of the one before it is being found out.

mod common;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, mem, thread};

use common::{Ability, missing};
use common::{PATIENCE, Ring};
use ringmain::WaitError;
use ringmain::stream::{Consumer, Producer};

/// Makes this thread stop at each question who holds a lock, until whoever has the descriptor lets it go on.
fn stop_at_questions() -> io::Result<OwnedFd> {
    if !cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the filter is written for x86_64 alone"));
    }
    let load = |k| libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k };
    let skip_unless =
        |k, jf| libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf, k };
    let answer = |k| libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k };
    // Of `seccomp_data`: the number of the call at 0, the lower half of the second argument at 24.
    let mut program = [
        load(0),
        skip_unless(libc::SYS_fcntl as u32, 3),
        load(24),
        skip_unless(libc::F_OFD_GETLK as u32, 1),
        answer(libc::SECCOMP_RET_USER_NOTIF),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the call takes integers alone.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let (operation, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program is as long as it says, and lives through the call, which copies it.
    let listener = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as i32) })
}

/// Waits until the thread stops, calls `meanwhile`, and lets the thread go on. Returns `false` if it has ended instead.
#[track_caller]
fn let_go_on(listener: &OwnedFd, meanwhile: impl FnOnce()) -> bool {
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    const SEND: libc::c_ulong = 0xc018_2101;
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one `pollfd`, which lives through the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as i32) };
    assert_eq!(ready, 1, "the thread neither asks nor ends");
    if poll.revents & libc::POLLIN == 0 {
        return false;
    }
    // SAFETY: a struct of integers, for which zero is a value; the system asks for zeros.
    let mut question: libc::seccomp_notif = unsafe { mem::zeroed() };
    // SAFETY: the call writes one `seccomp_notif`.
    let status = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut question) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    meanwhile();
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut answer = libc::seccomp_notif_resp { id: question.id, val: 0, error: 0, flags };
    // SAFETY: the call reads one `seccomp_notif_resp`.
    let status = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut answer) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    true
}

#[test]
fn the_end_of_a_producer_that_came_while_the_one_before_was_asked_for_is_told_once() {
    let ring = Ring::new();
    let producer = || -> Producer<u64> { ring.options().capacity(4).stream_producer().unwrap() };
    let consumer = || -> Consumer<u64> { ring.options().capacity(4).stream_consumer().unwrap() };
    let (tx, mut rx) = (producer(), consumer());
    tx.abandon();
    let (sender, receiver) = mpsc::channel();
    let told = thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let listener = stop_at_questions();
            let stops = listener.is_ok();
            sender.send(listener).unwrap();
            if !stops {
                return None;
            }
            let first = rx.within(Duration::ZERO).pop();
            let told = first.or_else(|error| match error {
                // It was not told yet.
                WaitError::TimedOut => rx.within(PATIENCE).pop(),
                error => Err(error),
            });
            rx.abandon();
            Some(told)
        });
        match receiver.recv().unwrap() {
            Err(error) => missing(Ability::SystemCallFilter, error),
            Ok(listener) => {
                assert!(let_go_on(&listener, || producer().close().unwrap()), "the wait asks for no lock");
                while let_go_on(&listener, || ()) {}
            }
        }
        waiter.join().unwrap()
    });
    if let Some(told) = told {
        assert_eq!(told, Err(WaitError::Closed));
        // The next consumer has nothing to hear.
        assert_eq!(consumer().within(Duration::from_millis(1)).pop(), Err(WaitError::TimedOut));
    }
}
