//! x86_64.

#![allow(unsafe_code, reason = "a mark is an instruction of its own")]

use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Next;

/// Whether this processor is known.
pub const IS_KNOWN: bool = true;

/// Stops this process, which another one traces, so that that one knows where it is.
#[inline(always)]
pub fn mark() {
    // SAFETY: a breakpoint changes nothing; the process that traces this one goes on behind it.
    unsafe { std::arch::asm!("int3") };
}

/// Looks at the instruction that a stopped process is about to execute.
///
/// # Errors
///
/// What the system says.
pub fn next(pid: Pid) -> nix::Result<Next> {
    let address = ptrace::getregs(pid)?.rip;
    let bytes = ptrace::read(pid, address as ptrace::AddressType)?.to_le_bytes();
    Ok(match bytes {
        [0xcc, ..] => Next::Mark,
        [0x0f, 0x05, ..] => Next::Call,
        _ => Next::Other,
    })
}

/// Returns the registers that a stopped process computes with, and its stack pointer.
///
/// # Errors
///
/// What the system says.
pub fn registers(pid: Pid) -> nix::Result<(Vec<u8>, usize)> {
    let general = ptrace::getregs(pid)?;
    let words = [
        general.rax,
        general.rbx,
        general.rcx,
        general.rdx,
        general.rsi,
        general.rdi,
        general.rbp,
        general.r8,
        general.r9,
        general.r10,
        general.r11,
        general.r12,
        general.r13,
        general.r14,
        general.r15,
    ];
    let vectors = ptrace::getregset::<ptrace::regset::NT_PRFPREG>(pid)?.xmm_space;
    let general_bytes = words.iter().flat_map(|word| word.to_ne_bytes());
    let bytes = general_bytes.chain(vectors.iter().flat_map(|word| word.to_ne_bytes())).collect();
    Ok((bytes, general.rsp as usize))
}
