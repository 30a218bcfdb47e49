//! Every ordering in `src/ring/` is one that the models know: a new one needs a site, a model and a twin.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use loom_tests::weakened::Site;

/// Returns each ordering that is not Relaxed: the file below `root`, the function that it stands in, and what it is.
fn places(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                found.extend(places(root, &path));
            }
            continue;
        }
        let file = path.strip_prefix(root).unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let (code, _tests) = source.split_once("#[cfg(test)]\nmod ").unwrap_or((&source, ""));
        let mut function = "";
        for line in code.lines().map(str::trim).filter(is_checked) {
            if let Some((_, rest)) = line.split_once("fn ") {
                function = rest.split(['<', '(']).next().unwrap_or_default();
            }
            for ordering in [Ordering::Release, Ordering::Acquire, Ordering::AcqRel, Ordering::SeqCst] {
                let count = line.matches(&format!("{ordering:?}")).count();
                found.extend(std::iter::repeat_n(place(file, function, ordering), count));
            }
        }
    }
    found
}

/// A fence of the compiler orders nothing between two threads: it is there for crashes, which loom does not know.
fn is_checked(line: &&str) -> bool {
    !line.starts_with("//") && !line.starts_with("compiler_fence(") && !line.starts_with("use ")
}

/// What no model can weaken: the fences are made behind the seam, where models leave them out one by one; and behind
/// the Acquire of `announce` there is one, which for loom does the same. The Acquire keeps `announce` from reading the
/// answer to its own store of `parking`, and loom never lets a load read what is stored later. An observer loads
/// nothing but Relaxed, and makes a fence for each of its Acquires: `observer.rs` leaves them out.
///
/// Calls and nudges are weakened by the faults of `calls.rs`.
const BEYOND_THE_SITES: [(&str, &str, Ordering); 10] = [
    ("call.rs", "call", Ordering::Release),
    ("call.rs", "nudge", Ordering::Release),
    ("call.rs", "take", Ordering::Acquire),
    ("park.rs", "full_fence", Ordering::SeqCst),
    ("park.rs", "announce", Ordering::Acquire),
    ("observe.rs", "fence", Ordering::Acquire),
    ("observe.rs", "positions", Ordering::Acquire),
    ("observe.rs", "positions", Ordering::Acquire),
    ("observe.rs", "tail", Ordering::Acquire),
    ("observe.rs", "header", Ordering::Acquire),
];

fn place(file: &str, function: &str, ordering: Ordering) -> String {
    format!("{file}: {function}: {ordering:?}")
}

#[test]
fn every_ordering_of_the_ring_has_a_site() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/ring");
    let mut found = places(&root, &root);
    let mut known: Vec<_> = Site::ALL
        .iter()
        .flat_map(|site| site.places())
        .chain(&BEYOND_THE_SITES)
        .map(|&(file, function, ordering)| place(file, function, ordering))
        .collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}
