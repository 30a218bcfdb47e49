//! Any other processor: nothing is known of it, and the tests say so.

use nix::errno::Errno;
use nix::unistd::Pid;

use super::Next;

/// Whether this processor is known.
pub const IS_KNOWN: bool = false;

/// Does nothing.
#[inline(always)]
pub fn mark() {}

/// Looks at nothing.
///
/// # Errors
///
/// Always.
pub fn next(_pid: Pid) -> nix::Result<Next> {
    Err(Errno::ENOSYS)
}

/// Returns nothing.
///
/// # Errors
///
/// Always.
pub fn registers(_pid: Pid) -> nix::Result<(Vec<u8>, usize)> {
    Err(Errno::ENOSYS)
}
