//! Facts about the sources: who may talk to the operating system, and who may order memory.

use std::fs;
use std::path::Path;

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
const SYSTEM: Rule = Rule { words: &["rustix", "libc::", "memmap2"], folder: "segment/", files: &[] };
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read(&root, "", &mut sources);
    sources
}

fn read(folder: &Path, prefix: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), sources);
        } else {
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
    check_line(&SYSTEM, "options.rs", "libc::getpid()", &["src/options.rs:2: libc::getpid()"]);
    check_line(&SYSTEM, "segments.rs", "memmap2::MmapRaw", &["src/segments.rs:2: memmap2::MmapRaw"]);
    check_line(&MODEL, "ring/stream.rs", "#[cfg(loom)]", &["src/ring/stream.rs:2: #[cfg(loom)]"]);
}

#[test]
fn a_word_in_its_folder_or_in_a_comment_is_allowed() {
    check_line(&ORDERING, "ring/stream.rs", "use core::sync::atomic::Ordering;", &[]);
    check_line(&SYSTEM, "segment/object.rs", "use rustix::fs::Mode;", &[]);
    check_line(&SYSTEM, "options.rs", "let bytes = 7; // as in libc::flock", &[]);
    check_line(&MODEL, "ring/memory.rs", "//! for the loom models", &[]);
}
