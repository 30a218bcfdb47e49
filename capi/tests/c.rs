//! The tests in C, the ABI that a program in C is linked with, and what docs/c.md says, as it stands there.
//!
//! One compiler and one standard: `capi/check` has all of them, sanitizers, other languages, and the library as it is
//! installed.

#[path = "c/restart.rs"]
mod restart;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

use ringmain::{Options, WaitError, unlink};
// What is tested: cargo builds it for whoever names it.
use ringmain_capi as _;

/// What an element of the examples looks like in Rust.
type Tick = [u64; 2];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Where cargo puts the library: beside the tests.
fn built() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Returns a folder for what a test makes, which is empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Runs a command, for a minute at most, and returns what it said.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let mut bounded = Command::new("timeout");
    bounded.arg("60").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        bounded.env(name, value.expect("no variable is removed"));
    }
    if let Some(path) = command.get_current_dir() {
        bounded.current_dir(path);
    }
    let output = bounded.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Installs the library that was built for the tests, once, and returns where.
fn installed() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = scratch("prefix");
        let mut make = Command::new("make");
        make.arg("-C").arg(folder()).arg("install").env("PREFIX", &prefix).env("BUILT", built());
        run(&mut make);
        prefix
    })
}

/// Compiles a program in C or C++ with the library that is installed, and returns its path.
#[track_caller]
fn compile(source: &Path, scratch: &Path) -> PathBuf {
    let (prefix, program) = (installed(), scratch.join(source.file_stem().unwrap()));
    let lib = prefix.join("lib");
    let is_cpp = source.extension().is_some_and(|ending| ending == "cpp");
    let mut cc = Command::new(if is_cpp { "c++" } else { "cc" });
    cc.arg(if is_cpp { "-std=c++17" } else { "-std=c11" });
    cc.args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]);
    cc.arg(concat!("-DRINGMAIN_TEST_VERSION=\"", env!("CARGO_PKG_VERSION"), "\""));
    cc.arg("-I").arg(prefix.join("include")).arg(source).arg("-o").arg(&program);
    cc.arg("-L").arg(&lib).arg("-lringmain").arg(format!("-Wl,-rpath,{}", lib.display()));
    run(&mut cc);
    program
}

/// The tests in C, by their names.
const TESTS: [&str; 10] = ["ends", "fork", "golden", "message", "misuse", "pass", "ready", "stream", "unload", "wait"];

#[track_caller]
fn passes(test: &str) {
    let program = compile(&folder().join(format!("tests/{test}.c")), &scratch(test));
    let mut command = Command::new(program);
    match test {
        "golden" => _ = command.arg(folder().join("../conformance/golden")),
        "unload" => _ = command.arg(installed().join("lib/libringmain.so")),
        _ => {}
    }
    run(&mut command);
}

#[test]
fn calls_in_c_leave_the_golden_bytes() {
    passes("golden");
}

#[test]
fn elements_move_in_each_way_that_c_has() {
    passes("stream");
}

#[test]
fn messages_move_in_each_way_that_c_has() {
    passes("message");
}

#[test]
fn rings_are_attached_left_and_looked_at_in_c() {
    passes("ends");
}

#[test]
fn a_forked_child_has_no_handles_but_its_own_in_c() {
    passes("fork");
}

#[test]
fn rings_without_a_name_are_passed_in_c() {
    passes("pass");
}

#[test]
fn handles_have_descriptors_for_event_loops_in_c() {
    passes("ready");
}

#[test]
fn sets_wait_and_wakers_wake_in_c() {
    passes("wait");
}

#[test]
fn wrong_arguments_are_refused_in_words() {
    passes("misuse");
}

#[test]
fn the_library_is_unloaded_with_an_open_handle() {
    passes("unload");
}

/// The functions of the header.
fn functions() -> BTreeSet<String> {
    let header = read("include/ringmain.h");
    let lines = header.lines().filter(|line| !line.starts_with([' ', '/', '#', '}']) && line.contains('('));
    let name = |line: &str| {
        let before = line.split('(').next().unwrap();
        before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap().to_owned()
    };
    lines.map(name).filter(|name| name.starts_with("ringmain_")).collect()
}

#[test]
fn every_function_is_called_by_a_test_in_c() {
    let tests = TESTS.map(|test| read(&format!("tests/{test}.c"))).concat();
    let functions = functions();
    assert!(functions.len() > 50, "{functions:?}");
    let missing: Vec<&String> = functions.iter().filter(|name| !tests.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "no test in C calls {missing:?}");
    let not_refused: Vec<&String> = functions
        .iter()
        .filter(|name| {
            let takes_none = ["strerror", "last_error", "version", "send", "receive"];
            !takes_none.contains(&&name[9..]) && !read("tests/misuse.c").contains(&format!("{name}("))
        })
        .collect();
    assert_eq!(not_refused, [""; 0], "tests/misuse.c gives no wrong argument to these");
}

