//! `ringmain watch`: rings as they fare.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use ringmain::Error;
use ringmain::inspect::{Condition, Inspection};

use super::column::{self, Column, Subject, TIME, named};
use super::keys::Scroll;
use super::output::{self, Format};
use super::rates::Rates;
use super::seen::{Seen, State, explain};
use super::table::{self, Look};
use super::terminal::{self, Event, Terminal};
use super::units;
use crate::fit;
use crate::output::{Size, json};
use crate::words;

/// The columns unless others are asked for.
pub(super) const COLUMNS: [&str; 9] =
    ["name", "state", "pushed", "popped", "bar", "used", "lag", "producer", "consumer"];

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The names of the rings [default: all rings]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How long to wait between two looks: 10ms, 0.5s, 2, 1m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_interval)]
    interval: Duration,
    /// End after this many intervals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The columns to print; 'ringmain stat' prints all, and there is 'time'
    #[arg(long, short, value_name = "COLUMN,...", value_delimiter = ',', value_parser = column::parse)]
    output: Option<Vec<Column>>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(arguments: &Watch) -> Result<()> {
    let mut rings = Rings::find(&arguments.names)?;
    let format = &arguments.format;
    if output::is_terminal() && !format.json {
        return draw(arguments, &mut rings, &mut Terminal::enter()?);
    }
    let mut look = Look { is_steady: true, ..format.look() };
    let mut next = Instant::now();
    for _ in 0..arguments.count.unwrap_or(u64::MAX) {
        next += arguments.interval;
        terminal::wait_for_reader_until(next)?;
        rings.look_again()?;
        if format.json {
            let columns = arguments.output.clone().unwrap_or_else(|| [&[TIME], &named(&JSON_COLUMNS)[..]].concat());
            let lines = rings.subjects().map(|subject| json(&column::object(&columns, &subject)));
            output::print_lines(&lines.collect::<Vec<_>>())?;
        } else {
            let subjects: Vec<Subject<'_>> = rings.subjects().collect();
            output::print_lines(&table::lines(&arguments.columns(), &subjects, look, arguments.output.is_some()))?;
            look.has_headings = false;
        }
    }
    Ok(())
}

/// What a line of JSON has unless other columns are asked for.
const JSON_COLUMNS: [&str; 14] = [
    "name", "state", "reason", "kind", "capacity", "used", "fill", "head", "tail", "pushed", "popped", "lag",
    "producer", "consumer",
];

impl Watch {
    fn columns(&self) -> Vec<Column> {
        self.output.clone().unwrap_or_else(|| named(&COLUMNS))
    }
}

/// Draws until somebody wants an end.
fn draw(arguments: &Watch, rings: &mut Rings, terminal: &mut Terminal) -> Result<()> {
    let (mut intervals, mut next) = (0, Instant::now() + arguments.interval);
    let mut view = View::default();
    loop {
        let mut subjects: Vec<Subject<'_>> = rings.subjects().collect();
        subjects.sort_by(|one, other| order(one).cmp(&order(other)));
        let (look, size) = (Look { is_steady: true, ..arguments.format.look() }, Size::of_screen());
        let were_asked_for = arguments.output.is_some();
        let mut rows = table::lines(&arguments.columns(), &subjects, look, were_asked_for);
        let mut head = Vec::new();
        if look.has_headings {
            head.push(rows.remove(0));
            // A small screen is for the rings.
            if size.rows > 4 {
                let end = if terminal.has_keys() { "q" } else { "Ctrl-C" };
                let title = title(subjects.len(), arguments.interval, end);
                head.splice(0..0, [fit::beginning(&title, size.columns), String::new()]);
            }
        }
        let hint = if terminal.has_keys() { SCROLLS } else { "" };
        terminal.draw(&view.fit(head, rows, size, hint))?;
        if arguments.count.is_some_and(|count| intervals >= count) {
            return Ok(());
        }
        match terminal.wait_until(next)? {
            Event::Quit => return Ok(()),
            Event::Redraw => {}
            Event::Scroll(scroll) => view.scroll(scroll),
            Event::Timeout => {
                rings.look_again()?;
                intervals += 1;
                // Whoever was stopped for a while does not catch up.
                next = (next + arguments.interval).max(Instant::now());
            }
        }
    }
}

fn title(count: usize, interval: Duration, end: &str) -> String {
    format!("{}, every {interval:?}; {end} ends", words::count(count as u64, "object"))
}

/// What stands behind a count of rows that have no room, where somebody can type.
const SCROLLS: &str = "; arrow keys scroll";

/// Sorts rings: those first at which somebody is, or was since the last look, as what has passed there shows, the
/// busiest before the others; then what may need attention. Rates that are alike change no order: rows that moved at
/// each look could not be read.
fn order<'a>(subject: &Subject<'a>) -> impl Ord + use<'a> {
    let load = (subject.bytes_per_second() as u64).checked_ilog2();
    let place = match subject.seen.state() {
        State::Live => 0,
        State::Idle | State::Unknown if load.is_some() => 0,
        State::Idle => 2,
        State::Other(Condition::NotARing | Condition::Gone) => 3,
        State::Stale | State::Unknown | State::Other(_) => 1,
    };
    (place, Reverse(load), &*subject.seen.name)
}

