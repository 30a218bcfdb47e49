//! How many instructions each cell took when the file was written, and what it takes now compared with that.

use std::fmt::{self, Write};
use std::process::Command;

/// By how much a count may be above the one in the file: less than 5 percent, so that 5 are seen whatever is rounded.
const MORE: f64 = 0.045;

/// By how much a count may be below the one in the file. Below that the file would hide a later loss.
const LESS: f64 = 0.05;

/// By how much a ratio to rtrb may be above the one in the file, by another compiler.
const MORE_OF_A_RATIO: f64 = 0.1;

const HEAD: &str = "\
# Instructions of a push and a pop of one value under callgrind, and their ratio to rtrb's.
# Each line: what is counted, bytes of a value, values pushed before they are popped, instructions, ratio.
# Compared, and written, by tests/instructions.
";

/// What the counts depend on, beside the code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compiler {
    pub(crate) architecture: String,
    /// The version of rustc, without its patch level.
    pub(crate) rustc: String,
}

impl Compiler {
    /// Returns the compiler that builds these tests.
    pub(crate) fn here() -> Compiler {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(&rustc).arg("--version").output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", rustc.display()));
        let said = String::from_utf8_lossy(&output.stdout);
        let rustc = minor(&said).unwrap_or_else(|| panic!("no version in what rustc said: {said}"));
        Compiler { architecture: std::env::consts::ARCH.to_owned(), rustc }
    }

    fn read(line: &str) -> Option<Compiler> {
        let (architecture, rustc) = line.split_once(" rustc ")?;
        Some(Compiler { architecture: architecture.to_owned(), rustc: rustc.to_owned() })
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rustc {}", self.architecture, self.rustc)
    }
}

/// Returns `1.95` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn minor(said: &str) -> Option<String> {
    let version = said.split_whitespace().nth(1)?;
    Some(version.rsplit_once('.')?.0.to_owned()).filter(|minor| minor.contains('.'))
}

/// A push and a pop of one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) subject: String,
    pub(crate) bytes: u32,
    /// How many values are pushed before as many are popped.
    pub(crate) burst: u32,
    /// How many instructions it takes.
    pub(crate) count: f64,
    /// The count, divided by that of rtrb.
    pub(crate) ratio: f64,
}

impl Cell {
    /// Rounds as the file does.
    pub(crate) fn new(subject: &str, (bytes, burst): (u32, u32), count: f64, of_rtrb: f64) -> Cell {
        let ratio = (100.0 * count / of_rtrb).round() / 100.0;
        Cell { subject: subject.to_owned(), bytes, burst, count: (10.0 * count).round() / 10.0, ratio }
    }

    fn read(line: &str) -> Option<Cell> {
        let mut words = line.split_whitespace();
        let subject = words.next()?.to_owned();
        let (bytes, burst) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (count, ratio) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let cell = Cell { subject, bytes, burst, count, ratio };
        words.next().is_none().then_some(cell)
    }

    /// Says how the cell that was counted now is out of the bounds of this one.
    fn fault(&self, now: Option<&Cell>, by_the_same_compiler: bool) -> Option<String> {
        let Some(now) = now else { return Some(format!("{self}: it was not counted")) };
        let (count, ratio) = (now.count / self.count - 1.0, now.ratio / self.ratio - 1.0);
        if !by_the_same_compiler {
            let more =
                format!("{self}: {:.2} of rtrb, {:.1} percent more than {:.2}", now.ratio, 100.0 * ratio, self.ratio);
            return (ratio > MORE_OF_A_RATIO).then_some(more);
        }
        let now = now.count;
        if count > MORE {
            Some(format!("{self}: {now:.1} instructions, {:.1} percent more than {:.1}", 100.0 * count, self.count))
        } else if count < -LESS {
            let less =
                format!("{self}: {now:.1} instructions, {:.1} percent less than {:.1}", -100.0 * count, self.count);
            Some(format!("{less}: write the file anew, so that its bounds stay tight"))
        } else {
            None
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject, self.bytes, self.burst)
    }
}

/// All cells, and what compiled them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) compiler: Compiler,
    pub(crate) cells: Vec<Cell>,
}

