//! Divides what comes from stdin into messages.

use std::io::BufRead;

use anyhow::{Result, bail};

use super::framing::Frame;
use crate::words::count;

/// Finds the frames in a stream of bytes, of which a window is in memory at a time.
#[derive(Debug)]
pub(super) struct Cutter {
    frame: Frame,
    ring: String,
    /// The length of the largest message.
    max: usize,
    /// How many frames were found.
    count: u64,
    /// How many bytes of an unfinished line were searched.
    searched: usize,
}

/// A message, and how many bytes of the window it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    pub(super) message: &'a [u8],
    pub(super) taken: usize,
}

impl Cutter {
    /// The length of the prefix of a message.
    const PREFIX: usize = 4;
    /// The largest piece of a stream of bytes.
    const CHUNK: usize = 1 << 16;

    pub(super) fn new(frame: Frame, ring: &str, max: usize) -> Result<Cutter> {
        let cutter = Cutter { frame, ring: ring.to_owned(), max, count: 0, searched: 0 };
        match frame {
            Frame::Fixed(len) if len > max => Err(cutter.too_long("frame", len)),
            _ => Ok(cutter),
        }
    }

    /// Returns how long the window must be able to become.
    pub(super) fn longest_window(&self) -> usize {
        // A line of the largest length is known to end by the byte behind it.
        self.max.saturating_add(Cutter::PREFIX)
    }

    /// Finds the next message at the start of the window, again and again until [`Cutter::took`] and a window behind
    /// it; `None` where more bytes are needed. `ended` says that none will come.
    pub(super) fn next<'a>(&mut self, window: &'a [u8], ended: bool) -> Result<Option<Cut<'a>>> {
        Ok(match self.frame {
            Frame::Line => self.line(window, ended)?,
            Frame::Fixed(len) => match window.get(..len) {
                Some(message) => Some(Cut { message, taken: len }),
                None => self.refuse_rest(window, ended, &format!("less than a frame of {len}"))?,
            },
            Frame::Length => self.prefixed(window, ended)?,
            Frame::Chunk => {
                let len = window.len().min(self.max).min(Cutter::CHUNK);
                (len > 0).then(|| Cut { message: &window[..len], taken: len })
            }
        })
    }

    /// Counts a message that was pushed.
    pub(super) fn took(&mut self) {
        self.count += 1;
    }

    fn line<'a>(&mut self, window: &'a [u8], ended: bool) -> Result<Option<Cut<'a>>> {
        let mut rest = &window[self.searched..];
        let end = self.searched + rest.skip_until(b'\n')?;
        let is_whole = end > self.searched && window[end - 1] == b'\n';
        let len = if is_whole { end - 1 } else { end };
        if len > self.max {
            return Err(self.too_long("line", len));
        }
        if !is_whole && (!ended || end == 0) {
            self.searched = end;
            return Ok(None);
        }
        self.searched = 0;
        Ok(Some(Cut { message: &window[..len], taken: end }))
    }

    fn prefixed<'a>(&mut self, window: &'a [u8], ended: bool) -> Result<Option<Cut<'a>>> {
        let Some((prefix, rest)) = window.split_first_chunk::<{ Cutter::PREFIX }>() else {
            return self.refuse_rest(window, ended, "less than a length");
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        if len > self.max {
            return Err(self.too_long("message", len));
        }
        match rest.get(..len) {
            Some(message) => Ok(Some(Cut { message, taken: Cutter::PREFIX + len })),
            None => self.refuse_rest(
                window,
                ended,
                &format!("less than a length and the {} that it announces", count(len as u64, "byte")),
            ),
        }
    }

    fn refuse_rest<'a>(&self, window: &[u8], ended: bool, what: &str) -> Result<Option<Cut<'a>>> {
        if ended && !window.is_empty() {
            bail!(
                "stdin ended inside of a frame: {} left over, {what}; {} before it in the ring",
                was(window.len() as u64, "byte", ["was", "were"]),
                was(self.count, "frame", ["is", "are"])
            );
        }
        Ok(None)
    }

    fn too_long(&self, what: &str, len: usize) -> anyhow::Error {
        let (number, max, ring) = (self.count + 1, self.max, &self.ring);
        anyhow::anyhow!(
            "{what} {number} has {} or more, and the largest message of ring {ring:?} has {max}; remove the ring and \
             use a larger --capacity, or use --framing bytes",
            count(len as u64, "byte")
        )
    }
}

/// Counts things, with the verb behind them.
pub(super) fn was(number: u64, thing: &str, [one, many]: [&str; 2]) -> String {
    format!("{} {}", count(number, thing), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts a whole input that comes in pieces of `piece` bytes.
    fn cut(frame: Frame, input: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
        let mut cutter = Cutter::new(frame, "x", 8)?;
        let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            let ended = end == input.len();
            while let Some(Cut { message, taken }) = cutter.next(&input[start..end], ended)? {
                found.push(message.to_vec());
                cutter.count += 1;
                start += taken;
            }
            if ended {
                return Ok(found);
            }
            end = (end + piece).min(input.len());
        }
    }

    #[track_caller]
    fn check(frame: Frame, input: &[u8], expected: &[&[u8]]) {
        for piece in 1..=input.len().max(1) {
            assert_eq!(cut(frame, input, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[track_caller]
    fn check_refused(frame: Frame, input: &[u8], expected: &str) {
        for piece in 1..=input.len() {
            let error = cut(frame, input, piece).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_input() {
        check(Frame::Line, b"", &[]);
        check(Frame::Line, b"\n", &[b""]);
        check(Frame::Line, b"a\n\nbc\n", &[b"a", b"", b"bc"]);
        check(Frame::Line, b"a\nbc", &[b"a", b"bc"]);
        check(Frame::Line, b"12345678\n12345678", &[b"12345678", b"12345678"]);
        check(Frame::Line, b"\r\0\xff\n", &[b"\r\0\xff"]);
    }

    #[test]
    fn a_line_that_no_message_can_hold_is_refused() {
        check_refused(Frame::Line, b"a\n123456789\n", "line 2 has 9 bytes or more");
        check_refused(Frame::Line, b"123456789", "the largest message of ring \"x\" has 8");
    }

    #[test]
    fn frames_of_one_size_leave_no_rest() {
        check(Frame::Fixed(3), b"abcdef", &[b"abc", b"def"]);
        check_refused(Frame::Fixed(3), b"abcde", "2 bytes were left over");
        assert!(cut(Frame::Fixed(9), b"", 1).is_err());
    }

    #[test]
    fn lengths_precede_their_messages() {
        check(Frame::Length, b"\x02\0\0\0ab\0\0\0\0", &[b"ab", b""]);
        check_refused(Frame::Length, b"\x02\0\0\0a", "5 bytes were left over");
        check_refused(Frame::Length, b"\x02\0", "2 bytes were left over");
        check_refused(Frame::Length, b"\x09\0\0\0", "message 1 has 9 bytes");
    }

    #[test]
    fn a_stream_is_cut_anywhere() {
        for piece in 1..20 {
            assert_eq!(cut(Frame::Chunk, b"0123456789abcdef01", piece).unwrap().concat(), b"0123456789abcdef01");
        }
    }
}
