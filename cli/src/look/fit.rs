//! Tables that fit a terminal: columns are left out, and what is long is shortened or goes on in the next line.

use unicode_width::UnicodeWidthStr;

use super::column::{Column, Flex};

/// The columns in the order in which they are kept where not all fit. Others come after them.
const KEPT: [&str; 12] =
    ["name", "state", "pushed", "popped", "lag", "producer", "consumer", "used", "capacity", "kind", "element", "bar"];

/// From here on they are kept only where names need not be shortened for them.
const LESSER: usize = 8;

/// How many letters stand between two columns.
pub(super) const GAP: usize = 2;

/// A column of a table with its contents, the heading among them if there is one.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    pub(super) column: Column,
    pub(super) texts: Vec<String>,
    /// How wide it is.
    pub(super) width: usize,
}

impl Strip {
    /// A column that is as wide as its contents, and at least as this.
    pub(super) fn new(column: Column, texts: Vec<String>, least: usize) -> Strip {
        let width = texts.iter().map(|text| text.width()).max().unwrap_or(0).max(least);
        Strip { column, texts, width }
    }

    /// Returns the least width in which it still tells something, and the one from which on others need room more.
    fn bounds(&self) -> [usize; 2] {
        let (least, usual) = match self.column.flex() {
            Flex::None => (self.width, self.width),
            // As the longest name of a ring is.
            Flex::Name => (12, 30),
            Flex::Holder => (8, 24),
            Flex::Prose => (24, 40),
        };
        [least.max(self.column.name.len()).min(self.width), usual.min(self.width)]
    }

    fn importance(&self) -> usize {
        KEPT.iter().position(|name| *name == self.column.name).unwrap_or(KEPT.len())
    }

    /// Shortens what is wider than the column.
    fn shorten(&mut self, wraps: bool) {
        let (flex, width) = (self.column.flex(), self.width);
        for text in self.texts.iter_mut().filter(|text| text.width() > width) {
            *text = match flex {
                Flex::None => continue,
                Flex::Name => without_middle(text, width),
                Flex::Holder => holder(text, width),
                Flex::Prose if wraps => textwrap::fill(text, width),
                Flex::Prose => beginning(text, width),
            };
        }
    }
}

/// Makes a table as wide as a terminal at most. Where columns may not be left out, it can be wider.
pub(super) fn fit(mut strips: Vec<Strip>, width: usize, may_leave_out: bool, wraps: bool) -> Vec<Strip> {
    let mut order: Vec<usize> = (0..strips.len()).collect();
    order.sort_by_key(|&at| strips[at].importance());
    let bounds: Vec<[usize; 2]> = strips.iter().map(Strip::bounds).collect();
    let full: Vec<usize> = strips.iter().map(|strip| strip.width).collect();
    let (mut widths, mut left) = (vec![0; strips.len()], width + GAP);
    let mut kept: Vec<usize> = Vec::new();
    for &at in &order {
        let [least, usual] = bounds[at];
        let is_lesser = may_leave_out && strips[at].importance() >= LESSER;
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
fn without_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    [start(text, room - room / 2), DOTS, end(text, room / 2)].concat()
}

/// Leaves out what is at the end of a text that is too wide.
pub(super) fn beginning(text: &str, width: usize) -> String {
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
    use super::super::column::named;
    use super::*;

    fn strips(contents: &[(&str, &str)]) -> Vec<Strip> {
        let strip = |&(name, text): &(&str, &str)| {
            let texts = vec![name.to_uppercase(), text.to_owned()];
            Strip::new(named(&[name])[0], texts, 0)
        };
        contents.iter().map(strip).collect()
    }

    #[track_caller]
    fn check(contents: &[(&str, &str)], width: usize, may_leave_out: bool, expected: &[(&str, &str)]) {
        let fitted = fit(strips(contents), width, may_leave_out, true);
        let found: Vec<_> = fitted.iter().map(|strip| (strip.column.name, &*strip.texts[1])).collect();
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
        let fitted = fit(strips(&[("reason", reason)]), 20, false, false);
        assert_eq!(fitted[0].texts[1], "shorter than its he…");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(without_middle("環環環環環", 6), "環…環");
        assert_eq!(beginning("環環環", 4), "環…");
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!([without_middle("abc", 0), without_middle("abc", 1)], ["…", "…"]);
    }
}
