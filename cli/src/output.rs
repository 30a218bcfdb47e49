//! Standard output: what is written there, whether in colours, and how text from strangers is shown.

use std::env;
use std::io::{self, Write};
use std::ops::RangeInclusive;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use anyhow::{Context, Result};
use serde_json::Value;

/// Returns whether to write in colours: to a terminal, unless the user minds.
pub(crate) fn has_colours() -> bool {
    // The library takes any terminal of a CI for one with colours, also one that says that it has none.
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    let is_forced = env::var_os("CLICOLOR_FORCE").is_some_and(|force| force != "0");
    (is_forced || !is_dumb) && AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes a text so that it stands out.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes all at once.
pub(crate) fn write(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush())
}

/// Makes bytes from outside text of one line that is harmless for a terminal: control characters, characters that turn
/// the direction of text or cannot be seen, and bytes that are no text are escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match is_hidden(letter) {
                true => text.extend(letter.escape_default()),
                false => text.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
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

/// Returns whether a character does something other than to be seen.
fn is_hidden(letter: char) -> bool {
    const HIDDEN: [RangeInclusive<char>; 9] = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    letter.is_control() || HIDDEN.iter().any(|range| range.contains(&letter))
}

/// Prints a report. Whoever reads it may have seen enough.
pub(crate) fn print(text: &str) -> Result<()> {
    match write(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C0, DEL, C1, characters that turn the direction or are not seen, and letters.
    const HOSTILE: &str = "a\0\x1b[2J\n\x7f\u{9b}2J\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{e0041}\u{e9}";

    #[test]
    fn text_from_strangers_is_one_harmless_line() {
        let controls = r"a\u{0}\u{1b}[2J\n\u{7f}\u{9b}2J";
        let hidden = r"\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{e0041}";
        let expected = format!("{controls}{hidden}\u{e9}");
        assert_eq!(printable(HOSTILE.as_bytes()), expected);
        assert_eq!(printable(b"\xff\xc3(\xe2\x80"), "\\xff\\xc3(\\xe2\\x80");
    }

    #[test]
    fn json_is_harmless_and_says_the_same() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE] });
        let text = json(&value);
        assert!(!text.chars().any(is_hidden), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
