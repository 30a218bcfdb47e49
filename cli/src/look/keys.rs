//! What keys say to `watch`, as terminals send them.

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Redraw,
    Scroll(Scroll),
}

/// Where to go in a table that is longer than the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scroll {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

const ESCAPE: u8 = 0x1b;

/// Takes the next key that says something off what was typed. What is not there as a whole is left.
pub(super) fn next(typed: &mut Vec<u8>) -> Option<Key> {
    loop {
        let key: Vec<u8> = typed.drain(..len(typed)?).collect();
        if let Some(key) = meaning(&key) {
            return Some(key);
        }
    }
}

fn meaning(key: &[u8]) -> Option<Key> {
    let scroll = match key {
        // And Ctrl-C, where it is no signal.
        b"q" | b"Q" | b"\x03" => return Some(Key::Quit),
        // Ctrl-L.
        b"\x0c" => return Some(Key::Redraw),
        b"k" | b"\x1b[A" | b"\x1bOA" => Scroll::Up,
        b"j" | b"\x1b[B" | b"\x1bOB" => Scroll::Down,
        b"b" | b"\x1b[5~" => Scroll::PageUp,
        b" " | b"\x1b[6~" => Scroll::PageDown,
        b"g" | b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" | b"\x1b[7~" => Scroll::Top,
        b"G" | b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" | b"\x1b[8~" => Scroll::Bottom,
        _ => return None,
    };
    Some(Key::Scroll(scroll))
}

/// Returns how many bytes the first key has, if it is there as a whole.
fn len(typed: &[u8]) -> Option<usize> {
    /// No key has more.
    const MOST: usize = 32;
    match typed {
        [] | [ESCAPE] | [ESCAPE, b'O'] => None,
        [ESCAPE, b'O', ..] => Some(3),
        [ESCAPE, b'[', rest @ ..] => match rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) {
            Some(at) => Some(at + 3),
            None => (rest.len() > MOST).then_some(typed.len()),
        },
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(typed: &[u8]) -> (Vec<Key>, Vec<u8>) {
        let mut typed = typed.to_owned();
        (std::iter::from_fn(|| next(&mut typed)).collect(), typed)
    }

    #[test]
    fn keys_are_whole_sequences() {
        use Scroll::{Bottom, Down, PageDown, PageUp, Top, Up};
        let scrolls = |keys: &[Scroll]| keys.iter().map(|&key| Key::Scroll(key)).collect::<Vec<_>>();
        assert_eq!(all(b"\x1b[A\x1bOBkj").0, scrolls(&[Up, Down, Up, Down]));
        assert_eq!(all(b"\x1b[5~ b\x1b[6~").0, scrolls(&[PageUp, PageDown, PageUp, PageDown]));
        assert_eq!(all(b"gG\x1b[H\x1b[F\x1b[1~\x1b[8~").0, scrolls(&[Top, Bottom, Top, Bottom, Top, Bottom]));
        assert_eq!(all(b"xQ\x0c\x03").0, [Key::Quit, Key::Redraw, Key::Quit]);
    }

    #[test]
    fn no_part_of_an_unknown_sequence_is_a_key() {
        assert_eq!(all(b"\x1b[1;5q\x1bOq\x1b[200~").0, []);
        assert_eq!(all(b"\x1bq").0, [Key::Quit]);
        assert_eq!(all(b"\x1b\x1b[A").0, [Key::Scroll(Scroll::Up)]);
    }

    #[test]
    fn what_has_not_come_as_a_whole_is_waited_for() {
        for part in [&b"\x1b"[..], b"\x1b[", b"\x1bO", b"\x1b[5"] {
            assert_eq!(all(part), (vec![], part.to_owned()));
        }
        assert_eq!(all(&[b"\x1b[", &[b'1'; 40][..]].concat()), (vec![], vec![]));
    }
}
