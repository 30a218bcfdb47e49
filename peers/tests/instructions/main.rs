//! Counts the instructions of a push and a pop, and compares them with `instructions.txt`.
//!
//! callgrind counts what the program `counted` executes. Counts do not depend on how fast or how busy the machine is,
//! so a change of a few percent shows at once.

mod bounds;

use std::fs;
use std::path::Path;
use std::process::Command;

use bounds::{Bounds, Cell, Compiler};

/// What is counted; rtrb is what the others are compared with.
const SUBJECTS: [&str; 4] = ["rtrb", "stream", "message-8", "message-64"];

/// The sizes of values in bytes, and how many are pushed before as many are popped.
const SHAPES: [(u32, u32); 6] = [(8, 64), (32, 64), (64, 64), (256, 64), (8, 1), (256, 1)];

/// The values of the short run, and those that the long run passes beyond it: whole laps around every ring.
const SHORT: u32 = 16_384;
const BEYOND: u32 = 65_536;

/// How to write the file anew.
const HOW: &str = "RINGMAIN_WRITE=1 cargo test --locked --release --test instructions";

/// Returns how many instructions a run executes.
fn instructions_of_run(subject: &str, (bytes, burst): (u32, u32), values: u32) -> u64 {
    let mut valgrind = Command::new("valgrind");
    // The sum is enough: it stands in what it says.
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind
        .args([env!("CARGO_BIN_EXE_counted"), subject])
        .args([bytes, burst, values].map(|number| number.to_string()));
    let output = valgrind.output().unwrap_or_else(|error| panic!("valgrind: {error}; install the package valgrind"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{valgrind:?}: {}\n{said}", output.status);
    collected(&said).unwrap_or_else(|| panic!("no count in what callgrind said:\n{said}"))
}

/// Returns the count in what callgrind says at its end: `==7158== Collected : 1007719`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

/// Returns how many instructions a push and a pop of one value take.
fn count(subject: &str, shape: (u32, u32)) -> f64 {
    let short = instructions_of_run(subject, shape, SHORT);
    let long = instructions_of_run(subject, shape, SHORT + BEYOND);
    (long - short) as f64 / f64::from(BEYOND)
}

/// Counts all cells. Those of one shape are compared with that of rtrb.
fn counted() -> Vec<Cell> {
    let mut cells = Vec::new();
    for shape in SHAPES {
        let counts = SUBJECTS.map(|subject| count(subject, shape));
        let of_rtrb = counts[0];
        cells.extend(SUBJECTS.iter().zip(counts).map(|(subject, count)| Cell::new(subject, shape, count, of_rtrb)));
    }
    cells
}

/// `RINGMAIN_WRITE=1` writes the file anew.
#[test]
#[cfg_attr(debug_assertions, ignore = "it counts what is optimised: cargo test --release --test instructions")]
fn a_push_and_a_pop_take_as_many_instructions_as_before() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let now = Bounds { compiler: Compiler::here(), cells: counted() };
    print!("\n{}", now.text());
    if std::env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(&path, now.text()).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; {HOW}", path.display()));
    let bounds = Bounds::read(&text).unwrap_or_else(|error| panic!("{}: {error}; {HOW}", path.display()));
    let verdict = bounds.compare(&now);
    println!("{}", verdict.what);
    let faults = verdict.faults.join("\n");
    assert!(
        faults.is_empty(),
        "{}\n{faults}\nin peers/, write them anew if that is what the change is for: {HOW}",
        verdict.what
    );
}

#[test]
#[cfg_attr(debug_assertions, ignore = "it counts what is optimised: cargo test --release --test instructions")]
fn a_second_count_is_the_same() {
    for subject in SUBJECTS {
        let (first, second) = (count(subject, (32, 64)), count(subject, (32, 64)));
        // What a run does once compares times, and differs by some tens of instructions, a thousandth for each value.
        assert!((first - second).abs() < 0.01, "{subject}: {first} and {second}");
    }
}

#[test]
fn the_count_is_found_in_what_callgrind_says() {
    assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 1007719\n==7== \n"), Some(1_007_719));
    assert_eq!(collected("==7== Command: counted\n"), None);
}
