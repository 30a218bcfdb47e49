//! Every subject with every size of values.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use ringmain_measure::{now, pin, two};

use crate::line::Line;
use crate::machine::{self, Machine};
use crate::processes::Worker;
use crate::regimes::Regimes;
use crate::report::{self, Files};
use crate::results::{Cell, LeftOut, Measured, Results};
use crate::subjects::{self, NOT_BUILT, RINGS, Subject};
use crate::values::SIZES;
use crate::work::{CAPACITY, Test, Work, name};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many rounds: each measures every subject once, after one that is thrown away.
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which subjects to measure beside ringmain's rings; all by default.
    #[arg(long, value_delimiter = ',')]
    subject: Vec<String>,
    /// Which sizes of values, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    size: Vec<usize>,
    /// Which tests; all by default.
    #[arg(long, value_delimiter = ',')]
    test: Vec<Test>,
    /// How long a measurement takes, in milliseconds.
    #[arg(long, default_value_t = 50)]
    milliseconds: u64,
    /// Shows in a quarter of a minute that everything works: one round of 4 milliseconds each. Its figures mean
    /// nothing.
    #[arg(long)]
    quick: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Says on the page under which conditions this was measured.
    #[arg(long)]
    remark: Option<String>,
    /// Writes results, a page and a picture into this folder, too, called after the processor: MODEL.json, MODEL.md and
    /// MODEL.svg. The folder is made where it is not there.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// The rounds of one subject while they are measured.
struct Run {
    work: Work,
    subject: &'static Subject,
    values: Vec<f64>,
    failure: Option<String>,
}

/// Measures, prints, and writes the report where that is asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (rounds, milliseconds) = if arguments.quick { (1, 4) } else { (arguments.rounds, arguments.milliseconds) };
    let mut groups = plan(arguments)?;
    let processors = two()?;
    let machine = Machine::look(processors);
    let files = arguments.report.as_ref().map(|folder| Files::prepare(folder, &machine.model)).transpose()?;
    pin(processors[0])?;
    let mut worker = Worker::start(processors[1])?;
    let (mut line, mut lines) = (Line::new(), Vec::new());
    let start = Instant::now();
    for round in 0..=rounds {
        for group in &mut groups {
            // Whoever goes first has the colder caches, and every subject has another neighbour: take turns.
            let count = group.len();
            for at in 0..count {
                measure(&mut group[(at + round as usize) % count], round == 0, milliseconds, &mut worker);
            }
        }
        // Before the first round that counts, and after each.
        lines.push(line.measure(processors[1])?);
        eprint!("\rround {round} of {rounds}, {} s", start.elapsed().as_secs());
    }
    eprintln!();
    worker.stop()?;
    subjects::clean();
    let mut results = results(&groups, (rounds, milliseconds), Regimes::of(lines), machine);
    results.remark.clone_from(&arguments.remark);
    if let Some(files) = &files {
        files.write(&results)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        print!("{}", report::text(&results));
    }
    let failures: Vec<&Run> = groups.iter().flatten().filter(|run| run.failure.is_some()).collect();
    if failures.is_empty() { Ok(()) } else { Err(format!("{} measurements failed", failures.len()).into()) }
}

/// Returns what is measured: in each group the subjects that are compared with each other.
fn plan(arguments: &Arguments) -> Result<Vec<Vec<Run>>, String> {
    if let Some(size) = arguments.size.iter().find(|size| !SIZES.contains(size)) {
        return Err(format!("size {size}; expected one of {SIZES:?}"));
    }
    for name in &arguments.subject {
        subjects::named(name)?;
    }
    let wanted = |subject: &Subject| {
        let by_default = arguments.subject.is_empty() && subject.left_out.is_none();
        subject.is_ringmain() || by_default || arguments.subject.iter().any(|name| name == subject.name)
    };
    let subjects: Vec<&'static Subject> = subjects::ALL.iter().filter(|subject| wanted(subject)).collect();
    let tests = if arguments.test.is_empty() { Test::value_variants() } else { &arguments.test };
    let mut groups = Vec::new();
    for &test in tests {
        for &size in &arguments.size {
            // The round that is thrown away finds out how fast each is.
            let work = Work::new(test, size, CAPACITY).with_count(if test == Test::Rtt { 1 << 11 } else { 1 << 15 });
            let runs = subjects.iter().filter(|subject| subject.has(test));
            groups.push(runs.map(|subject| Run { work, subject, values: Vec::new(), failure: None }).collect());
        }
    }
    Ok(groups)
}

