//! Limits of a process, and what comes of an attach under them.

use std::ffi::CString;
use std::fs;

use ringmain::Error;
use rustix::fs::Uid;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, set_thread_uid, unshare_unsafe};

use super::path;

/// A user without privileges, who is not the one of the tests.
pub(crate) const NOBODY: u32 = 65_534;

/// Becomes another user, if this is root: nothing is denied to root.
pub(crate) fn give_up_privileges() {
    if geteuid().is_root() {
        set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
    }
}

/// Gives this thread a shared-memory file system of its own, of this size; says why if that is not allowed.
pub(crate) fn have_own_shared_memory(size: u64) -> rustix::io::Result<()> {
    // SAFETY: the mounts are those of this thread alone from here on, and no other thread of a part looks at files.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let size = CString::new(format!("size={size}")).unwrap();
    mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::empty(), size.as_c_str())
}

/// Lowers a limit of this process, runs `during`, and raises it again.
pub(crate) fn within<R>(resource: Resource, limit: u64, during: impl FnOnce() -> R) -> R {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(limit), ..before }).unwrap();
    let result = during();
    setrlimit(resource, before).unwrap();
    result
}

/// Says how an attach went, and whether the name stands.
pub(crate) fn outcome<H>(attach: Result<H, Error>, name: &str) -> String {
    let outcome = match attach {
        Ok(_) => "attached".into(),
        Err(Error::NoSpace { needed, free }) => format!("no space: {needed} needed, {free} free"),
        Err(Error::FileSizeLimit { needed, limit }) => format!("file size: {needed} needed, {limit} allowed"),
        Err(Error::MemoryLock { needed, limit, .. }) => format!("memory lock: {needed} needed, {limit} allowed"),
        Err(Error::Unsupported { call, source }) => {
            format!("unsupported: {call}: {}", source.raw_os_error().unwrap_or_default())
        }
        Err(Error::Os { call, source }) => format!("{call}: {}", source.raw_os_error().unwrap_or_default()),
        Err(error) => format!("{error:?}"),
    };
    let left = if path(name).exists() { "a name" } else { "nothing" };
    format!("{outcome}; {left} is there")
}

/// Returns how much memory of a kind this process has, in bytes.
pub(crate) fn own_number(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
