//! Facts about the sources: who may talk to the operating system, who may order memory, who imports whom, and how long
//! lines are.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `src`, and its text.
type Source = (String, String);

/// Words that stand in one folder of the sources only.
struct Rule {
    words: &'static [&'static str],
    /// Where they may stand; empty for nowhere.
    folder: &'static str,
    /// Where else.
    files: &'static [&'static str],
}

/// Two files order what the threads of one process share, and no other process sees.
const ORDERING: Rule =
    Rule { words: &["Ordering"], folder: "ring/", files: &["segment/process.rs", "segment/exit.rs"] };
/// What brings a descriptor to another process calls the system for sockets and programs.
const SYSTEM: Rule = Rule {
    words: &["rustix", "libc::", "memmap2"],
    folder: "segment/",
    files: &["pass/socket.rs", "pass/inheritance.rs"],
};
const MODEL: Rule = Rule { words: &["cfg(loom", "loom::"], folder: "", files: &[] };

impl Rule {
    fn allows(&self, path: &str) -> bool {
        (!self.folder.is_empty() && path.starts_with(self.folder)) || self.files.contains(&path)
    }

    /// Returns the lines that break this rule.
    fn violations(&self, sources: &[Source]) -> Vec<String> {
        let strangers = sources.iter().filter(|(path, _)| !self.allows(path));
        strangers
            .flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at + 1, line)))
            .filter(|(_, _, line)| self.words.iter().any(|word| code(line).contains(word)))
            .map(|(path, number, line)| format!("src/{path}:{number}: {}", line.trim()))
            .collect()
    }

    /// Checks the sources, and that the words stand where they may: otherwise the search has found nothing at all.
    #[track_caller]
    fn check(&self) {
        let sources = sources();
        let violations = self.violations(&sources);
        assert!(violations.is_empty(), "{}", violations.join("\n"));
        for word in self.words.iter().filter(|_| !self.folder.is_empty()) {
            assert!(
                sources
                    .iter()
                    .any(|(path, text)| self.allows(path) && text.lines().any(|line| code(line).contains(word))),
                "{word} stands nowhere"
            );
        }
    }
}

/// Returns what stands before a comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Reads all sources of the library.
fn sources() -> Vec<Source> {
    sources_in("src")
}

/// Reads all sources in a folder of the repository, but those that are built.
fn sources_in(folder: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "", &mut sources);
    sources
}

