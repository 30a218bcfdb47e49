//! What the program prints: on which stream, whether in colours, and how JSON is written.

use std::env;
use std::io;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use anyhow::Result;
use rustix::termios::{isatty, tcgetwinsize};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::ending::Ending;
use crate::fit::wrapped;
use crate::printable::is_hidden;
use crate::streams::{self, Stream};
use crate::words;

/// Returns whether to write in colours to stdout: to a terminal, unless the user minds.
pub(crate) fn has_colours() -> bool {
    has_colours_on(&io::stdout())
}

/// The same of another stream.
pub(crate) fn has_colours_on(stream: &impl RawStream) -> bool {
    // The library takes any terminal of a CI for one with colours, also one that says that it has none.
    let is_forced = env::var_os("CLICOLOR_FORCE").is_some_and(|force| force != "0");
    (is_forced || !is_dumb()) && AutoStream::choice(stream) != ColorChoice::Never
}

/// Returns whether a terminal says of itself that nothing can be drawn on it.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// Returns how wide the terminal at stdout is, if it is one.
pub(crate) fn columns() -> Option<usize> {
    columns_of(Stream::Out)
}

/// The same of another stream.
fn columns_of(stream: Stream) -> Option<usize> {
    isatty(stream.descriptor()).then(|| Size::of(stream).columns)
}

/// How large a terminal is, in letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Size {
    /// That of the terminal at stdout.
    pub(crate) fn of_screen() -> Size {
        Size::of(Stream::Out)
    }

    fn of(stream: Stream) -> Size {
        let told = tcgetwinsize(stream.descriptor()).ok();
        let or = |told: Option<u16>, usual: usize| told.filter(|&told| told > 0).map_or(usual, usize::from);
        // As those were that had no other.
        Size { rows: or(told.map(|size| size.ws_row), 24), columns: or(told.map(|size| size.ws_col), 80) }
    }
}

/// Writes a text so that it stands out.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a text on stdout: all of it, also where stdout does not block. That nobody reads it any more is an ending of
/// its own.
pub(crate) fn print(text: &str) -> Result<()> {
    write(text.as_bytes())
}

/// Prints sentences, in lines that fit a terminal.
pub(crate) fn print_prose(text: &str) -> Result<()> {
    print(&fitted(text, columns()))
}

/// Puts ends of lines between words where a terminal would put them within. A pipe gets lines as they are.
fn fitted(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let line = |line: &str| {
        let margin = line.len() - line.trim_start_matches(' ').len() + 2;
        wrapped(line, margin, columns)
    };
    let fitted: Vec<String> = text.split('\n').map(line).collect();
    fitted.join("\n")
}

/// Writes bytes to stdout, as [`print()`] does.
pub(crate) fn write(bytes: &[u8]) -> Result<()> {
    streams::write_all(Stream::Out.descriptor(), bytes).map_err(of_stdout)
}

/// Fails as a write would where nobody reads stdout any more: what takes long need not go on to its end.
pub(crate) fn check_reader() -> Result<()> {
    if streams::is_deserted(Stream::Out.descriptor()) { Err(Ending::BrokenPipe.into()) } else { Ok(()) }
}

/// Sorts an error of stdout.
pub(crate) fn of_stdout(error: io::Error) -> anyhow::Error {
    match error.kind() {
        // A socket says one or the other, by what had come from its peer before that was gone.
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ending::BrokenPipe.into(),
        _ => anyhow::Error::new(error).context("cannot write to stdout"),
    }
}

/// Says something on stderr, in lines that fit a terminal. Nobody can be told that it could not be said, and nothing
/// depends on it.
pub(crate) fn say(text: &str) {
    draw(&fitted(text, columns_of(Stream::Err)));
}

/// Writes what is drawn on stderr, as it is.
pub(crate) fn draw(text: &str) {
    let _ = streams::write_all(Stream::Err.descriptor(), text.as_bytes());
}

/// Says what went wrong.
pub(crate) fn say_error(error: &anyhow::Error) {
    say(&format!("error: {}\n", words::of_any(error)));
}

/// Writes JSON, as one line that is harmless for a terminal. It is the same JSON: what is escaped can stand within
/// strings only.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::new();
    for letter in value.to_string().chars() {
        match is_hidden(letter) {
            true => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text += &format!("\\u{unit:04x}")),
            false => text.push(letter),
        }
    }
    text
}

/// The largest whole number that is the same in every reader of JSON: many keep numbers as floating-point ones.
const LARGEST_EXACT: u64 = (1 << 53) - 1;

/// Makes a whole number one of JSON, or, where a reader may not keep it exactly, a string of its digits.
pub(crate) fn number(value: u64) -> Value {
    if value > LARGEST_EXACT { value.to_string().into() } else { value.into() }
}

/// Writes a field of a structure as [`number`] does.
pub(crate) fn serialize_number<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    number(*value).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::tests::HOSTILE;

    #[test]
    fn sentences_fit_a_terminal_and_are_whole_in_a_pipe() {
        let text = "\x1b[31merror:\x1b[0m no ring \"x\" here, which\n\n  tip: say --no-create for what is not there\n";
        assert_eq!(fitted(text, None), text);
        assert_eq!(fitted(text, Some(80)), text);
        let expected =
            "\x1b[31merror:\x1b[0m no ring \"x\" here,\n  which\n\n  tip: say --no-create for\n    what is not there\n";
        assert_eq!(fitted(text, Some(26)), expected);
    }

    #[test]
    fn whole_numbers_are_strings_where_a_reader_may_not_keep_them() {
        let texts = [0, (1 << 53) - 1, 1 << 53, u64::MAX].map(|value| number(value).to_string());
        assert_eq!(texts, ["0", "9007199254740991", "\"9007199254740992\"", "\"18446744073709551615\""]);
    }

    #[test]
    fn json_is_harmless_and_says_the_same() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE] });
        let text = json(&value);
        assert!(!text.chars().any(is_hidden), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
