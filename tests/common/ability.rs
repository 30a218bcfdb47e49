//! What a test needs of the system beyond what every process may do.

use std::fmt::{self, Display};
use std::io::{Write, stderr};
use std::{env, thread};

/// Lists, with commas, the abilities without which the tests are to be accepted.
const ACCEPTED: &str = "RINGMAIN_ACCEPT_MISSING";

/// Something that a system may refuse to a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// To act as another user: the tests run as root.
    OtherUsers,
    /// To have mounts of its own: root, or a user namespace.
    MountNamespace,
    /// To have process ids of its own: root, or a user namespace.
    PidNamespace,
    /// To filter its own system calls: seccomp, on x86_64.
    SystemCallFilter,
    /// To lock some pages in memory: `RLIMIT_MEMLOCK`.
    MemoryLock,
    /// To make files of huge pages: a kernel that has them.
    HugePages,
    /// To count the pages that a part of an object has: Linux 6.5.
    PageCounts,
    /// A /dev/shm that has a size.
    LimitedSharedMemory,
    /// To make a group of processes whose memory is limited (cgroups): root.
    MemoryGroup,
    /// To hold up the writing of a core: root, FUSE, and a system that writes cores.
    CoreDump,
    /// To have networks of its own: root, and `ip`.
    NetworkNamespace,
    /// To set manual pages: `groff`.
    Typesetter,
}

impl Display for Ability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Ability::OtherUsers => "other-users",
            Ability::MountNamespace => "mount-namespace",
            Ability::PidNamespace => "pid-namespace",
            Ability::SystemCallFilter => "system-call-filter",
            Ability::MemoryLock => "memory-lock",
            Ability::HugePages => "huge-pages",
            Ability::PageCounts => "page-counts",
            Ability::LimitedSharedMemory => "limited-shared-memory",
            Ability::MemoryGroup => "memory-group",
            Ability::CoreDump => "core-dump",
            Ability::NetworkNamespace => "network-namespace",
            Ability::Typesetter => "typesetter",
        })
    }
}

/// Fails the test, which cannot look at what it is about, unless that was accepted. Then it says so, past the capture
/// of the harness.
#[track_caller]
pub(crate) fn missing(ability: Ability, reason: impl Display) {
    let accepted = env::var(ACCEPTED).unwrap_or_default();
    assert!(
        accepted.split(',').any(|accepted| accepted == ability.to_string()),
        "this test needs {ability}, which is missing here: {reason}; {ACCEPTED}={ability} goes without"
    );
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(stderr(), "{name} has looked at nothing, without {ability}: {reason}");
}
