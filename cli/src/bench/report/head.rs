//! Where and how the figures were made.

use ringmain_measure::SameCore;

use super::super::results::{Report, Subject};
use super::super::wait::Wait;

/// Writes it, without a line's end after the last line.
pub(super) fn text(report: &Report) -> String {
    let host = &report.host;
    let [first, second] = host.cpus;
    let place = match (first == second, host.same_core) {
        (true, _) => format!("{first} for both processes"),
        (false, SameCore::Yes) => format!("{first} and {second}, hardware threads of one core"),
        (false, SameCore::No) => {
            format!("{first} and {second}, different cores as far as the kernel knows")
        }
        (false, SameCore::Unknown) => {
            format!("{first} and {second}, unknown whether they share a core")
        }
    };
    let method = match report.results.first().map(|one| one.values.len()) {
        Some(rounds) => format!(
            "\
two processes, {rounds} rounds; each round measures everything once, in turn; medians and ranges are over
            the rounds, and so are ratios, each of which is taken within a round; paced and idle are measured once"
        ),
        None => "two processes, each case once".to_owned(),
    };
    let mut lines = vec![
        format!("processor   {}", host.processor),
        format!("kernel      {}", host.kernel),
        format!("used        {place}"),
        format!("date        {}", host.date),
        format!("method      {method}"),
    ];
    lines.extend(waiting(report));
    lines.join("\n")
}

/// Says what the ways to wait are that occur.
fn waiting(report: &Report) -> Vec<String> {
    let subjects = report.results.iter().map(|one| one.subject);
    let subjects = subjects.chain(report.paced.iter().map(|one| one.subject));
    let subjects: Vec<Subject> = subjects.chain(report.idle.iter().map(|one| one.subject)).collect();
    let mut lines = Vec::new();
    for (wait, meaning) in [
        (Wait::Spin, "polls, which keeps a processor busy; what is in the kernel does so by calls that never block"),
        (Wait::Busy, "the ring's own waiting calls spin, and never sleep"),
        (Wait::Adaptive, "a ring spins for about as long as a wake takes, then sleeps"),
        (Wait::Park, "a ring sleeps at once"),
        (Wait::Sleep, "a pipe, socket, queue or eventfd blocks in the kernel"),
        (Wait::Never, "one process alone has nothing to wait for"),
    ] {
        if subjects.iter().any(|subject| subject.wait == wait) {
            let title = if lines.is_empty() { "waiting" } else { "" };
            lines.push(format!("{title:<12}{wait:<8}  {meaning}"));
        }
    }
    if subjects.iter().any(|subject| subject.fenced) {
        lines.push(format!("{:<12}+fence    the sender makes a sequentially consistent fence after each message", ""));
    }
    if !report.results.is_empty() {
        lines.push(format!(
            "{:<12}a ratio to pipe or stream is to one that waits alike; where none was measured, to another: that \
             compares\n{:<12}spinning with sleeping",
            "", ""
        ));
    }
    lines
}
