//! Where and how the figures were made.

use ringmain_measure::SameCore;

use super::super::results::{Report, Subject};
use super::super::wait::Wait;
use super::style::{MARGIN, Style};
use crate::words::count;

/// Writes it, without a line's end after the last line.
pub(super) fn text(report: &Report, style: Style) -> String {
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
            "two processes, {}; each round measures everything once, in turn; medians and ranges are over \
             the rounds, and so are ratios, each of which is taken within a round; paced and idle are measured once",
            count(rounds as u64, "round")
        ),
        None => "two processes, each case once".to_owned(),
    };
    let mut lines: Vec<String> = [
        ("processor", &host.processor),
        ("kernel", &host.kernel),
        ("used", &place),
        ("date", &host.date),
        ("method", &method),
    ]
    .into_iter()
    .map(|(title, text)| style.prose(MARGIN, &format!("{title:<MARGIN$}{text}")))
    .collect();
    lines.extend(waiting(report, style));
    lines.join("\n")
}

/// Says what the ways to wait are that occur.
fn waiting(report: &Report, style: Style) -> Vec<String> {
    /// Where it says what a way is.
    const MEANING: usize = MARGIN + 10;
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
            lines.push(style.prose(MEANING, &format!("{title:<MARGIN$}{wait:<8}  {meaning}")));
        }
    }
    if subjects.iter().any(|subject| subject.fenced) {
        let fences = "+fence    the sender makes a sequentially consistent fence after each message";
        lines.push(style.prose(MEANING, &format!("{:MARGIN$}{fences}", "")));
    }
    if !report.results.is_empty() {
        let ratios = "a ratio to pipe or stream is to one that waits alike; where none was measured, to another: that \
                      compares spinning with sleeping";
        lines.push(style.prose(MARGIN, &format!("{:MARGIN$}{ratios}", "")));
    }
    lines
}