/// Returns whether a function of the header takes a handle.
fn takes_a_handle(name: &str) -> bool {
    let header = read("include/ringmain.h");
    let code: Vec<&str> = header.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).collect();
    let code = code.join(" ");
    let (_, declared) = code.split_once(&format!("{name}(")).unwrap();
    let parameters = declared.split_once(')').unwrap().0;
    parameters.split(',').any(|parameter| parameter.contains("ringmain_end *") && !parameter.contains("**"))
}

#[test]
fn every_function_is_called_in_a_forked_child_and_refused_there_if_it_takes_a_handle() {
    // They end the child's copy of a handle, or say what it is.
    let is_allowed = |name: &str| ["close", "abandon", "into_fd", "descriptor", "end_info"].contains(&&name[9..]);
    let (test, functions) = (read("tests/fork.c"), functions());
    let takers: Vec<&String> = functions.iter().filter(|name| takes_a_handle(name)).collect();
    assert!(takers.len() > 40 && takers.len() < functions.len() - 15, "{takers:?}");
    let lacks = |name: &str| match takes_a_handle(name) && !is_allowed(name) {
        true => !test.contains(&format!("REFUSED({name}(")),
        false => !test.contains(&format!("{name}(")),
    };
    let missing: Vec<&String> = functions.iter().filter(|name| lacks(name)).collect();
    assert!(missing.is_empty(), "tests/fork.c lacks {missing:?}");
}

#[test]
fn every_function_has_its_place_in_the_header_for_cpp() {
    let header = read("include/ringmain.hpp");
    let functions = functions();
    let missing: Vec<&String> = functions
        .iter()
        .filter(|name| !["(", ",", ")"].iter().any(|end| header.contains(&format!("{name}{end}"))))
        .collect();
    assert!(missing.is_empty(), "include/ringmain.hpp lacks {missing:?}");
}

