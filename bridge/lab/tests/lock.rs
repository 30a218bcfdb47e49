//! No package of the bridge enters the lock file of the library.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns the names of the packages in a lock file.
fn packages(lock: &str) -> BTreeSet<String> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.map(str::to_owned).collect()
}

#[test]
fn the_lock_file_of_the_library_has_nothing_of_the_bridge_and_is_what_its_manifests_ask_for() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let read = |file: &str| packages(&fs::read_to_string(root.join(file)).unwrap());
    let (library, bridge) = (read("Cargo.lock"), read("bridge/Cargo.lock"));
    let of_the_bridge = |name: &&String| name.starts_with("zenoh") || name.starts_with("ringmain-bridge");
    // The test sees such packages where they are.
    assert!(bridge.iter().filter(of_the_bridge).count() > 10);
    assert_eq!(library.iter().filter(of_the_bridge).collect::<Vec<_>>(), Vec::<&String>::new());
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
}
