//! Text and tables that fit a terminal: lines end between words, columns are left out, and what is long is shortened.

use textwrap::{Options, WordSplitter};
use unicode_width::UnicodeWidthStr;

/// Where lines end: between words, of which an option or a name with hyphens is one.
pub(crate) fn between_words<'a>(width: usize) -> Options<'a> {
    Options::new(width).word_splitter(WordSplitter::NoHyphenation)
}

/// Writes a line as several that are no wider than this, the second of which and all after it begin at a margin. A word
/// that is longer goes on in the next line, as a terminal would have it, but at the margin: nothing of it is lost.
pub(crate) fn wrapped(line: &str, margin: usize, width: usize) -> String {
    // A narrow terminal has lines rather than a margin.
    let indent = " ".repeat(margin.min(width.saturating_sub(20)));
    textwrap::fill(line, between_words(width.max(1)).subsequent_indent(&indent))
}

/// How many letters stand between two columns.
pub(crate) const GAP: usize = 2;

/// Which columns of a table stay where not all fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Their names, in the order in which they are kept. Others come after them.
    pub(crate) names: &'static [&'static str],
    /// From this one on they are kept only where names need not be shortened for them.
    pub(crate) lesser: usize,
}

/// What becomes of the contents of a column that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flex {
    /// They are told as a whole, or not at all.
    None,
    /// The middle is left out: names differ at their ends.
    Name,
    /// The same of a program's name; the process before it stays.
    Holder,
    /// It goes on in the next line.
    Prose,
}

/// A column of a table with its contents, the heading among them if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Strip {
    pub(crate) name: &'static str,
    flex: Flex,
    /// Whether it stands to the right.
    is_figure: bool,
    texts: Vec<String>,
    /// How wide it is.
    width: usize,
}

impl Strip {
    /// A column that is as wide as its contents, and at least as this.
    pub(crate) fn new(name: &'static str, flex: Flex, is_figure: bool, texts: Vec<String>, least: usize) -> Strip {
        let width = texts.iter().flat_map(|text| text.lines()).map(|line| line.width()).max().unwrap_or(0).max(least);
        Strip { name, flex, is_figure, texts, width }
    }

    /// Returns the least width in which it still tells something, and the one from which on others need room more.
    fn bounds(&self) -> [usize; 2] {
        let (least, usual) = match self.flex {
            Flex::None => (self.width, self.width),
            // As the longest name of a ring is.
            Flex::Name => (12, 30),
            Flex::Holder => (8, 24),
            Flex::Prose => (24, 40),
        };
        [least.max(self.name.len()).min(self.width), usual.min(self.width)]
    }

    /// Shortens what is wider than the column.
    fn shorten(&mut self, wraps: bool) {
        let (flex, width) = (self.flex, self.width);
        for text in self.texts.iter_mut().filter(|text| text.width() > width) {
            *text = match flex {
                Flex::None => continue,
                Flex::Name => without_middle(text, width),
                Flex::Holder => holder(text, width),
                Flex::Prose if wraps => textwrap::fill(text, between_words(width)),
                Flex::Prose => beginning(text, width),
            };
        }
    }
}

/// Makes a table as wide as a terminal at most. Where columns may not be left out, it can be wider.
pub(crate) fn fit(mut strips: Vec<Strip>, width: usize, order: Order, may_leave_out: bool, wraps: bool) -> Vec<Strip> {
    let rank = |strip: &Strip| order.names.iter().position(|name| *name == strip.name).unwrap_or(order.names.len());
    let mut sorted: Vec<usize> = (0..strips.len()).collect();
    sorted.sort_by_key(|&at| rank(&strips[at]));
    let bounds: Vec<[usize; 2]> = strips.iter().map(Strip::bounds).collect();
    let full: Vec<usize> = strips.iter().map(|strip| strip.width).collect();
    let (mut widths, mut left) = (vec![0; strips.len()], width + GAP);
    let mut kept: Vec<usize> = Vec::new();
    for &at in &sorted {
        let [least, usual] = bounds[at];
        let is_lesser = may_leave_out && rank(&strips[at]) >= order.lesser;
        if is_lesser {
            kept.iter().for_each(|&at| grow(&mut widths[at], bounds[at][1], &mut left));
        }
        let needed = if is_lesser { usual } else { least };
        // The first one stays, whatever becomes of it.
        if !may_leave_out || left >= needed + GAP || kept.is_empty() {
            widths[at] = needed;
            left = left.saturating_sub(needed + GAP);
            kept.push(at);
        }
    }
    for goal in [bounds.iter().map(|[_, usual]| *usual).collect(), full] {
        let goal: Vec<usize> = goal;
        kept.iter().for_each(|&at| grow(&mut widths[at], goal[at], &mut left));
    }
    if let [only] = kept[..] {
        widths[only] = widths[only].min(width);
    }
    for (strip, width) in strips.iter_mut().zip(widths) {
        strip.width = width;
        strip.shorten(wraps);
    }
    kept.sort_unstable();
    kept.into_iter().map(|at| strips[at].clone()).collect()
}

