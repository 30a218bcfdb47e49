//! No call and no guard can be missed: whatever the sources of the two rings make public stands in the lists from which
//! the tests of every call take theirs.
//!
//! | list | whose tests |
//! |---|---|
//! | `common/hostile` | liars, flips, swinging words, and the fuzz targets: each call of a handle and of its guards |
//! | `forgotten` | each guard is forgotten, with an honest peer and a hostile one |
//! | `hand_over` | each call that takes something: its process is killed right after it |
//! | `trusted` | each call of a view, whose peer is honest by promise |
//! | `forked` | each call of a handle and of its guards, in a forked child |
//! | `step-tests` | each call that moves something, whose process is killed at each of its instructions |

use std::fs;
use std::path::Path;

/// What the lists leave out, and why.
const LEFT_OUT: [(&str, &str, &str); 60] = [
    ("hostile/stream", "abandon", "it reads nothing that a peer writes: tests/exit.rs"),
    ("hostile/message", "abandon", "the same"),
    ("hostile/stream", "seal", "it reads nothing that a peer writes: tests/holes.rs"),
    ("hostile/message", "seal", "the same"),
    ("hostile/stream", "trust_peer", "whoever calls it promises that the peer does not lie"),
    ("hostile/message", "trust_peer", "the same"),
    ("hostile/stream", "blocking", "`within` is the same with a limit, and `block` of a victim makes those calls"),
    ("hostile/message", "blocking", "the same"),
    ("hostile/stream", "element_size", "it is what attach was given: tests/sized.rs"),
    ("hostile/stream", "push_if_known", "of such elements, and loads nothing of the peer's: tests/sized.rs"),
    ("hostile/stream", "pop_if_known", "the same"),
    ("hostile/stream", "claim_if_known", "the same"),
    ("hostile/stream", "peek_if_known", "the same"),
    ("hostile/stream", "as_mut_ptrs", "the same"),
    ("hostile/stream", "as_ptrs", "the same"),
    ("hostile/stream", "copy_from", "the same"),
    ("trusted", "set_word", "tests/tagged.rs has it"),
    ("trusted", "claim", "claim_contiguous is the same for one part"),
    ("trusted", "claim_up_to", "the same"),
    ("trusted", "peek_up_to", "peek_contiguous is the same for one part"),
    ("trusted", "within", "`blocking` is the same without a limit"),
    ("forked", "ring_id", "the handle's own copy, as it was"),
    ("forked", "first_position", "the same"),
    ("forked", "element_size", "the same"),
    ("forked", "max_len", "the same"),
    ("forked", "trust_peer", "the `trust!` of the test makes it"),
    ("forked", "waker", "tests/set.rs and tests/waker.rs: it wakes the child alone"),
    ("forked", "wake_spuriously", "for the conformance kit, which does not fork"),
    ("forked", "push_if_known", "for the library in C: capi/tests/fork.c"),
    ("forked", "claim_if_known", "the same"),
    ("forked", "pop_if_known", "the same"),
    ("forked", "peek_if_known", "the same"),
    ("forked", "as_mut_ptr", "an address of a guard, and no access"),
    ("forked", "as_mut_ptrs", "the same"),
    ("forked", "as_ptr", "the same"),
    ("forked", "as_ptrs", "the same"),
    ("forked", "copy_from", "of elements whose size is known at run time; `copy_to_slice` is the same"),
    ("steps", "push_tagged", "a push that stores the word among the payload's, before the header"),
    ("steps", "set_word", "the same"),
    ("steps", "push_value", "the push of a value's bytes"),
    ("steps", "write_value_at", "`write_at` of a value's bytes"),
    ("steps", "commit_len", "`commit` of fewer bytes: the same stores"),
    ("steps", "commit_first", "`commit` of fewer elements: the same store"),
    ("steps", "claim_up_to", "`claim`, which stores nothing, of as many as there are"),
    ("steps", "claim_contiguous", "the same"),
    ("steps", "fill", "`set` of several, which nobody sees before the commit"),
    ("steps", "read_from", "the same, by the system"),
    ("steps", "peek_up_to", "`peek`, which stores nothing, of as many as there are"),
    ("steps", "peek_contiguous", "the same"),
    ("steps", "release_first", "`release` of fewer elements: the same store"),
    ("steps", "pop_tagged", "`pop`, and a load of the word before its store"),
    ("steps", "pop_value", "`pop` into a value"),
    ("steps", "pop_into", "`pop` into a vector, which is not among what a killed process is searched for"),
    ("steps", "messages", "the same, one after the other"),
    ("steps", "append_next", "`copy_next` into a vector"),
    ("steps", "push_if_known", "the first part of `push`, inlined into the library in C"),
    ("steps", "claim_if_known", "the same of `claim`"),
    ("steps", "pop_if_known", "the same of `pop`"),
    ("steps", "peek_if_known", "the same of `peek`"),
    ("steps", "copy_from", "of elements whose size is known at run time; `copy_to_slice` is the same"),
];