fn read(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            // What is built, and what is no source.
            if name != "target" && !name.starts_with('.') {
                read(&entry.path(), &format!("{prefix}{name}/"), sources);
            }
        } else if name.ends_with(".rs") {
            sources.push((format!("{prefix}{name}"), fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

#[test]
fn orderings_are_chosen_in_the_ring_alone() {
    ORDERING.check();
}

#[test]
fn the_operating_system_is_called_in_the_segment_alone() {
    SYSTEM.check();
}

#[test]
fn the_library_knows_nothing_of_its_models() {
    MODEL.check();
}

/// Checks what a rule says of one line in one file.
#[track_caller]
fn check_line(rule: &Rule, path: &str, line: &str, expected: &[&str]) {
    let source = (path.to_owned(), format!("//! A file.\n{line}\n"));
    assert_eq!(rule.violations(&[source]), expected);
}

#[test]
fn a_word_in_the_wrong_folder_is_seen() {
    let line = "    tail.store(7, Ordering::Relaxed); // in haste";
    check_line(&ORDERING, "stream.rs", line, &["src/stream.rs:2: tail.store(7, Ordering::Relaxed); // in haste"]);
    check_line(&ORDERING, "segment/roles.rs", "Ordering::Relaxed", &["src/segment/roles.rs:2: Ordering::Relaxed"]);
    check_line(&SYSTEM, "ring/park.rs", "use rustix::thread;", &["src/ring/park.rs:2: use rustix::thread;"]);
    check_line(&SYSTEM, "wait/mod.rs", "libc::getpid()", &["src/wait/mod.rs:2: libc::getpid()"]);
    check_line(&SYSTEM, "segments.rs", "memmap2::MmapRaw", &["src/segments.rs:2: memmap2::MmapRaw"]);
    check_line(&MODEL, "ring/stream.rs", "#[cfg(loom)]", &["src/ring/stream.rs:2: #[cfg(loom)]"]);
}

#[test]
fn a_word_in_its_folder_or_in_a_comment_is_allowed() {
    check_line(&ORDERING, "ring/stream.rs", "use core::sync::atomic::Ordering;", &[]);
    check_line(&SYSTEM, "segment/object.rs", "use rustix::fs::Mode;", &[]);
    check_line(&SYSTEM, "wait/mod.rs", "let bytes = 7; // as in libc::flock", &[]);
    check_line(&MODEL, "ring/memory.rs", "//! for the loom models", &[]);
}

/// The modules of the library, each above all that it may import.
const LIBRARY: [&str; 14] = [
    "options", "inspect", "pass", "awaiting", "stream", "message", "trusted", "handle", "wait", "segment", "error",
    "copies", "ring", "pause",
];

/// The modules of `src/ring/`, each above all that it may import.
const RING: [&str; 21] = [
    "stream", "message", "reader", "writer", "set", "wait", "call", "endpoint", "cursor", "ends", "farewell",
    "observe", "park", "waiter", "presence", "identity", "memory", "pace", "position", "error", "copy",
];

/// Who imports whom, below a folder of `src/`: each module with those that its code names behind `path`. A module is a
/// file or a folder; tests are left out.
fn imports(folder: &str, path: &str) -> Vec<(String, Vec<String>)> {
    let mut found = std::collections::BTreeMap::<String, std::collections::BTreeSet<String>>::new();
    for (file, text) in sources() {
        let Some(inner) = file.strip_prefix(folder) else { continue };
        let module = inner.split(['/', '.']).next().unwrap_or_default().to_owned();
        if inner.starts_with("tests/") || inner.contains("/tests/") || ["lib", "mod"].contains(&module.as_str()) {
            continue;
        }
        let (code_alone, _tests) = text.split_once("#[cfg(test)]\nmod ").unwrap_or((&text, ""));
        let named = found.entry(module.clone()).or_default();
        for line in code_alone.lines().map(code) {
            for (at, _) in line.match_indices(path) {
                let rest = &line[at + path.len()..];
                let names = match rest.strip_prefix('{') {
                    Some(group) => group.split('}').next().unwrap_or_default(),
                    None => rest,
                };
                for name in names.split(',') {
                    let word = |letter: char| !letter.is_alphanumeric() && letter != '_';
                    named.insert(name.trim().split(word).next().unwrap_or_default().to_owned());
                }
            }
        }
        named.remove(&module);
    }
    found.into_iter().map(|(module, named)| (module, named.into_iter().collect())).collect()
}

/// Checks that every arrow goes down an order, which names every module, and draws the arrows.
#[track_caller]
fn check_arrows(order: &[&str], imports: &[(String, Vec<String>)]) -> String {
    let level = |name: &str| order.iter().position(|module| *module == name);
    let mut drawing = String::new();
    for (module, named) in imports {
        let above = level(module).unwrap_or_else(|| panic!("{module} stands nowhere in the order"));
        for name in named {
            // Whatever is no module is an item of the parent.
            if let Some(below) = level(name) {
                assert!(above < below, "{module} imports {name}, which stands above it");
            }
        }
        let below: Vec<&str> = named.iter().map(String::as_str).filter(|name| level(name).is_some()).collect();
        drawing +=
            &format!("{module:<10} -> {}\n", if below.is_empty() { "nothing".to_owned() } else { below.join(", ") });
    }
    for module in order {
        assert!(imports.iter().any(|(name, _)| name == module), "{module} is no module");
    }
    drawing
}

/// `RINGMAIN_WRITE=1 cargo test --test house` writes the drawing anew.
#[test]
fn arrows_go_one_way_and_are_drawn() {
    let library = check_arrows(&LIBRARY, &imports("", "crate::"));
    let mut ring = imports("ring/", "super::");
    for (module, named) in imports("ring/", "crate::ring::") {
        let entry = ring.iter_mut().find(|(name, _)| *name == module).expect("the same files");
        entry.1.extend(named);
    }
    let ring = check_arrows(&RING, &ring);
    let drawing = format!("src/\n{library}\nsrc/ring/\n{ring}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modules.txt");
    if std::env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(&path, &drawing).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), drawing, "RINGMAIN_WRITE=1 cargo test --test house");
}

#[test]
#[should_panic(expected = "ring imports segment, which stands above it")]
fn an_arrow_up_is_seen() {
    check_arrows(&["segment", "ring"], &[("ring".to_owned(), vec!["segment".to_owned()])]);
}

/// Returns the lines of sources that are longer than rustfmt makes them.
fn long_lines(sources: &[Source]) -> Vec<String> {
    let lines =
        sources.iter().flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at + 1, line)));
    lines
        .filter(|(_, _, line)| line.chars().count() > 120)
        .map(|(path, number, _)| format!("{path}:{number}"))
        .collect()
}

#[test]
fn no_line_is_longer_than_120_columns() {
    let sources = sources_in("");
    for folder in [
        "src/",
        "tests/",
        "examples/",
        "benches/",
        "cli/",
        "peers/",
        "fuzz/",
        "loom-tests/",
        "step-tests/",
        "conformance/",
        "capi/",
    ] {
        assert!(sources.iter().any(|(path, _)| path.starts_with(folder)), "no source in {folder}");
    }
    let mut long = long_lines(&sources);
    // rustfmt sees neither of these.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let manifests = folders.map(|folder| folder.join("Cargo.toml")).filter(|path| path.exists());
    // Programs that were built there, and folders, are no texts.
    let named =
        |path: PathBuf| Some((path.strip_prefix(root).unwrap().display().to_string(), fs::read_to_string(&path).ok()?));
    let scripts = [".ci", "models", "scripts", "conformance"];
    let in_c = ["capi", "capi/include", "capi/tests", "capi/examples", "capi/bench", "conformance/c"];
    let others: Vec<Source> = (scripts.iter().chain(&in_c).flat_map(|folder| files(folder)).chain(manifests))
        .chain([root.join("Cargo.toml"), root.join("fuzz/planted")])
        .filter(|path| path.extension().is_none_or(|ending| ending != "md" && ending != "txt"))
        .filter_map(named)
        .collect();
    for path in [
        ".ci/run",
        "models/run",
        "scripts/pipe-race",
        "capi/check",
        "capi/tests/check.h",
        "conformance/c/peer.c",
        "Cargo.toml",
        "cli/Cargo.toml",
    ] {
        assert!(others.iter().any(|(other, _)| other == path), "{path} was not looked at");
    }
    long.extend(long_lines(&others));
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn a_long_line_is_seen() {
    let line = |len| ("ring.rs".to_owned(), format!("//! A file.\n{}\n", "x".repeat(len)));
    assert_eq!(long_lines(&[line(120), line(121)]), ["ring.rs:2"]);
}
