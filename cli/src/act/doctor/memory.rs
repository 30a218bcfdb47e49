//! The file system that rings lie in, and the pages that it gives.

use std::path::Path;

use bytesize::ByteSize;
use rustix::fs::{FileType, StatVfsMountFlags};

use super::finding::{Finding, read};

/// What docker gives a container unless it is told otherwise.
const DOCKER: u64 = 64 << 20;

/// Where rings with a name lie.
const DIRECTORY: &str = "/dev/shm";

/// What cures most of what can be wrong with it.
const MOUNT: &str = "mount a tmpfs there: mount -t tmpfs -o mode=1777 tmpfs /dev/shm";

/// The same where there is no directory to mount it on.
const MAKE: &str = "make it, and mount a tmpfs there: rm -f /dev/shm && mkdir /dev/shm && mount -t tmpfs -o mode=1777 \
                    tmpfs /dev/shm";

pub(super) fn look() -> Vec<Finding> {
    let mut findings = directory();
    findings.push(proc(Path::new("/proc/self/fd").exists()));
    findings.push(huge_pages());
    findings
}

/// Looks at the directory in which rings with a name lie.
fn directory() -> Vec<Finding> {
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    let (stat, kind) = (rustix::fs::statvfs(DIRECTORY), rustix::fs::statfs(DIRECTORY));
    let (Ok(stat), Ok(kind), Ok(status)) = (stat, kind, rustix::fs::stat(DIRECTORY)) else {
        return vec![Finding::attention("dev-shm", "/dev/shm is not there", MAKE)];
    };
    if !FileType::from_raw_mode(status.st_mode).is_dir() {
        return vec![Finding::attention("dev-shm", "/dev/shm is no directory: no ring has a name here", MAKE)];
    }
    let mut findings = Vec::new();
    if kind.f_type == TMPFS {
        findings.push(judge_space(
            stat.f_blocks.saturating_mul(stat.f_frsize),
            stat.f_bavail.saturating_mul(stat.f_frsize),
        ));
    } else {
        let found =
            format!("/dev/shm is no tmpfs, but a file system of type {:#010x}: no ring is made there", kind.f_type);
        findings.push(Finding::attention("dev-shm", found, MOUNT));
    }
    findings.push(judge_mount(stat.f_flag.contains(StatVfsMountFlags::RDONLY)));
    findings.push(judge_mode(status.st_mode & 0o7777, status.st_uid));
    findings.push(judge_inodes(stat.f_files, stat.f_ffree));
    findings
}

fn judge_mount(is_read_only: bool) -> Finding {
    let found = if is_read_only { "mounted read-only: no ring is made or attached" } else { "can be written" };
    Finding::judge("dev-shm-mount", found, !is_read_only, "mount -o remount,rw /dev/shm")
}

fn judge_mode(mode: u32, owner: u32) -> Finding {
    const USUAL: u32 = 0o1777;
    let found = match mode {
        USUAL => "mode 1777: every user makes rings, and removes his own alone".to_owned(),
        _ if mode & 0o003 == 0o003 => format!("mode {mode:04o}: every user can remove the rings of others"),
        _ => format!("mode {mode:04o} of user {owner}: other users make no rings"),
    };
    Finding::judge("dev-shm-mode", found, mode == USUAL, "chmod 1777 /dev/shm")
}

fn judge_inodes(total: u64, free: u64) -> Finding {
    const ENOUGH: u64 = 64;
    // A file system of no number has no limit.
    let found = if total == 0 { "no limit".to_owned() } else { format!("{free} of {total} are free") };
    Finding::judge(
        "dev-shm-inodes",
        found,
        total == 0 || free >= ENOUGH,
        "each ring takes one: ringmain rm --stale; or mount -o remount,nr_inodes=1m /dev/shm",
    )
}

fn proc(is_there: bool) -> Finding {
    let found = match is_there {
        true => "is mounted",
        false => {
            "is not there: rings with a name work, those without one cannot be attached, and holders are not named"
        }
    };
    Finding::judge("proc", found, is_there, "mount -t proc proc /proc")
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
    fn a_directory_that_keeps_users_out_or_holds_no_more_needs_attention() {
        assert_eq!(judge_mode(0o1777, 0).status, Status::Ok);
        for (mode, expected) in [(0o755, "mode 0755 of user 0: other users"), (0o777, "remove the rings of others")] {
            let finding = judge_mode(mode, 0);
            assert_eq!(finding.status, Status::Attention);
            assert!(finding.found.contains(expected), "{finding:?}");
        }
        assert_eq!(
            [(0, 0), (100, 64), (100, 63)].map(|(total, free)| judge_inodes(total, free).status),
            [Status::Ok, Status::Ok, Status::Attention]
        );
        assert_eq!([false, true].map(|read_only| judge_mount(read_only).status), [Status::Ok, Status::Attention]);
        assert_eq!([true, false].map(|is_there| proc(is_there).status), [Status::Ok, Status::Attention]);
    }

    #[test]
    fn a_small_or_full_file_system_needs_attention() {
        check(8 << 30, 4 << 30, Status::Ok, "");
        check(64 << 20, 64 << 20, Status::Attention, "--shm-size");
        check(8 << 30, 1 << 20, Status::Attention, "rm --stale");
        check(16 << 20, 16 << 20, Status::Attention, "remount");
    }
}