/// Reads a file, from the root of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads the files of a folder of the sources that the filter lets pass.
fn sources(folder: &str, passes: impl Fn(&str) -> bool) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    names.iter().filter(|name| passes(name)).map(|name| read(&format!("src/{folder}/{name}"))).collect()
}

/// Returns the name that follows a word, if the line begins with that.
fn name_after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix(word)?;
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

/// The public methods of a text.
fn methods(text: &str) -> Vec<&str> {
    let methods = text.lines().filter(|line| line.starts_with(' '));
    methods.filter_map(|line| name_after(line, "pub fn ").or_else(|| name_after(line, "pub unsafe fn "))).collect()
}

/// The public types of a text that borrow from something: the guards.
fn guards(text: &str) -> Vec<&str> {
    let types = text.lines().filter(|line| line.starts_with("pub struct") && line.contains("<'"));
    types.filter_map(|line| name_after(line, "pub struct ")).collect()
}

/// Returns whether a list calls a method.
fn has_call(list: &str, method: &str) -> bool {
    let calls = list.match_indices(method).filter(|(at, _)| list[..*at].ends_with(['.', ':']));
    // A call, with the type of its result or without; or the method by its name.
    calls
        .map(|(at, _)| &list[at + method.len()..])
        .any(|rest| rest.starts_with(['(', ')', ',']) || rest.starts_with("::<"))
}

/// Returns what a list lacks.
fn missing<'a>(of: &str, list: &str, methods: &[&'a str]) -> Vec<&'a str> {
    let is_left_out = |method: &str| LEFT_OUT.iter().any(|(list, name, _)| (*list, *name) == (of, method));
    methods.iter().copied().filter(|method| !is_left_out(method) && !has_call(list, method)).collect()
}

/// The sources of all handles and guards of a ring, without those of calls that wait and of views.
fn plain(ring: &str) -> String {
    let both = ["endpoint", "reader", "writer"].map(|name| read(&format!("src/ring/{name}.rs"))).concat();
    let guards = sources(&format!("ring/{ring}"), |name| name != "geometry.rs");
    let traits = sources(ring, |name| name == "io.rs" || name == "transfer.rs");
    both + &guards + &traits + &read("src/handle.rs") + &read("src/wait/mod.rs") + &read("src/trusted.rs")
}

/// The source of the calls of a ring that wait.
fn waiting(ring: &str) -> String {
    read(&format!("src/{ring}/waiting.rs"))
}

#[test]
fn every_call_of_both_rings_is_made_against_hostile_peers() {
    for ring in ["stream", "message"] {
        let (plain, list) = (plain(ring), read(&format!("tests/common/hostile/{ring}.rs")));
        let methods = methods(&plain);
        assert!(methods.len() > 50, "{methods:?}");
        let missing = missing(&format!("hostile/{ring}"), &list, &methods);
        assert!(missing.is_empty(), "tests/common/hostile/{ring}.rs lacks {missing:?}");
    }
}

#[test]
fn every_call_that_waits_is_made_against_hostile_peers() {
    for ring in ["stream", "message"] {
        let (waiting, list) = (waiting(ring), read(&format!("tests/common/hostile/{ring}.rs")));
        let methods = methods(&waiting);
        assert!(methods.len() > 10, "{methods:?}");
        let calls = |method: &str| {
            [".within(limit).", "in_a_set(tx.", "in_a_set(rx."]
                .iter()
                .any(|start| ["(", "::<"].iter().any(|end| list.contains(&format!("{start}{method}{end}"))))
        };
        let missing: Vec<&&str> = methods.iter().filter(|method| !calls(method)).collect();
        assert!(missing.is_empty(), "tests/common/hostile/{ring}.rs does not wait by {missing:?}");
    }
}

#[test]
fn every_call_that_waits_can_be_awaited_and_is_tested_so() {
    // A consumer that is awaited is itself a stream of what comes, and a set takes plain handles.
    let is_another = |method: &&str| !["iter", "messages", "readable", "readable_for", "writable"].contains(method);
    let list = read("tests/async_calls.rs");
    for ring in ["stream", "message"] {
        let (waiting, awaited) = (waiting(ring), read(&format!("src/awaiting/{ring}.rs")));
        let methods: Vec<&str> = methods(&waiting).into_iter().filter(is_another).collect();
        assert!(methods.len() > 10, "{methods:?}");
        // In a list of a macro's, or by hand.
        let is_awaited = |method: &str| {
            let lines = awaited.lines().map(str::trim_start);
            let mut rests = lines.filter_map(|line| {
                let starts = ["pub async fn ", "pub fn "];
                let line = starts.iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
                line.strip_prefix(method)
            });
            rests.any(|rest| rest.starts_with(['(', '<']))
        };
        let missing_calls: Vec<&&str> = methods.iter().filter(|method| !is_awaited(method)).collect();
        assert!(missing_calls.is_empty(), "src/awaiting/{ring}.rs lacks {missing_calls:?}");
        let missing = missing("awaited", &list, &methods);
        assert!(missing.is_empty(), "tests/async_calls.rs lacks {missing:?}");
    }
}