/// What a comparison did, and the cells that are out of their bounds.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) faults: Vec<String>,
}

impl Bounds {
    /// Returns the text of the file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEAD}{}\n", self.compiler);
        for Cell { subject, bytes, burst, count, ratio } in &self.cells {
            writeln!(text, "{subject:<10} {bytes:>3} {burst:>2} {count:>6.1} {ratio:.2}").expect("strings take it");
        }
        text
    }

    /// Reads the text of the file. An error says which line is wrong.
    pub(crate) fn read(text: &str) -> Result<Bounds, String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let compiler = lines.next().unwrap_or_default();
        let compiler = Compiler::read(compiler).ok_or(format!("{compiler:?} is no `ARCHITECTURE rustc VERSION`"))?;
        let cell = |line| Cell::read(line).ok_or(format!("{line:?} is no `SUBJECT BYTES BURST COUNT RATIO`"));
        Ok(Bounds { compiler, cells: lines.map(cell).collect::<Result<_, _>>()? })
    }

    /// Compares what was counted now with these bounds: the counts, or their ratios to rtrb by another compiler.
    pub(crate) fn compare(&self, now: &Bounds) -> Verdict {
        let same = self.compiler == now.compiler;
        let what = if same {
            format!(
                "compared the counts, by {}: {:.1} percent more or {:.0} less fail",
                now.compiler,
                100.0 * MORE,
                100.0 * LESS
            )
        } else {
            format!(
                "the counts of the file are by {}, these by {}: \
                 compared nothing but the ratios to rtrb, {:.0} percent more fail",
                self.compiler,
                now.compiler,
                100.0 * MORE_OF_A_RATIO
            )
        };
        let mut faults: Vec<String> =
            self.cells.iter().filter_map(|bound| bound.fault(now.cell(bound), same)).collect();
        let unbounded = now.cells.iter().filter(|cell| self.cell(cell).is_none());
        faults.extend(unbounded.map(|cell| format!("{cell}: it has no line in the file")));
        Verdict { what, faults }
    }

    /// Returns the cell of the same subject, size and burst.
    fn cell(&self, of: &Cell) -> Option<&Cell> {
        let is_same = |cell: &&Cell| (&cell.subject, cell.bytes, cell.burst) == (&of.subject, of.bytes, of.burst);
        self.cells.iter().find(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three cells, which `compiler` compiled.
    fn bounds(compiler: &str) -> Bounds {
        let cells = vec![
            Cell::new("rtrb", (8, 64), 44.2104, 44.2104),
            Cell::new("stream", (8, 1), 46.9668, 44.2104),
            Cell::new("message-64", (64, 64), 132.236, 79.2573),
        ];
        Bounds { compiler: Compiler::read(compiler).unwrap(), cells }
    }

    /// Plants a cell that takes so many times its count, and returns what is found.
    fn faults_of(times: f64, at: usize, compiler: &str) -> Vec<String> {
        let bounds = bounds("x86_64 rustc 1.95");
        let mut now = Bounds { compiler: Compiler::read(compiler).unwrap(), ..bounds.clone() };
        let Cell { subject, bytes, burst, count, ratio } = &bounds.cells[at];
        now.cells[at] = Cell::new(subject, (*bytes, *burst), count * times, count / ratio);
        bounds.compare(&now).faults
    }

    #[track_caller]
    fn check_is_seen(times: f64, at: usize, compiler: &str, expected: &str) {
        assert_eq!(faults_of(times, at, compiler), [expected]);
    }

    #[test]
    fn five_percent_more_are_seen_in_each_cell() {
        let here = "x86_64 rustc 1.95";
        check_is_seen(1.05, 0, here, "rtrb 8 64: 46.4 instructions, 5.0 percent more than 44.2");
        check_is_seen(1.05, 1, here, "stream 8 1: 49.4 instructions, 5.1 percent more than 47.0");
        check_is_seen(1.05, 2, here, "message-64 64 64: 138.8 instructions, 5.0 percent more than 132.2");
    }

    #[test]
    fn six_percent_less_are_seen_in_each_cell() {
        let here = "x86_64 rustc 1.95";
        let why = "write the file anew, so that its bounds stay tight";
        check_is_seen(0.94, 0, here, &format!("rtrb 8 64: 41.5 instructions, 6.1 percent less than 44.2: {why}"));
        check_is_seen(0.94, 1, here, &format!("stream 8 1: 44.2 instructions, 6.0 percent less than 47.0: {why}"));
        check_is_seen(
            0.94,
            2,
            here,
            &format!("message-64 64 64: 124.3 instructions, 6.0 percent less than 132.2: {why}"),
        );
    }

    #[test]
    fn four_percent_either_way_are_no_fault() {
        for at in 0..3 {
            for times in [0.96, 1.0, 1.04] {
                assert_eq!(faults_of(times, at, "x86_64 rustc 1.95"), [""; 0]);
            }
        }
    }

    #[test]
    fn by_another_compiler_the_ratio_is_bounded() {
        for compiler in ["x86_64 rustc 1.96", "aarch64 rustc 1.95"] {
            check_is_seen(1.12, 1, compiler, "stream 8 1: 1.19 of rtrb, 12.3 percent more than 1.06");
            check_is_seen(1.12, 2, compiler, "message-64 64 64: 1.87 of rtrb, 12.0 percent more than 1.67");
            for times in [0.8, 1.0, 1.08] {
                assert_eq!(faults_of(times, 1, compiler), [""; 0]);
            }
        }
    }

    #[test]
    fn a_comparison_says_what_it_compared() {
        let bounds = bounds("x86_64 rustc 1.95");
        let other = Bounds { compiler: Compiler::read("aarch64 rustc 1.96").unwrap(), ..bounds.clone() };
        let what = "compared the counts, by x86_64 rustc 1.95: 4.5 percent more or 5 less fail";
        assert_eq!(bounds.compare(&bounds).what, what);
        let what = "the counts of the file are by x86_64 rustc 1.95, these by aarch64 rustc 1.96: \
                    compared nothing but the ratios to rtrb, 10 percent more fail";
        assert_eq!(bounds.compare(&other).what, what);
    }

    #[test]
    fn a_cell_on_one_side_only_is_a_fault() {
        let all = bounds("x86_64 rustc 1.95");
        let few = Bounds { cells: all.cells[..2].to_vec(), ..all.clone() };
        assert_eq!(all.compare(&few).faults, ["message-64 64 64: it was not counted"]);
        assert_eq!(few.compare(&all).faults, ["message-64 64 64: it has no line in the file"]);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let bounds = bounds("x86_64 rustc 1.95");
        let text = "x86_64 rustc 1.95\n\
            rtrb         8 64   44.2 1.00\n\
            stream       8  1   47.0 1.06\n\
            message-64  64 64  132.2 1.67\n";
        assert_eq!(bounds.text(), format!("{HEAD}{text}"));
        assert_eq!(Bounds::read(&bounds.text()), Ok(bounds));
    }

    #[test]
    fn a_line_that_is_no_bound_is_refused() {
        let refused = |text| Bounds::read(text).unwrap_err();
        assert_eq!(refused("rtrb 8 44.2 1.00\n"), "\"rtrb 8 44.2 1.00\" is no `ARCHITECTURE rustc VERSION`");
        assert_eq!(refused("a rustc 1\nrtrb 8 1 44.2\n"), "\"rtrb 8 1 44.2\" is no `SUBJECT BYTES BURST COUNT RATIO`");
        assert_eq!(
            refused("a rustc 1\nrtrb 8 1 44.2 1 1\n"),
            "\"rtrb 8 1 44.2 1 1\" is no `SUBJECT BYTES BURST COUNT RATIO`"
        );
    }

    #[test]
    fn the_patch_level_of_a_compiler_is_left_out() {
        assert_eq!(minor("rustc 1.95.0 (59807616e 2026-04-14)"), Some("1.95".to_owned()));
        assert_eq!(minor("rustc 1.97.0-nightly (59807616e 2026-04-14)"), Some("1.97".to_owned()));
        assert_eq!(minor("error: no toolchain"), None);
    }
}
