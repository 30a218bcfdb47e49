//! What `ringmain doctor` says of a /dev/shm that cannot be used, and of a system without /proc: in mounts of its own.

mod shell;

// That of the library's tests.
#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "one is used here")]
mod ability;

use std::process::Command;

use ability::{Ability, missing};
use serde_json::Value;
use shell::output;

/// Runs a shell command in mounts of its own, and `doctor` behind it; `None`, with the reason, if that is not allowed.
#[track_caller]
fn findings(before: &str) -> Option<Vec<Value>> {
    let doctor = env!("CARGO_BIN_EXE_ringmain");
    let script = format!("{before} || exit 99; exec {doctor} doctor --json");
    // As root, of a user namespace of its own where this is not root.
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let output = output(command.args(["--mount", "sh", "-c", &script]));
    if !output.status.success() {
        missing(Ability::MountNamespace, String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Checks that a line of `doctor` needs attention, and says this.
#[track_caller]
fn check(before: &str, line: &str, found: &str, cure: &str) {
    let Some(findings) = findings(before) else { return };
    let finding = findings.iter().find(|finding| finding["check"] == line).unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(finding["status"], "attention", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains(found), "{finding}");
    assert!(finding["cure"].as_str().unwrap().contains(cure), "{finding}");
}

#[test]
fn each_fault_of_the_directory_has_its_line() {
    let tmpfs = |options: &str| format!("mount -t tmpfs -o {options} tmpfs /dev/shm");
    check(&tmpfs("mode=0755"), "dev-shm-mode", "mode 0755 of user 0", "chmod 1777");
    check(&tmpfs("mode=1777,ro"), "dev-shm-mount", "mounted read-only", "remount,rw");
    check(&tmpfs("mode=1777,nr_inodes=8"), "dev-shm-inodes", "of 8 are free", "nr_inodes");
    check("mount -t ramfs ramfs /dev/shm", "dev-shm", "a file system of type 0x858458f6", "mount -t tmpfs");
    check("mount -t tmpfs tmpfs /dev", "dev-shm", "/dev/shm is not there", "mkdir /dev/shm");
    check("mount -t tmpfs tmpfs /dev && touch /dev/shm", "dev-shm", "/dev/shm is no directory", "mkdir /dev/shm");
}

#[test]
fn a_process_that_can_have_few_descriptors_is_told_so() {
    let mut is_told = false;
    for limit in 5..=12 {
        let Some(findings) = findings(&format!("ulimit -n {limit}")) else { return };
        let locks = findings.iter().find(|finding| finding["check"] == "ofd-locks").unwrap();
        if locks["status"] == "attention" {
            is_told = true;
            assert!(locks["cure"].as_str().unwrap().contains("LimitNOFILE="), "{limit} descriptors: {locks}");
        } else {
            assert_eq!(locks["found"], "a role is held by one handle alone", "{limit} descriptors");
        }
    }
    assert!(is_told);
}

#[test]
fn what_is_advised_where_there_is_no_directory_makes_one() {
    for before in ["true", "touch /dev/shm", "ln -s nowhere /dev/shm"] {
        let before = format!("mount -t tmpfs tmpfs /dev && {before}");
        let Some(found) = findings(&before) else { return };
        let cure = found.iter().find(|finding| finding["check"] == "dev-shm").unwrap()["cure"].as_str().unwrap();
        let command = cure.split_once(": ").unwrap().1;
        let after = findings(&format!("{before} && {command}")).unwrap();
        let directory = after.iter().filter(|finding| finding["check"].as_str().unwrap().starts_with("dev-shm"));
        assert!(directory.clone().count() > 2, "{after:?}");
        directory.for_each(|finding| assert_eq!(finding["status"], "ok", "{before}: {finding}"));
    }
}

#[test]
fn a_system_without_proc_has_its_line_and_named_rings_work() {
    let before = "mount -t tmpfs tmpfs /proc";
    check(before, "proc", "rings with a name work", "mount -t proc");
    let Some(findings) = findings(before) else { return };
    let locks = findings.iter().find(|finding| finding["check"] == "ofd-locks").unwrap();
    assert_eq!(locks["found"], "a role is held by one handle alone");
}
