//! The file system that rings lie in, and the pages that it gives.

use bytesize::ByteSize;

use super::finding::{Finding, read};

/// What docker gives a container unless it is told otherwise.
const DOCKER: u64 = 64 << 20;

pub(super) fn look() -> Vec<Finding> {
    vec![space(), huge_pages()]
}

fn space() -> Finding {
    const CHECK: &str = "dev-shm";
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    let (Ok(stat), Ok(kind)) = (rustix::fs::statvfs("/dev/shm"), rustix::fs::statfs("/dev/shm")) else {
        return Finding::attention(
            CHECK,
            "/dev/shm is not there",
            "mount a tmpfs there: mount -t tmpfs tmpfs /dev/shm",
        );
    };
    if kind.f_type != TMPFS {
        return Finding::attention(CHECK, "/dev/shm is no tmpfs", "mount one there: mount -t tmpfs tmpfs /dev/shm");
    }
    judge_space(stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn judge_space(size: u64, free: u64) -> Finding {
    let found = format!("{} of {} are free", ByteSize(free).display().iec(), ByteSize(size).display().iec());
    let cure = match size {
        DOCKER => "this is what a container has by default: start it with --shm-size=1g, or --ipc=host",
        _ if free < DOCKER => {
            "remove rings that nobody needs: ringmain rm --stale; or mount -o remount,size=2g /dev/shm"
        }
        _ => "mount -o remount,size=2g /dev/shm",
    };
    Finding::judge("dev-shm", found, size > DOCKER && free >= DOCKER, cure)
}

fn huge_pages() -> Finding {
    const CHECK: &str = "huge-pages";
    let Some(modes) = read("/sys/kernel/mm/transparent_hugepage/shmem_enabled") else {
        return Finding::ok(CHECK, "this kernel has none for shared memory; rings use small pages");
    };
    let chosen = modes.split(['[', ']']).nth(1).unwrap_or("unknown").to_owned();
    // Most rings fit the translation buffers as they are.
    let found = match chosen.as_str() {
        "never" | "deny" => {
            format!("shmem_enabled is {chosen}: rings use small pages, which is enough but for very large ones")
        }
        _ => format!("shmem_enabled is {chosen}"),
    };
    Finding::ok(CHECK, found)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[track_caller]
    fn check(size: u64, free: u64, status: Status, cure: &str) {
        let finding = judge_space(size, free);
        assert_eq!(finding.status, status, "{finding:?}");
        assert!(finding.cure.unwrap_or_default().contains(cure));
    }

    #[test]
    fn a_small_or_full_file_system_needs_attention() {
        check(8 << 30, 4 << 30, Status::Ok, "");
        check(64 << 20, 64 << 20, Status::Attention, "--shm-size");
        check(8 << 30, 1 << 20, Status::Attention, "rm --stale");
        check(16 << 20, 16 << 20, Status::Attention, "remount");
    }
}
