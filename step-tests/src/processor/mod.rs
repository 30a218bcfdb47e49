//! What is known of the processor: how a process marks a place in its own course, and how an instruction is recognised.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "unknown.rs")]
mod this;

pub use this::{IS_KNOWN, mark, next, registers};

/// What a stopped process is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It comes to a mark.
    Mark,
    /// It calls the system.
    Call,
    /// Any other instruction.
    Other,
}