#[test]
fn every_call_of_a_view_is_tested_in_place() {
    let list = read("tests/trusted.rs") + &read("tests/hand_over.rs") + &read("tests/common/messages/reader.rs");
    for ring in ["stream", "message"] {
        // Those of the stream ring are made by a list of names.
        let named = "claim claim_up_to claim_contiguous peek peek_up_to peek_contiguous";
        let text = sources(ring, |name| name == "trusted.rs");
        let methods: Vec<&str> =
            methods(&text).into_iter().chain(named.split(' ')).filter(|method| !method.is_empty()).collect();
        let missing = missing("trusted", &list, &methods);
        assert!(missing.is_empty(), "of the views of {ring}: {missing:?}");
    }
}

#[test]
fn every_guard_is_forgotten() {
    let list = read("tests/forgotten.rs");
    for ring in ["stream", "message"] {
        let text = sources(&format!("ring/{ring}"), |_| true) + &waiting(ring) + &read("src/wait/mod.rs");
        let mut guards = guards(&text);
        assert!(guards.len() > 4, "{guards:?}");
        guards.push("Trusted");
        let missing: Vec<&&str> = guards.iter().filter(|guard| !list.contains(&format!("(\"{guard}\","))).collect();
        assert!(missing.is_empty(), "tests/forgotten.rs lacks {missing:?} of {ring}");
    }
}

#[test]
fn every_call_that_takes_something_is_followed_by_a_kill() {
    let list = read("tests/hand_over.rs");
    let takes = |method: &str| {
        ["pop", "peek", "drain", "messages", "iter", "release"].iter().any(|word| method.starts_with(word))
    };
    for ring in ["stream", "message"] {
        let text = plain(ring) + &waiting(ring);
        let methods: Vec<&str> = methods(&text).into_iter().filter(|method| takes(method)).collect();
        assert!(methods.len() > 5, "{methods:?}");
        let missing = missing("hand_over", &list, &methods);
        assert!(missing.is_empty(), "tests/hand_over.rs lacks {missing:?} of {ring}");
    }
}

#[test]
fn every_call_is_made_in_a_forked_child() {
    let list = read("tests/forked.rs");
    for ring in ["stream", "message"] {
        let text = plain(ring) + &waiting(ring);
        let missing = missing("forked", &list, &methods(&text));
        assert!(missing.is_empty(), "tests/forked.rs lacks {missing:?} of {ring}");
    }
}

#[test]
fn every_call_that_moves_something_is_killed_at_each_instruction() {
    let list = read("step-tests/src/operations.rs");
    let moves = |method: &str| {
        let begins = ["push", "pop", "claim", "commit", "batch", "peek", "copy_", "append_", "drain", "messages"];
        let others = ["iter", "release", "set_word", "write_at", "write_value_at", "fill", "read_from"];
        method == "set" || begins.iter().chain(&others).any(|word| method.starts_with(word))
    };
    for ring in ["stream", "message"] {
        let text = plain(ring);
        let methods: Vec<&str> = methods(&text).into_iter().filter(|method| moves(method)).collect();
        assert!(methods.len() > 15, "{methods:?}");
        let missing = missing("steps", &list, &methods);
        assert!(missing.is_empty(), "step-tests/src/operations.rs lacks {missing:?} of {ring}");
    }
}

#[test]
fn what_a_list_lacks_is_seen() {
    let methods = methods(
        "impl X {\n    pub fn seen(&self) {}\n    pub unsafe fn named<T>(self) {}\n    pub fn lost(&self) {}\n}\n",
    );
    assert_eq!(methods, ["seen", "named", "lost"]);
    assert_eq!(missing("x", "x.seen(); map(X::named); x.lost_and_found(); unlost()", &methods), ["lost"]);
    assert_eq!(missing("x", "x.seen::<u8>(); (X::named, x); x.lost()", &methods), [""; 0]);
    assert_eq!(guards("pub struct Held<'a>(X);\npub struct Free(X);\n    pub struct Inner<'a>;\n"), ["Held"]);
}

#[test]
fn what_is_left_out_is_there() {
    for (list, method, why) in LEFT_OUT {
        let text = ["stream", "message"].map(|ring| plain(ring) + &waiting(ring)).concat();
        let is_there = text.contains(&format!("fn {method}"));
        assert!(is_there, "{method} of {list}: {why}");
    }
}
