//! A process that is led through a call instruction by instruction, and stopped for good where its tracer likes.

use std::env;
use std::io::{IoSliceMut, Write, stderr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::processor::{self, Next};

/// How a process ends that may not be traced.
pub const NOT_PERMITTED: i32 = 77;

/// No call takes as many instructions.
const MOST_STEPS: usize = 10_000_000;

/// How much of the stack belongs to a call and to whom it works for.
const STACK: usize = 64 << 10;

const PAGE: usize = 4096;

/// What lies below the stack pointer and is in use all the same.
const RED_ZONE: usize = 128;

/// Accepts that nothing is tested where the system does not let processes trace each other.
const WITHOUT: &str = "RINGMAIN_WITHOUT_PTRACE";

/// A place in the course of a call: after so many calls of the system, and so many instructions more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// How many calls of the system have returned.
    pub calls: usize,
    /// How many instructions followed the last of them.
    pub steps: usize,
}

/// A stopped process. It is killed and reaped when this is dropped.
#[derive(Debug)]
pub struct Traced {
    pid: Pid,
    point: Point,
    next: Next,
    is_reaped: bool,
}

impl Traced {
    /// Starts a process, and returns when it stands at the first instruction of its call.
    ///
    /// # Errors
    ///
    /// The system does not let processes trace each other.
    ///
    /// # Panics
    ///
    /// If the process does not come as far.
    #[expect(clippy::zombie_processes, reason = "the guard that is returned waits for it")]
    pub fn start(program: &str, arguments: &[&str]) -> Result<Traced, Errno> {
        share_a_processor();
        let child = Command::new(program).args(arguments).stdin(Stdio::null()).spawn().expect("a process starts");
        let mut traced = Traced {
            pid: Pid::from_raw(child.id() as i32),
            point: Point::default(),
            next: Next::Other,
            is_reaped: false,
        };
        match traced.wait() {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            WaitStatus::Exited(_, NOT_PERMITTED) => return Err(Errno::EPERM),
            other => panic!("{arguments:?} ended before its call: {other:?}"),
        }
        ptrace::setoptions(traced.pid, ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
        traced.look();
        Ok(traced)
    }

    /// Returns where it stands.
    #[must_use]
    pub fn point(&self) -> Point {
        self.point
    }

    /// Returns what it is about to do.
    #[must_use]
    pub fn next(&self) -> Next {
        self.next
    }

    /// Lets it execute one instruction. One that repeats itself counts as many times.
    pub fn step(&mut self) {
        ptrace::step(self.pid, None).expect("a stopped process steps");
        match self.wait() {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => panic!("{other:?} at {:?}", self.point),
        }
        self.point = match self.next {
            Next::Call => Point { calls: self.point.calls + 1, steps: 0 },
            _ => Point { steps: self.point.steps + 1, ..self.point },
        };
        self.look();
        assert!(self.point.steps < MOST_STEPS, "a call that does not end");
    }

    /// Leads it to a place, and returns whether it came there before the call ended.
    pub fn run_to(&mut self, point: Point) -> bool {
        while self.point.calls < point.calls {
            // At full speed to the next call of the system, and to its return.
            for _ in 0..2 {
                ptrace::syscall(self.pid, None).expect("a stopped process goes on");
                match self.wait() {
                    WaitStatus::PtraceSyscall(_) => {}
                    WaitStatus::Stopped(_, Signal::SIGTRAP) => return false,
                    other => panic!("{other:?} after {:?}", self.point),
                }
            }
            self.point = Point { calls: self.point.calls + 1, steps: 0 };
        }
        self.look();
        while self.point != point && self.next != Next::Mark {
            self.step();
        }
        self.next != Next::Mark
    }

    /// Returns what it holds that nobody else can see: its registers, and its stack.
    #[must_use]
    pub fn private_memory(&self) -> Vec<u8> {
        let (mut bytes, stack_pointer) = processor::registers(self.pid).expect("a stopped process has registers");
        let mut stack = vec![0; STACK];
        let lowest = stack_pointer - RED_ZONE;
        // Page by page: what can be read of several ranges is read up to where the stack ends.
        let ends = (lowest / PAGE + 1..).map(|page| page * PAGE).take_while(|end| end - lowest <= STACK);
        let pages: Vec<RemoteIoVec> = ends
            .scan(lowest, |start, end| {
                let base = std::mem::replace(start, end);
                Some(RemoteIoVec { base, len: end - base })
            })
            .collect();
        let read = process_vm_readv(self.pid, &mut [IoSliceMut::new(&mut stack)], &pages);
        let len = read.expect("a stopped process has a stack");
        bytes.extend_from_slice(&stack[..len]);
        bytes
    }

    /// Stops it for good.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.is_reaped, true) {
            return;
        }
        // Fails only where it has ended by itself, and then it is reaped all the same.
        let _ = kill(self.pid, Signal::SIGKILL);
        while let Ok(status) = waitpid(self.pid, None) {
            if matches!(status, WaitStatus::Signaled(..) | WaitStatus::Exited(..)) {
                break;
            }
        }
    }

    fn look(&mut self) {
        self.next = processor::next(self.pid).expect("a stopped process has registers");
    }

    fn wait(&mut self) -> WaitStatus {
        let status = waitpid(self.pid, None).expect("a process that was started can be waited for");
        self.is_reaped = matches!(status, WaitStatus::Signaled(..) | WaitStatus::Exited(..));
        status
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns whether processes may trace each other here, and this processor is known.
///
/// # Panics
///
/// If it is not so, and nobody has accepted that.
#[must_use]
pub fn is_permitted(program: &str) -> bool {
    let started =
        if processor::IS_KNOWN { Traced::start(program, &["nothing", "-", "0", "-"]) } else { Err(Errno::ENOSYS) };
    let Err(error) = started else { return true };
    let what = format!("processes cannot trace each other here (ptrace: {error}): none was killed at each instruction");
    assert!(
        env::var_os(WITHOUT).is_some(),
        "{what}; allow it (docker: --cap-add=SYS_PTRACE), or accept it: {WITHOUT}=1"
    );
    // Past the capture of the harness, so that it is seen.
    let _ = writeln!(stderr(), "NOT TESTED: {what}; {WITHOUT} accepts it");
    false
}

/// Keeps this thread, and the processes that it starts, on one processor: a step then wakes no other one, which takes
/// longer than all else.
fn share_a_processor() {
    thread_local! {
        static CHOSEN: () = choose_a_processor();
    }
    CHOSEN.with(|()| ());
}

fn choose_a_processor() {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    let this = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this) else { return };
    let processors: Vec<usize> = (0..CpuSet::count()).filter(|&at| allowed.is_set(at) == Ok(true)).collect();
    let mut chosen = CpuSet::new();
    let at = THREADS.fetch_add(1, Ordering::Relaxed) % processors.len().max(1);
    // Slower without.
    let _ = processors.get(at).map(|&at| chosen.set(at).and_then(|()| sched_setaffinity(this, &chosen)));
}
