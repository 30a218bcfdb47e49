//! Tables of rings: one line per ring, or one per property.

use anstyle::{AnsiColor, Style};
use ringmain::inspect::Condition;

use super::column::{Column, Subject};
use super::seen::State;
use super::units;
use crate::fit::{self, GAP, Order, Strip, beginning, between_words};
use crate::output::painted;

/// The columns that a terminal keeps.
const ORDER: Order = Order {
    names: &[
        "name", "state", "pushed", "popped", "lag", "producer", "consumer", "used", "capacity", "kind", "element",
        "bar",
    ],
    lesser: 8,
};

/// What a table is to look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) has_headings: bool,
    pub(super) has_colours: bool,
    /// Whether columns are as wide as their contents usually are, and each ring has one line.
    pub(super) is_steady: bool,
    /// How wide the terminal is, if it is one.
    pub(super) width: Option<usize>,
    pub(super) style: units::Style,
}

/// Returns the lines of a table of rings. Of the columns that were not asked for, a terminal has those that fit.
pub(super) fn lines(columns: &[Column], subjects: &[Subject<'_>], look: Look, were_asked_for: bool) -> Vec<String> {
    let strip = |column: &Column| {
        let heading = look.has_headings.then(|| column.name.to_uppercase());
        let texts = subjects.iter().map(|subject| column.text(subject, look.style));
        let least = if look.is_steady { usize::from(column.width).max(column.name.len()) } else { 0 };
        Strip::new(column.name, column.flex(), column.is_figure, heading.into_iter().chain(texts).collect(), least)
    };
    let mut strips: Vec<Strip> = columns.iter().map(strip).collect();
    if let Some(width) = look.width {
        strips = fit::fit(strips, width, ORDER, !were_asked_for, !look.is_steady);
    }
    let headings = look.has_headings.then_some(BOLD);
    let styles = headings.into_iter().chain(subjects.iter().map(|subject| style(subject.seen.state())));
    let styles: Vec<Style> = styles.collect();
    // What is drawn stays on its line.
    let cut = |line: String| look.width.filter(|_| look.is_steady).map_or(line.clone(), |it| beginning(&line, it));
    let paint = |(row, line): (usize, String)| match look.has_colours {
        true => painted(styles[row], &cut(line)),
        false => cut(line),
    };
    fit::lines(&strips).into_iter().map(paint).collect()
}

/// Returns the lines of a table of one ring: a property each, and more where a value is longer than a terminal is wide.
pub(super) fn properties(columns: &[Column], subject: &Subject<'_>, look: Look) -> Vec<String> {
    let names =
        if look.has_headings { columns.iter().map(|column| column.name.len()).max().unwrap_or(0) + GAP } else { 0 };
    let room = look.width.map_or(usize::MAX, |width| width.saturating_sub(names).max(1));
    let mut lines = Vec::new();
    for column in columns {
        let tells_state = matches!(column.name, "state" | "reason");
        let style = if tells_state { style(subject.seen.state()) } else { Style::new() };
        let paint = |style, text: &str| if look.has_colours { painted(style, text) } else { text.to_owned() };
        let text = column.text(subject, look.style);
        for (number, part) in textwrap::wrap(&text, between_words(room)).iter().enumerate() {
            let name = if number == 0 && look.has_headings { column.name } else { "" };
            lines.push(paint(BOLD, name) + &paint(style, &format!("{:1$}{part}", "", names - name.len())));
        }
    }
    lines
}

const BOLD: Style = Style::new().bold();

fn style(state: State) -> Style {
    match state {
        State::Live => Style::new(),
        State::Idle => Style::new().dimmed(),
        State::Stale | State::Unknown => AnsiColor::Yellow.on_default(),
        State::Other(Condition::NotARing | Condition::Gone) => Style::new().dimmed(),
        State::Other(Condition::BeingMade | Condition::Unfinished) => AnsiColor::Yellow.on_default(),
        State::Other(_) => AnsiColor::Red.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::named;
    use super::super::rates::Rates;
    use super::super::seen::tests::{broken, message, stream};
    use super::super::{ls, watch};
    use super::*;

    const PLAIN: Look = Look {
        has_headings: true,
        has_colours: false,
        is_steady: false,
        width: None,
        style: units::Style { is_plain: false },
    };

    #[track_caller]
    fn check(lines: &[String], expected: &str) {
        assert_eq!(lines.join("\n"), expected.trim_start_matches('\n'));
    }

    #[test]
    fn the_list_has_a_line_per_ring() {
        let seen = [message(), broken(), stream()];
        let subjects: Vec<Subject<'_>> = seen.iter().map(|seen| Subject { seen, rates: None }).collect();
        check(
            &lines(&named(&ls::COLUMNS), &subjects, PLAIN, false),
            "
NAME     KIND      ELEMENT  CAPACITY  USED  PRODUCER      CONSUMER  STATE
orders   message  align 64   1.0 MiB   0 B  -             -         idle
old      -               -         -     -  -             -         other version
samples  stream       40 B      4096  1024  4711 sampler  ?         live",
        );
        let plain = Look { has_headings: false, style: units::Style { is_plain: true }, ..PLAIN };
        check(
            &lines(&named(&["name", "element", "capacity", "used"]), &subjects, plain, false),
            "
orders   64  1048576     0
old       -        -     -
samples  40     4096  1024",
        );
    }

    #[test]
    fn no_ring_is_a_line_of_headings() {
        check(&lines(&named(&["name", "kind", "state"]), &[], PLAIN, false), "NAME  KIND  STATE");
        check(&lines(&named(&["name"]), &[], Look { has_headings: false, ..PLAIN }, false), "");
    }

    #[test]
    fn lines_that_come_one_by_one_stand_below_each_other() {
        let (seen, rates) = (stream(), Some(Rates { pushed: 12_345_678.0, popped: 1024.0 }));
        let steady = Look { is_steady: true, ..PLAIN };
        check(
            &lines(&named(&watch::COLUMNS), &[Subject { seen: &seen, rates }], steady, false),
            "
NAME          STATE        PUSHED       POPPED  BAR                USED       LAG  PRODUCER          CONSUMER
samples       live       12.3 M/s      1.0 k/s  [###.......]       1024     1.0 s  4711 sampler      ?",
        );
    }

    #[test]
    fn colours_tell_how_a_ring_fares() {
        let seen = [message(), broken(), stream()];
        let subjects: Vec<Subject<'_>> = seen.iter().map(|seen| Subject { seen, rates: None }).collect();
        let coloured = Look { has_colours: true, ..PLAIN };
        check(
            &lines(&named(&["name", "state"]), &subjects, coloured, false),
            "
\x1b[1mNAME     STATE\x1b[0m
\x1b[2morders   idle\x1b[0m
\x1b[31mold      other version\x1b[0m
samples  live",
        );
        check(
            &properties(&named(&["name", "state"]), &subjects[1], coloured),
            "\x1b[1mname\x1b[0m   old\n\x1b[1mstate\x1b[0m\x1b[31m  other version\x1b[0m",
        );
    }

    #[test]
    fn properties_stand_one_per_line() {
        let seen = broken();
        let subject = Subject { seen: &seen, rates: None };
        check(
            &properties(&named(&["name", "state", "reason"]), &subject, PLAIN),
            "
name    old
state   other version
reason  layout version 1",
        );
        check(&properties(&named(&["state"]), &subject, Look { has_headings: false, ..PLAIN }), "other version");
    }
}
