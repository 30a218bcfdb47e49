//! Facts about the sources: who may talk to the operating system, who may order memory, who imports whom, and how long
//! lines are.

#[path = "common/imports.rs"]
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use imports::{Arrows, circle, draw, imports, named};

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
    let is_source = |path: &str| path.ends_with(".rs") || path.ends_with('/') && !path.contains("/.");
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "/", &is_source, &mut sources);
    sources
}

/// Reads the files in a folder that are texts and that `takes` takes. A path that ends with a slash is that of a folder
/// in it.
fn read(folder: &Path, path: &str, takes: &dyn Fn(&str) -> bool, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{path}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            let path = format!("{path}/");
            if !path.ends_with("/target/") && takes(&path) {
                read(&entry.path(), &path, takes, sources);
            }
        } else if takes(&path) {
            // Programs that were built there are no texts.
            sources.extend(fs::read_to_string(entry.path()).ok().map(|text| (path[1..].to_owned(), text)));
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
    "stream", "message", "reader", "writer", "set", "wait", "call", "endpoint", "cursor", "ends", "leave", "observe",
    "park", "waiter", "presence", "identity", "memory", "pace", "position", "error", "copy",
];

/// What the operating system's side knows of the ring: words, positions and what they say; no end, no cursor, no copy.
const KNOWN_TO_SEGMENT: [&str; 12] =
    ["call", "ends", "error", "identity", "leave", "memory", "message", "observe", "park", "presence", "set", "wait"];

fn library() -> Vec<imports::Source> {
    imports::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn the_segment_knows_the_ring_by_its_words_alone() {
    let sources = library();
    let known: BTreeSet<&str> = named(&sources)
        .into_iter()
        .filter(|(from, _)| from.first().is_some_and(|folder| folder == "segment"))
        .filter_map(|(_, to)| to.strip_prefix(&["ring".to_owned()])?.first().map(String::as_str))
        .collect();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), KNOWN_TO_SEGMENT);
}

/// Returns who imports whom in each folder of `src/`. A folder's own file is left out: it names all of its modules, and
/// they name what it holds for all of them.
fn arrows() -> BTreeMap<String, Arrows> {
    let mut folders = imports(&library());
    for arrows in folders.values_mut() {
        arrows.remove("mod");
        for named in arrows.values_mut() {
            named.remove("mod");
        }
    }
    folders.retain(|_, arrows| arrows.len() > 1);
    folders
}

/// Checks that every arrow goes down an order, which names every module.
#[track_caller]
fn check_arrows(order: &[&str], arrows: &Arrows) {
    let level = |name: &str| {
        let level = order.iter().position(|module| *module == name);
        level.unwrap_or_else(|| panic!("{name} stands nowhere in the order"))
    };
    for (module, named) in arrows {
        for name in named {
            assert!(level(module) < level(name), "{module} imports {name}, which stands above it");
        }
    }
    for module in order {
        assert!(arrows.contains_key(*module), "{module} is no module");
    }
}

/// `RINGMAIN_WRITE=1 cargo test --test house` writes the drawing anew.
#[test]
fn arrows_go_one_way_and_are_drawn() {
    let mut folders = arrows();
    check_arrows(&LIBRARY, &folders[""]);
    check_arrows(&RING, &folders["ring"]);
    let mut drawing = String::new();
    for (folder, arrows) in &mut folders {
        let circle = circle(arrows);
        assert!(circle.is_empty(), "src/{folder}: {circle:?} import one another: {arrows:?}");
        let gap = if drawing.is_empty() { "" } else { "\n" };
        drawing += &format!("{gap}src/{folder}\n{}", draw(arrows));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modules.txt");
    if std::env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(&path, &drawing).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), drawing, "RINGMAIN_WRITE=1 cargo test --test house");
}

#[test]
#[should_panic(expected = "ring imports segment, which stands above it")]
fn an_arrow_up_is_seen() {
    let source = |file: &str, text: &str| (file.split('/').map(str::to_owned).collect(), text.to_owned());
    let ring = "use\n    super::super::{\n    segment::Segment};";
    let sources = [source("segment/mod", ""), source("ring/mod", ""), source("ring/stream", ring)];
    let mut arrows = imports(&sources)[""].clone();
    arrows.remove("mod");
    check_arrows(&["segment", "ring"], &arrows);
}

/// Exported structs that are hidden, that users name as parameters of others alone, or whose alias has the example.
const WITHOUT_EXAMPLE: [&str; 6] = ["Descriptor", "Epoch", "Interest", "Message", "Stream", "Task"];