/// The part of a table that a screen shows.
#[derive(Debug, Default)]
struct View {
    /// The first row that is shown.
    first: usize,
    /// How many are shown.
    page: usize,
}

impl View {
    /// Returns what fits of these rows below their head, with a line that counts the others, and what ends that line.
    fn fit(&mut self, mut head: Vec<String>, rows: Vec<String>, size: Size, hint: &str) -> Vec<String> {
        let room = size.rows.saturating_sub(head.len());
        self.page = if rows.len() <= room { rows.len() } else { room.saturating_sub(1).max(1) };
        self.first = self.first.min(rows.len() - self.page);
        let rest = [("above", self.first), ("more", rows.len() - self.page - self.first)];
        head.extend(rows.into_iter().skip(self.first).take(self.page));
        let rest: Vec<String> =
            rest.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        if !rest.is_empty() {
            head.push(fit::beginning(&(rest.join(", ") + hint), size.columns));
        }
        head
    }

    fn scroll(&mut self, scroll: Scroll) {
        // Where that is too far, the next view goes back.
        self.first = match scroll {
            Scroll::Up => self.first.saturating_sub(1),
            Scroll::Down => self.first.saturating_add(1),
            Scroll::PageUp => self.first.saturating_sub(self.page),
            Scroll::PageDown => self.first.saturating_add(self.page),
            Scroll::Top => 0,
            Scroll::Bottom => usize::MAX,
        };
    }
}

/// A ring that is watched by its name.
#[derive(Debug)]
struct Named {
    name: String,
    /// Is kept open while somebody is at it, also when its name is gone.
    ring: Option<Inspection>,
}

impl Named {
    fn find(name: &str) -> Result<Named> {
        let ring = Inspection::open(name).map_err(explain)?;
        Ok(Named { name: name.to_owned(), ring: Some(ring) })
    }

    fn look(&mut self) -> Result<Seen> {
        let stands = match &self.ring {
            Some(ring) => !ring.is_truncated()? && !ring.is_orphaned()?,
            None => false,
        };
        if let Some(ring) = self.ring.as_ref().filter(|_| stands) {
            return Ok(Seen::of(ring));
        }
        match Inspection::open(&self.name) {
            // Another ring has come under its name.
            Ok(ring) => Ok(Seen::of(self.ring.insert(ring))),
            Err(error) => Ok(self.without_name(&error)),
        }
    }

    /// Tells of a ring that cannot be found any more, and lets go of it, unless somebody is at it still.
    fn without_name(&mut self, error: &Error) -> Seen {
        let mut seen = Seen::from_error(self.name.as_ref(), error);
        if seen.condition != Condition::Gone {
            self.ring = None;
            return seen;
        }
        let name = &self.name;
        seen.reason =
            Some(format!("ring {name:?} was removed or renamed; the next one of that name is shown when it comes"));
        self.ring = self.ring.take().filter(|ring| {
            let last = Seen::of(ring);
            let is_live = last.state() == State::Live;
            seen.ring = last.ring.filter(|_| is_live);
            is_live
        });
        seen
    }
}

/// The rings that are watched, and what the last look and the one before found.
#[derive(Debug)]
struct Rings {
    /// Those that were named, else all.
    named: Vec<Named>,
    now: Vec<Seen>,
    now_at: Instant,
    rates: Vec<Option<Rates>>,
}

impl Rings {
    fn find(names: &[String]) -> Result<Rings> {
        let named = names.iter().map(|name| Named::find(name)).collect::<Result<_>>()?;
        let mut rings = Rings { named, now: Vec::new(), now_at: Instant::now(), rates: Vec::new() };
        rings.now = rings.look()?;
        rings.rates = vec![None; rings.now.len()];
        Ok(rings)
    }

    fn look(&mut self) -> Result<Vec<Seen>> {
        if self.named.is_empty() {
            // One is open at a time.
            return Ok(Inspection::all()?.map(|found| Seen::from_found(&found)).collect());
        }
        self.named.iter_mut().map(Named::look).collect()
    }

    fn look_again(&mut self) -> Result<()> {
        let now = self.look()?;
        let seconds = self.now_at.elapsed().as_secs_f64();
        self.now_at = Instant::now();
        let before = std::mem::replace(&mut self.now, now);
        let before: HashMap<&str, &Seen> = before.iter().map(|seen| (&*seen.name, seen)).collect();
        let rate = |seen: &Seen| Rates::between(before.get(&*seen.name)?, seen, seconds);
        self.rates = self.now.iter().map(rate).collect();
        Ok(())
    }

    fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        self.now.iter().zip(&self.rates).map(|(seen, rates)| Subject { seen, rates: *rates })
    }
}

#[cfg(test)]
mod tests {
    use ringmain::PeerState;