/// The structs of the header, each with its fields.
fn structs() -> Vec<(String, Vec<String>)> {
    let (header, mut found) = (read("include/ringmain.h"), Vec::<(String, Vec<String>)>::new());
    let mut is_inside = false;
    for line in header.lines() {
        match line.strip_prefix("typedef struct ") {
            Some(begun) if begun.ends_with('{') => {
                is_inside = true;
                found.push((begun.trim_end_matches(" {").to_owned(), Vec::new()));
            }
            _ if line.starts_with('}') => is_inside = false,
            _ if is_inside && line.ends_with(';') => {
                let name = line.trim_end_matches(';').split('[').next().unwrap().rsplit([' ', '*']).next().unwrap();
                found.last_mut().unwrap().1.push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// The constants of the header.
fn constants() -> Vec<String> {
    let header = read("include/ringmain.h");
    let name = |line: &str| Some(line.strip_prefix("#define ")?.split_once(' ')?.0.to_owned());
    header.lines().filter_map(name).filter(|name| !name.contains('(')).collect()
}

/// Asks the compiler for what a program is compiled with: sizes, offsets and values.
fn layout() -> String {
    let mut program = "#include <ringmain.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for (name, fields) in structs() {
        writeln!(program, "printf(\"struct {name} %zu\\n\", sizeof({name}));").unwrap();
        for field in fields {
            let sizes = format!("offsetof({name}, {field}), sizeof((({name} *)0)->{field})");
            writeln!(program, "printf(\"field {name}.{field} %zu %zu\\n\", {sizes});").unwrap();
        }
    }
    for name in constants() {
        writeln!(program, "printf(\"constant {name} %lld\\n\", (long long){name});").unwrap();
    }
    program += "return 0;\n}\n";
    let scratch = scratch("abi");
    let source = scratch.join("layout.c");
    fs::write(&source, program).unwrap();
    String::from_utf8(run(&mut Command::new(compile(&source, &scratch))).stdout).unwrap()
}

/// What a tool of binutils says of the shared library.
fn tool(name: &str, arguments: &[&str]) -> String {
    let library = installed().join("lib/libringmain.so");
    String::from_utf8(run(Command::new(name).args(arguments).arg(library)).stdout).unwrap()
}

/// `RINGMAIN_WRITE=1 cargo test -p ringmain-capi --test c` writes the list anew.
#[test]
fn the_abi_is_the_one_that_is_listed() {
    let mut found = read("abi.txt")
        .lines()
        .take_while(|line| line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    let soname = tool("readelf", &["-d"]);
    let soname = soname.lines().find(|line| line.contains("SONAME")).expect("it has a SONAME");
    let soname = soname.split(['[', ']']).nth(1).unwrap();
    assert!(installed().join("lib").join(soname).exists(), "no {soname} is installed");
    writeln!(found, "soname {soname}").unwrap();
    let symbols = tool("nm", &["-D", "--defined-only"]);
    let symbols: BTreeSet<&str> = symbols.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    let functions = functions();
    assert_eq!(symbols, functions.iter().map(String::as_str).collect(), "exported, and in the header");
    for symbol in symbols {
        writeln!(found, "function {symbol}").unwrap();
    }
    found += &layout();
    if env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(folder().join("abi.txt"), &found).unwrap();
    }
    let listed = read("abi.txt");
    let gone: Vec<&str> = listed.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
    let new: Vec<&str> = found.lines().filter(|line| !listed.lines().any(|other| other == *line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the ABI is no longer that of abi.txt, whose head says what that means.\n\
         gone or changed: {gone:#?}\nnew: {new:#?}\nRINGMAIN_WRITE=1 cargo test -p ringmain-capi --test c"
    );
}

/// The blocks of a language in docs/c.md.
fn blocks(language: &str) -> Vec<String> {
    let (document, begin) = (read("../docs/c.md"), format!("```{language}\n"));
    document.split(&begin).skip(1).map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_programs_of_the_guide_are_the_examples() {
    let blocks = blocks("c");
    for example in ["producer.c", "consumer.c"] {
        let text = read(&format!("examples/{example}"));
        assert!(blocks.contains(&text), "docs/c.md has another {example}");
    }
    for example in ["producer.c", "consumer.c", "consumer.py", "go/consumer.go"] {
        let lines = read(&format!("examples/{example}")).lines().count();
        assert!(lines <= 30, "{example} has {lines} lines: it is no short program any more");
    }
}

/// What a new user does: the first block of commands of the guide, as it stands there, in a clone and with a home of
/// its own. The library of the tests is installed, or else it would be compiled once more.
#[test]
fn the_commands_of_the_guide_lead_to_programs_that_run() {
    let home = scratch("guide");
    let clone = home.join("clone");
    fs::create_dir(&clone).unwrap();
    std::os::unix::fs::symlink(folder(), clone.join("capi")).unwrap();
    let commands = blocks("sh").into_iter().next().expect("docs/c.md has commands");
    let ring = format!("c-{}-guide", std::process::id());
    assert!(commands.contains("./producer &\n./consumer\n"), "{commands}");
    let script = format!("set -eu\n{}wait $!\n", commands.replace("./producer &", &format!("./producer {ring} &")))
        .replace("./consumer\n", &format!("./consumer {ring}\n"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(&clone).env("HOME", &home).env("BUILT", built());
    let said = String::from_utf8(run(&mut shell).stdout).unwrap();
    assert!(said.contains("100000 ticks, sum 2499975000.0; the other end has closed the ring"), "{said}");
}

#[test]
fn a_program_in_c_and_one_in_rust_meet_by_a_text() {
    let scratch = scratch("meet");
    let ring = format!("c-{}-meet", std::process::id());
    let options = Options::new(&ring).capacity(1 << 16).type_tag("tick");
    let mut rx = options.stream_consumer::<Tick>().unwrap();
    let producer = compile(&folder().join("examples/producer.c"), &scratch);
    let producer = std::thread::spawn({
        let ring = ring.clone();
        move || run(Command::new(producer).arg(ring))
    });
    for time in 0..100_000 {
        let [found, price] = rx.blocking().pop().unwrap();
        assert_eq!((found, f64::from_bits(price)), (time, 0.5 * time as f64));
    }
    assert_eq!(rx.blocking().pop(), Err(WaitError::Closed));
    producer.join().unwrap();
    drop(rx);

    // One that leaves the ring to its consumer, which comes later and does not remove it.
    let mut tx = options.stream_producer::<Tick>().unwrap();
    let ticks: Vec<Tick> = (0..1000).map(|time| [time, (time as f64).to_bits()]).collect();
    tx.blocking().push_slice(&ticks).unwrap();
    tx.close().unwrap();
    let consumer = compile(&folder().join("examples/consumer.c"), &scratch);
    let said = run(Command::new(consumer).arg(&ring)).stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "1000 ticks, sum 499500.0; the other end has closed the ring\n");
    unlink(&ring).unwrap();
}
