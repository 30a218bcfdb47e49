//! Groups of processes whose memory is limited: control groups of the kernel, of either version.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io, process};

use super::running::wait_for;

/// Where the first version keeps the groups of memory, and the second all groups.
const FIRST: &str = "/sys/fs/cgroup/memory";
const SECOND: &str = "/sys/fs/cgroup";

/// A group without swap, removed when this is dropped: its processes have ended by then.
pub(crate) struct Group(PathBuf);

impl Group {
    /// Makes a group that has so much memory.
    ///
    /// # Errors
    ///
    /// If the system has no such groups, or does not let this process make one.
    pub(crate) fn of(bytes: u64) -> io::Result<Group> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let is_first = Path::new(FIRST).join("memory.limit_in_bytes").exists();
        let name = format!("ringmain-test-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let group = Group(Path::new(if is_first { FIRST } else { SECOND }).join(name));
        fs::create_dir(&group.0)?;
        if is_first {
            group.set("memory.limit_in_bytes", bytes)?;
            // Missing where swap is not counted.
            let _ = group.set("memory.memsw.limit_in_bytes", bytes);
        } else {
            group.set("memory.max", bytes)?;
            group.set("memory.swap.max", 0)?;
        }
        Ok(group)
    }

    fn set(&self, file: &str, value: u64) -> io::Result<()> {
        fs::write(self.0.join(file), value.to_string())
    }

    /// Returns the file to which a process writes its number to join.
    pub(crate) fn door(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that was reaped may still leave.
        wait_for("the end of a group", || match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => None,
            _ => Some(()),
        });
    }
}