    use super::super::seen::tests::{broken, message, stream};
    use super::*;

    #[track_caller]
    fn check(view: &mut View, expected: &[&str]) {
        let rows = (1..=9).map(|number| number.to_string()).collect();
        assert_eq!(view.fit(vec!["HEAD".to_owned()], rows, Size { rows: 5, columns: 40 }, SCROLLS), expected);
    }

    #[test]
    fn a_view_shows_a_part_and_counts_the_rest() {
        let mut view = View::default();
        check(&mut view, &["HEAD", "1", "2", "3", "6 more; arrow keys scroll"]);
        view.scroll(Scroll::Up);
        check(&mut view, &["HEAD", "1", "2", "3", "6 more; arrow keys scroll"]);
        view.scroll(Scroll::Down);
        check(&mut view, &["HEAD", "2", "3", "4", "1 above, 5 more; arrow keys scroll"]);
        view.scroll(Scroll::PageDown);
        check(&mut view, &["HEAD", "5", "6", "7", "4 above, 2 more; arrow keys scroll"]);
        for scroll in [Scroll::PageDown, Scroll::Bottom, Scroll::Down] {
            view.scroll(scroll);
            check(&mut view, &["HEAD", "7", "8", "9", "6 above; arrow keys scroll"]);
        }
        view.scroll(Scroll::PageUp);
        check(&mut view, &["HEAD", "4", "5", "6", "3 above, 3 more; arrow keys scroll"]);
        view.scroll(Scroll::Top);
        check(&mut view, &["HEAD", "1", "2", "3", "6 more; arrow keys scroll"]);
        // A larger screen has room for all.
        view.scroll(Scroll::Bottom);
        let all = view.fit(vec![], vec!["1".to_owned(); 9], Size { rows: 9, columns: 40 }, SCROLLS);
        assert_eq!(all, ["1"; 9]);
        // One without any room has at least a row.
        let none = Size { rows: 0, columns: 6 };
        assert_eq!(view.fit(vec![], vec!["1".to_owned(); 2], none, SCROLLS), ["1", "1 mor…"]);
        // Where nobody can type, no key is named.
        assert_eq!(view.fit(vec![], vec!["1".to_owned(); 2], none, ""), ["1", "1 more"]);
    }

    #[test]
    fn the_busiest_of_those_at_work_come_first() {
        let named = |seen: Seen, name: &str| Seen { name: name.to_owned(), ..seen };
        let seen = [named(message(), "a"), named(broken(), "b"), named(stream(), "c"), named(stream(), "d")];
        let rates = |pushed| Some(Rates { pushed, popped: 0.0 });
        let sorted = |of_c, of_d| {
            let rates = [None, None, of_c, of_d];
            let mut subjects: Vec<_> = seen.iter().zip(rates).map(|(seen, rates)| Subject { seen, rates }).collect();
            subjects.sort_by(|one, other| order(one).cmp(&order(other)));
            subjects.iter().map(|subject| &*subject.seen.name).collect::<String>()
        };
        assert_eq!(sorted(None, None), "cdba");
        assert_eq!(sorted(rates(1.0), rates(3.0)), "dcba");
        // These are alike.
        assert_eq!(sorted(rates(1.0), rates(1.1)), "cdba");
        assert_eq!(sorted(rates(0.0), None), "cdba");
    }

    #[test]
    fn those_at_work_are_before_those_that_need_attention() {
        let ended = |state| {
            let mut seen = stream();
            let ring = seen.ring.as_mut().unwrap();
            (ring.producer.state, ring.consumer.state) = (Some(state), Some(PeerState::Closed));
            seen
        };
        let named = |seen: Seen, name: &str| Seen { name: name.to_owned(), ..seen };
        let (busy, quiet) = (Some(Rates { pushed: 1e3, popped: 1e3 }), Some(Rates { pushed: 0.0, popped: 0.0 }));
        // Somebody was there between the looks alone, both ends are there and nothing passes, a busy one crashed.
        let rings = [
            (named(broken(), "a"), None),
            (named(ended(PeerState::Crashed), "b"), busy),
            (named(ended(PeerState::Crashed), "c"), quiet),
            (named(ended(PeerState::Closed), "d"), quiet),
            (named(stream(), "e"), quiet),
            (named(ended(PeerState::Closed), "f"), busy),
            (named(stream(), "g"), None),
        ];
        let mut subjects: Vec<_> = rings.iter().map(|(seen, rates)| Subject { seen, rates: *rates }).collect();
        subjects.sort_by(|one, other| order(one).cmp(&order(other)));
        assert_eq!(subjects.iter().map(|subject| &*subject.seen.name).collect::<String>(), "fegbacd");
    }

    #[test]
    fn a_title_counts_what_is_there() {
        assert_eq!(title(1, Duration::from_secs(1), "q"), "1 object, every 1s; q ends");
        assert_eq!(title(0, Duration::from_millis(1100), "Ctrl-C"), "0 objects, every 1.1s; Ctrl-C ends");
    }
}
