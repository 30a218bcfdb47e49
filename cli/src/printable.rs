//! Text from strangers, as it is shown: what a terminal would obey, and what cannot be seen, is escaped.

use std::ops::RangeInclusive;

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

/// The same of a name or a tag, so that no two of them look alike: a backslash of their own is doubled.
pub(crate) fn unambiguous(bytes: &[u8]) -> String {
    let parts = bytes.split(|&byte| byte == b'\\');
    parts.map(printable).collect::<Vec<_>>().join(r"\\")
}

/// Returns whether a character does something other than to be seen.
pub(crate) fn is_hidden(letter: char) -> bool {
    // Unicode's Default_Ignorable_Code_Point, ends of lines and paragraphs, annotations, and a sign without a dot.
    const HIDDEN: [RangeInclusive<char>; 18] = [
        '\u{ad}'..='\u{ad}',
        '\u{34f}'..='\u{34f}',
        '\u{61c}'..='\u{61c}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{2800}'..='\u{2800}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{feff}'..='\u{feff}',
        '\u{ffa0}'..='\u{ffa0}',
        '\u{fff0}'..='\u{fffb}',
        '\u{1bca0}'..='\u{1bca3}',
        '\u{1d173}'..='\u{1d17a}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    letter.is_control() || HIDDEN.iter().any(|range| range.contains(&letter))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// C0, DEL, C1, characters that turn the direction or are not seen, and letters.
    pub(crate) const HOSTILE: &str =
        "a\0\x1b[2J\n\x7f\u{9b}2J\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{e0041}\u{e9}";

    #[test]
    fn text_from_strangers_is_one_harmless_line() {
        let controls = r"a\u{0}\u{1b}[2J\n\u{7f}\u{9b}2J";
        let hidden = r"\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{e0041}";
        let expected = format!("{controls}{hidden}\u{e9}");
        assert_eq!(printable(HOSTILE.as_bytes()), expected);
        assert_eq!(printable(b"\xff\xc3(\xe2\x80"), "\\xff\\xc3(\\xe2\\x80");
    }

    #[test]
    fn names_that_differ_in_what_cannot_be_seen_look_different() {
        // Fillers, joiners and selectors of several scripts.
        for hidden in "\u{34f}\u{115f}\u{17b5}\u{180b}\u{2800}\u{3164}\u{fe0f}\u{ffa0}\u{1bca0}\u{1d173}".chars() {
            assert_eq!(unambiguous(format!("a{hidden}").as_bytes()), format!("a{}", hidden.escape_unicode()));
        }
        assert_eq!(unambiguous("\u{4e2d}\u{e9}\u{1f600}".as_bytes()), "\u{4e2d}\u{e9}\u{1f600}");
    }

    #[test]
    fn names_that_differ_look_different() {
        let names: [&[u8]; 9] =
            [b"\x1b", br"\u{1b}", br"\\u{1b}", b"\xff", br"\xff", b"\n", br"\n", "\u{202e}".as_bytes(), br"\u{202e}"];
        let shown: BTreeSet<String> = names.iter().map(|name| unambiguous(name)).collect();
        assert_eq!(shown.len(), names.len(), "{shown:?}");
        assert_eq!(unambiguous(b"a b\"c"), "a b\"c");
        assert_eq!(unambiguous(b"\\\xff\\"), r"\\\xff\\");
    }
}