/// Measures once. The first time tells how many values take as long as a measurement should.
fn measure(run: &mut Run, first: bool, milliseconds: u64, worker: &mut Worker) {
    if run.failure.is_some() {
        return;
    }
    match run.subject.measure(worker, run.work) {
        Ok(value) if first => {
            let per_second = if run.work.test == Test::Rtt { 1e9 / value } else { value };
            let count = (per_second * milliseconds as f64 / 1000.0) as u64;
            run.work = run.work.with_count(count.clamp(1 << 10, 1 << 26));
        }
        Ok(value) => run.values.push(value),
        Err(error) => {
            let (test, size) = (name(run.work.test), run.work.size);
            eprintln!("\r{} {test} {size}: {error}", run.subject.name);
            run.failure = Some(format!("{test} {size}: {error}"));
        }
    }
}

/// Brings together what was measured, in so many rounds of so many milliseconds.
fn results(groups: &[Vec<Run>], (rounds, milliseconds): (u32, u64), bare_line: Regimes, machine: Machine) -> Results {
    let runs = || groups.iter().flatten();
    let mut cells = Vec::new();
    for group in groups {
        let measured = || group.iter().filter(|run| run.failure.is_none());
        let rings = measured().filter(|run| RINGS.contains(&run.subject.name));
        let rings: Vec<(&str, &[f64])> = rings.map(|run| (run.subject.name, &*run.values)).collect();
        cells.extend(measured().map(|run| {
            Cell::new((run.work.test, run.work.size, run.subject.name), &run.values, &rings, &bare_line.regimes)
        }));
    }
    let mut results = Results {
        date: now()[..10].to_owned(),
        command: command(),
        machine,
        remark: None,
        rounds,
        milliseconds,
        capacity: CAPACITY,
        bare_line,
        sizes: Vec::new(),
        tests: Vec::new(),
        subjects: Vec::new(),
        left_out: left_out(),
        cells,
    };
    for run in runs() {
        let (test, size, name) = (run.work.test, run.work.size, run.subject.name);
        if !results.tests.contains(&test) {
            results.tests.push(test);
        }
        if !results.sizes.contains(&size) {
            results.sizes.push(size);
        }
        if !results.subjects.iter().any(|it| it.name == name) {
            results.subjects.push(Measured {
                name: name.to_owned(),
                version: machine::version(run.subject.package),
                between: run.subject.between,
                note: run.subject.note.to_owned(),
                failures: runs().filter(|it| it.subject.name == name).filter_map(|it| it.failure.clone()).collect(),
            });
        }
    }
    results
}

/// Returns what is not compared unless it is named, and what cannot be.
fn left_out() -> Vec<LeftOut> {
    let row = |name: &str, version: String, why: &str| LeftOut { name: name.to_owned(), version, why: why.to_owned() };
    let built = subjects::ALL
        .iter()
        .filter_map(|subject| subject.left_out.map(|why| row(subject.name, machine::version(subject.package), why)));
    built.chain(NOT_BUILT.iter().map(|it| row(it.name, it.version.to_owned(), it.why))).collect()
}

/// Returns the command that this is.
fn command() -> String {
    let quoted = |it: String| if it.contains(' ') { format!("'{it}'") } else { it };
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("cd peers && cargo run --release -- {}", arguments.join(" "))
}