/// Lays columns beside one another: the lines of each row, without spaces at their ends, and the number of the row.
pub(crate) fn lines(strips: &[Strip]) -> Vec<(usize, String)> {
    let rows = strips.first().map_or(0, |strip| strip.texts.len());
    let height = |row: usize| strips.iter().map(|strip| strip.texts[row].lines().count()).max().unwrap_or(1).max(1);
    let line = |row: usize, number: usize| {
        let cells = strips.iter().map(|strip| {
            let text = strip.texts[row].lines().nth(number).unwrap_or_default();
            let room = strip.width.saturating_sub(text.width());
            if strip.is_figure { format!("{:room$}{text}", "") } else { format!("{text}{:room$}", "") }
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    (0..rows)
        .flat_map(|row| (0..height(row)).map(move |number| (row, number)))
        .map(|(row, it)| (row, line(row, it)))
        .collect()
}

/// Gives a column of what is left, up to this width.
fn grow(width: &mut usize, goal: usize, left: &mut usize) {
    let more = goal.saturating_sub(*width).min(*left);
    *width += more;
    *left -= more;
}

/// Stands for what is left out.
const DOTS: &str = "…";

/// Returns as much of the beginning of a text as there is room for.
fn start(text: &str, width: usize) -> &str {
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = ends.take_while(|&end| text[..end].width() <= width).last().unwrap_or(0);
    &text[..end]
}

/// The same of its end.
fn end(text: &str, width: usize) -> &str {
    let start = text.char_indices().map(|(at, _)| at).find(|&at| text[at..].width() <= width).unwrap_or(text.len());
    &text[start..]
}

/// Leaves out what is in the middle of a text that is too wide.
pub(crate) fn without_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    [start(text, room - room / 2), DOTS, end(text, room / 2)].concat()
}

/// Leaves out what is at the end of a text that is too wide.
pub(crate) fn beginning(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_owned() } else { start(text, width.saturating_sub(1)).to_owned() + DOTS }
}

/// Shortens a process with its program.
fn holder(text: &str, width: usize) -> String {
    let Some((pid, program)) = text.split_once(' ') else { return without_middle(text, width) };
    match width.saturating_sub(pid.len() + 1) {
        // A letter and dots say nothing.
        0..=2 => pid.to_owned(),
        room => format!("{pid} {}", without_middle(program, room)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Order = Order { names: &["name", "state", "producer", "bar"], lesser: 3 };

    fn strips(contents: &[(&'static str, &str)]) -> Vec<Strip> {
        let strip = |&(name, text): &(&'static str, &str)| {
            let flex = match name {
                "name" => Flex::Name,
                "producer" => Flex::Holder,
                "reason" => Flex::Prose,
                _ => Flex::None,
            };
            Strip::new(name, flex, false, vec![name.to_uppercase(), text.to_owned()], 0)
        };
        contents.iter().map(strip).collect()
    }

    #[track_caller]
    fn check(contents: &[(&'static str, &str)], width: usize, may_leave_out: bool, expected: &[(&str, &str)]) {
        let fitted = fit(strips(contents), width, ORDER, may_leave_out, true);
        let found: Vec<_> = fitted.iter().map(|strip| (strip.name, &*strip.texts[1])).collect();
        assert_eq!(found, expected);
        if may_leave_out {
            let whole: usize = fitted.iter().map(|strip| strip.width + GAP).sum();
            assert!(whole <= width + GAP, "{whole} > {width}");
        }
    }

    const ROW: [(&str, &str); 4] = [
        ("name", "a-ring-with-quite-a-long-name"),
        ("bar", "[###.......]"),
        ("producer", "4711 sampler-of-all"),
        ("state", "live"),
    ];

    #[test]
    fn what_fits_is_as_it_was() {
        check(&ROW, 71, true, &ROW);
        check(&ROW, 200, true, &ROW);
    }

    #[test]
    fn columns_that_say_little_go_before_names_get_shorter_and_others_after() {
        let [name, bar, producer, state] = ROW;
        check(&ROW, 70, true, &[name, producer, state]);
        check(&ROW, 57, true, &[name, producer, state]);
        check(&ROW, 52, true, &[name, ("producer", "4711 samp…-all"), state]);
        check(&ROW, 47, true, &[name, ("producer", "4711 sa…l"), state]);
        check(&ROW, 30, true, &[("name", "a-ring…g-name"), ("producer", "4711 s…l"), state]);
        check(&ROW, 20, true, &[("name", "a-ring…g-name"), state]);
        check(&ROW, 8, true, &[("name", "a-ri…ame")]);
        check(&[bar, producer], 30, true, &[producer]);
        check(&[bar, producer], 36, true, &[bar, producer]);
    }

    #[test]
    fn columns_that_were_asked_for_stay() {
        let expected = [("name", "a-ring…-name"), ROW[1], ("producer", "4711 s…l"), ROW[3]];
        check(&ROW, 10, false, &expected);
    }

    #[test]
    fn prose_goes_on_in_the_next_line() {
        let reason = "shorter than its header says: a process truncated it";
        let expected = "shorter than its header\nsays: a process\ntruncated it";
        check(&[("name", "x"), ("reason", reason)], 30, false, &[("name", "x"), ("reason", expected)]);
        let fitted = fit(strips(&[("reason", reason)]), 20, ORDER, false, false);
        assert_eq!(fitted[0].texts[1], "shorter than its he…");
    }

    #[test]
    fn lines_end_between_words_and_go_on_at_a_margin() {
        let text = "found      a name, which /dev/shm/no-ring-is-longer has: say --no-create";
        let expected = ["found      a name, which", "/dev/shm/no-ring-is-", "longer has: say", "--no-create"];
        let expected = expected.join("\n           ");
        assert_eq!(wrapped(text, 11, 31), expected);
        assert_eq!(wrapped(text, 0, 72), text);
        // A narrow terminal has a smaller margin, and no line that is wider.
        assert_eq!(wrapped("found      a name, which it has", 11, 22), "found      a name,\n  which it has");
        assert!((1..40).all(|width| wrapped(text, 11, width).lines().all(|line| line.width() <= width)));
    }

    #[test]
    fn a_word_without_room_is_broken_at_the_margin_and_nothing_is_lost() {
        let word = "b".repeat(45);
        let lines = wrapped(&format!("ring name {word} is too long"), 2, 30);
        assert_eq!(lines, format!("ring name\n  {0}\n  {1} is too\n  long", &word[..28], &word[28..]));
    }

    #[test]
    fn columns_stand_beside_one_another_with_figures_to_the_right() {
        let strip = |name, is_figure, texts: &[&str]| {
            Strip::new(name, Flex::None, is_figure, texts.iter().map(|text| (*text).to_owned()).collect(), 0)
        };
        let strips = [
            strip("a", false, &["A", "one\ntwo", ""]),
            strip("b", true, &["B", "環", "100"]),
            strip("c", false, &[""; 3]),
        ];
        let expected = [(0, "A      B"), (1, "one   環"), (1, "two"), (2, "     100")];
        assert_eq!(lines(&strips), expected.map(|(row, line)| (row, line.to_owned())));
        assert_eq!(lines(&[]), []);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(without_middle("環環環環環", 6), "環…環");
        assert_eq!(beginning("環環環", 4), "環…");
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!([without_middle("abc", 0), without_middle("abc", 1)], ["…", "…"]);
    }
}
