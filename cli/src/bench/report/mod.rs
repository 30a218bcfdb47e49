//! The report for people: the host, a table for each test, one sentence.

mod figures;
mod once;
mod rounds;
mod sentence;

use std::fmt::Write;

use comfy_table::{CellAlignment, LineStyle, Table, presets};

use super::plan::Test;
use super::processors::SameCore;
use super::results::{Outcome, Report, Subject};
use super::wait::Wait;

/// Writes all of it as text.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    for test in [Test::Rtt, Test::Throughput] {
        let outcomes = report.results.iter().filter(|one| one.subject.test == test);
        let outcomes: Vec<&Outcome> = outcomes.collect();
        if !outcomes.is_empty() {
            let _ = write!(text, "\n{}\n{}\n", rounds::caption(test), rounds::table(test, &outcomes));
        }
    }
    if !report.paced.is_empty() {
        let _ = write!(text, "\n{}\n{}\n", once::PACED, once::paced(&report.paced));
    }
    if !report.idle.is_empty() {
        let _ = write!(text, "\n{}\n{}\n", once::IDLE, once::idle(&report.idle));
    }
    if !report.results.is_empty() {
        let _ = write!(text, "\n{}\n", sentence::sentence(&report.results));
    }
    text
}

fn head(text: &mut String, report: &Report) {
    let host = &report.host;
    let [first, second] = host.cpus;
    let place = match (first == second, host.same_core) {
        (true, _) => format!(
            "both processes on processor {first}: spinning transports yield it every few polls, \
             so these figures are not those of a machine with two"
        ),
        (false, SameCore::Yes) => format!("{first} and {second}, hardware threads of one core"),
        (false, SameCore::No) => {
            format!("{first} and {second}, different cores as far as the kernel knows")
        }
        (false, SameCore::Unknown) => {
            format!("{first} and {second}, unknown whether they share a core")
        }
    };
    let method = match report.results.first().map(|one| one.rounds) {
        Some(rounds) => format!(
            "\
two processes, {rounds} rounds; each round measures everything once, in turn; medians and ranges are over
            the rounds, and so are ratios, each of which is taken within a round; paced and idle are measured once"
        ),
        None => "two processes, each case once".to_owned(),
    };
    let _ = write!(
        text,
        "\
processor   {}
kernel      {}
used        {place}
date        {}
method      {method}
",
        host.processor, host.kernel, host.date,
    );
    waiting(text, report);
}

/// Says what the ways to wait are that occur.
fn waiting(text: &mut String, report: &Report) {
    let subjects = report.results.iter().map(|one| one.subject);
    let subjects = subjects.chain(report.paced.iter().map(|one| one.subject));
    let subjects: Vec<Subject> = subjects.chain(report.idle.iter().map(|one| one.subject)).collect();
    let mut title = "waiting";
    for (wait, meaning) in [
        (Wait::Spin, "polls, which keeps a processor busy; pipes and sockets do so by calls that never block"),
        (Wait::Adaptive, "a ring spins for about as long as a wake takes, then sleeps"),
        (Wait::Park, "a ring sleeps at once"),
        (Wait::Sleep, "a pipe or socket blocks in the kernel"),
        (Wait::Never, "one process alone has nothing to wait for"),
    ] {
        if subjects.iter().any(|subject| subject.wait == wait) {
            let _ = writeln!(text, "{title:<12}{wait:<8}  {meaning}");
            title = "";
        }
    }
    if subjects.iter().any(|subject| subject.fenced) {
        let _ =
            writeln!(text, "{:<12}+fence    the sender makes a sequentially consistent fence after each message", "");
    }
    if !report.results.is_empty() {
        let _ = writeln!(
            text,
            "{:<12}a ratio to pipe or stream is to one that waits alike; where none was measured, to another: that \
             compares\n{:<12}spinning with sleeping",
            "", ""
        );
    }
}

/// How a case waits, and whether its sender makes fences.
fn waits_by(subject: Subject) -> String {
    if subject.fenced { format!("{} +fence", subject.wait) } else { subject.wait.to_string() }
}

/// A table with this header.
fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.style_mut().row_separator = LineStyle::none();
    table.set_header(header.to_vec());
    table
}

/// Aligns figures to the right, and the columns with these numbers to the left.
fn align(table: &mut Table, left: &[usize]) {
    for (index, column) in table.column_iter_mut().enumerate() {
        if !left.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
