//! One element or message in writing: as a dump, as text, or as JSON.

use std::fmt::Write;

use serde_json::json;

use crate::output;
use crate::printable::printable;

/// How to write elements and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Bytes in hexadecimal, and as letters
    Hex,
    /// Text, a line each
    Text,
    /// JSON, an object per line
    Json,
}

/// How to write them on what is there to print on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) format: Format,
    /// How many bytes a line of a dump has.
    pub(super) per_line: usize,
}

impl Shape {
    /// A dump fits the terminal, if that is the one or the other.
    pub(super) fn new(format: Format, columns: Option<usize>) -> Shape {
        let is_narrow = columns.is_some_and(|columns| columns < width(16));
        Shape { format, per_line: if is_narrow { 8 } else { 16 } }
    }
}

/// How wide a dump is with so many bytes in a line.
const fn width(per_line: usize) -> usize {
    // The position, the offset, the bytes with a gap among them, and the letters.
    12 + 2 + 4 + 1 + 3 * per_line + 1 + 2 + per_line + 2
}

/// Writes one at this position to the end of `text`, of which only the first bytes may be there.
pub(super) fn write(text: &mut String, shape: Shape, position: u64, bytes: &[u8], len: usize) {
    match shape.format {
        Format::Hex => {
            dump(text, shape.per_line, position, bytes);
            if bytes.len() < len {
                let _ = writeln!(text, "{:>12}  ({} bytes of {len})", "", bytes.len());
            }
        }
        Format::Text => {
            let _ = writeln!(text, "{}", printable(bytes));
        }
        Format::Json => {
            let mut hex = String::with_capacity(2 * bytes.len());
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            let mut object = json!({"position": output::number(position), "length": len, "hex": hex});
            if let Ok(text) = std::str::from_utf8(bytes) {
                object["text"] = text.into();
            }
            let _ = writeln!(text, "{}", output::json(&object));
        }
    }
}

/// Writes so many bytes per line, the position before the first one.
fn dump(text: &mut String, per_line: usize, position: u64, bytes: &[u8]) {
    // A message of no bytes has its line, too.
    let count = bytes.len().div_ceil(per_line).max(1);
    for line in 0..count {
        let part = bytes.chunks(per_line).nth(line).unwrap_or_default();
        let title = if line == 0 { position.to_string() } else { String::new() };
        let _ = write!(text, "{title:>12}  {:04x} ", line * per_line);
        for at in 0..per_line {
            let gap = if at == per_line / 2 { " " } else { "" };
            let _ = match part.get(at) {
                Some(byte) => write!(text, "{gap} {byte:02x}"),
                None => write!(text, "{gap}   "),
            };
        }
        let letter = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let _ = writeln!(text, "  |{}|", part.iter().map(letter).collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, bytes: &[u8], expected: &str) {
        let mut text = String::new();
        write(&mut text, Shape::new(format, None), 128, bytes, bytes.len());
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_cut_says_how_long_it_is() {
        let mut text = String::new();
        write(&mut text, Shape::new(Format::Json, None), 0, b"ab", 9);
        write(&mut text, Shape::new(Format::Hex, None), 0, b"ab", 9);
        assert!(text.starts_with("{\"hex\":\"6162\",\"length\":9,") && text.ends_with("(2 bytes of 9)\n"), "{text}");
    }

    #[test]
    fn a_dump_has_the_position_and_sixteen_bytes_per_line() {
        check(
            Format::Hex,
            b"buy 100 of what ev\x00r",
            "         128  0000  62 75 79 20 31 30 30 20  6f 66 20 77 68 61 74 20  |buy 100 of what |
              0010  65 76 00 72                                       |ev.r|
",
        );
        check(
            Format::Hex,
            b"",
            "         128  0000                                                    ||
",
        );
    }

    #[test]
    fn a_dump_is_as_wide_as_a_terminal_at_most() {
        for columns in [60, width(16) - 1, width(16), 200] {
            let mut text = String::new();
            write(&mut text, Shape::new(Format::Hex, Some(columns)), u64::from(u32::MAX), &[7; 40], 40);
            assert!(text.lines().all(|line| line.len() <= columns), "{columns}:\n{text}");
            assert_eq!(text.lines().count(), if columns < width(16) { 5 } else { 3 }, "{columns}:\n{text}");
        }
        assert_eq!(width(16), 88);
    }

    #[test]
    fn text_is_one_line_each_that_no_terminal_obeys() {
        check(Format::Text, b"two\nlines \x1b[2J\xff", "two\\nlines \\u{1b}[2J\\xff\n");
        check(Format::Text, b"", "\n");
    }

    #[test]
    fn json_has_bytes_and_text_where_they_are_text() {
        check(Format::Json, b"hi\n", "{\"hex\":\"68690a\",\"length\":3,\"position\":128,\"text\":\"hi\\n\"}\n");
        check(Format::Json, b"\xff\x00", "{\"hex\":\"ff00\",\"length\":2,\"position\":128}\n");
    }
}
