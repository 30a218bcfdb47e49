//! One element or message in writing: as a dump, as text, or as JSON.

use std::fmt::Write;

use serde_json::json;

use crate::output::{self, printable};

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

/// Writes one at this position to the end of `text`, of which only the first bytes may be there.
pub(super) fn write(text: &mut String, format: Format, position: u64, bytes: &[u8], len: usize) {
    match format {
        Format::Hex => {
            dump(text, position, bytes);
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

/// Writes 16 bytes per line, the position before the first one.
fn dump(text: &mut String, position: u64, bytes: &[u8]) {
    const WIDTH: usize = 16;
    // A message of no bytes has its line, too.
    let count = bytes.len().div_ceil(WIDTH).max(1);
    for line in 0..count {
        let part = bytes.chunks(WIDTH).nth(line).unwrap_or_default();
        let title = if line == 0 { position.to_string() } else { String::new() };
        let _ = write!(text, "{title:>12}  {:04x} ", line * WIDTH);
        for at in 0..WIDTH {
            let gap = if at == WIDTH / 2 { " " } else { "" };
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
        write(&mut text, format, 128, bytes, bytes.len());
        assert_eq!(text, expected);
    }

    #[test]
    fn what_was_cut_says_how_long_it_is() {
        let mut text = String::new();
        write(&mut text, Format::Json, 0, b"ab", 9);
        write(&mut text, Format::Hex, 0, b"ab", 9);
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