/// Returns the structs and enums of these names whose documentation has no example.
fn without_example(sources: &[Source], names: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources {
        let mut has_example = false;
        for line in text.lines() {
            let name = ["pub struct ", "pub enum "].iter().find_map(|start| line.strip_prefix(start));
            let name = name.and_then(|rest| rest.split(|letter: char| !letter.is_alphanumeric()).next());
            if name.is_some_and(|name| names.contains(name) && !WITHOUT_EXAMPLE.contains(&name)) && !has_example {
                found.push(format!("{path}: {line}"));
            }
            has_example = line == "/// # Examples" || has_example && (line.starts_with("//") || line.starts_with('#'));
        }
    }
    found
}

#[test]
fn every_type_that_is_exported_has_an_example() {
    let sources = sources();
    let files = ["lib.rs", "stream/mod.rs", "message/mod.rs", "inspect/mod.rs", "pass/mod.rs"];
    let mut names = BTreeSet::new();
    for (_, text) in sources.iter().filter(|(path, _)| files.contains(&path.as_str())) {
        let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
        names.extend(uses.flat_map(imports::paths).filter_map(|path| path.last().copied()));
        let types = text.lines().filter_map(|line| line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum ")));
        names.extend(types.filter_map(|rest| rest.split(|letter: char| !letter.is_alphanumeric()).next()));
    }
    assert!(names.len() > 60, "{names:?}");
    assert_eq!(without_example(&sources, &names), [""; 0]);
}

#[test]
fn a_type_without_an_example_is_seen() {
    let source = |doc: &str| vec![("a.rs".to_owned(), format!("/// One.\n{doc}#[derive(Debug)]\npub struct Two;\n"))];
    let names = BTreeSet::from(["Two"]);
    assert_eq!(without_example(&source(""), &names), ["a.rs: pub struct Two;"]);
    assert_eq!(without_example(&source("///\n/// # Examples\n"), &names), [""; 0]);
}

/// Returns the lines that are longer than rustfmt makes them, but for rows of tables on a page, which cannot be broken.
fn long_lines(sources: &[Source]) -> Vec<String> {
    let lines =
        sources.iter().flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at + 1, line)));
    lines
        .filter(|(path, _, line)| line.chars().count() > 120 && !(path.ends_with(".md") && line.starts_with('|')))
        .map(|(path, number, _)| format!("{path}:{number}"))
        .collect()
}

/// What a tool has written: what a crash left or a fuzzer found, what the verbs print, and what `peers` measured.
const WRITTEN: [&str; 7] = [
    "/.git",
    "/fuzz/seeds/",
    "/fuzz/corpus/",
    "/fuzz/artifacts/",
    "/cli/tests/walk/",
    "/docs/benchmarks/amd-",
    "/docs/benchmarks/intel-",
];

#[test]
fn no_line_is_longer_than_120_columns() {
    let is_written = |path: &str| WRITTEN.iter().any(|written| path.starts_with(written));
    let endings = [".json", ".svg", ".lock", ".bin"];
    let takes = |path: &str| !is_written(path) && !endings.iter().any(|ending| path.ends_with(ending));
    let mut texts = Vec::new();
    read(Path::new(env!("CARGO_MANIFEST_DIR")), "/", &takes, &mut texts);
    for path in [
        "src/lib.rs",
        "tests/house.rs",
        "benches/stream.rs",
        "cli/src/main.rs",
        "peers/src/main.rs",
        "fuzz/src/lib.rs",
        "loom-tests/src/lib.rs",
        "conformance/c/peer.c",
        "capi/tests/check.h",
        ".ci/run",
        "models/run",
        "scripts/pipe-race",
        "fuzz/planted",
        "Cargo.toml",
        "bridge/Cargo.toml",
        "README.md",
        "docs/performance.md",
        "docs/benchmarks/README.md",
    ] {
        assert!(texts.iter().any(|(other, _)| other == path), "{path} was not looked at");
    }
    let long = long_lines(&texts);
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn a_long_line_is_seen() {
    let line = |len| ("ring.rs".to_owned(), format!("//! A file.\n{}\n", "x".repeat(len)));
    assert_eq!(long_lines(&[line(120), line(121)]), ["ring.rs:2"]);
    let page = |start: &str| ("page.md".to_owned(), format!("{start}{}", "x".repeat(120)));
    assert_eq!(long_lines(&[page("| "), page("- ")]), ["page.md:1"]);
}
