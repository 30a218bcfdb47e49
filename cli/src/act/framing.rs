//! How bytes outside of a ring are divided into frames: what is asked for, and what a ring can carry.

use std::alloc::Layout;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap_complete::engine::CompletionCandidate;
use ringmain::inspect::Kind;

use super::size::parse_size;
use crate::words::count;

/// What is asked for on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A message per line.
    Lines,
    /// Frames of one size; without it, that of the ring's elements.
    Fixed(Option<usize>),
    /// A length in front of each frame.
    Length,
    /// No frames.
    Bytes,
}

/// Those that a shell can offer: what `fixed:` needs behind it is not known.
pub(super) fn candidates() -> Vec<CompletionCandidate> {
    CANDIDATES.iter().map(|(name, means)| CompletionCandidate::new(name).help(Some((*means).into()))).collect()
}

const CANDIDATES: [(&str, &str); 4] = [
    ("lines", "a message per line"),
    ("fixed", "elements or messages of one size; fixed:N says which"),
    ("length", "before each message its length"),
    ("bytes", "a plain stream of bytes"),
];

impl FromStr for Framing {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Framing> {
        match (text, text.strip_prefix("fixed:")) {
            ("lines", _) => Ok(Framing::Lines),
            ("length", _) => Ok(Framing::Length),
            ("bytes", _) => Ok(Framing::Bytes),
            ("fixed", _) => Ok(Framing::Fixed(None)),
            (_, Some(size)) => Ok(Framing::Fixed(Some(parse_size(size)?))),
            _ => anyhow::bail!("expected lines, fixed:N, length or bytes"),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Framing::Lines => formatter.write_str("lines"),
            Framing::Fixed(None) => formatter.write_str("fixed"),
            Framing::Fixed(Some(size)) => write!(formatter, "fixed:{size}"),
            Framing::Length => formatter.write_str("length"),
            Framing::Bytes => formatter.write_str("bytes"),
        }
    }
}

/// How each message lies outside of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A line feed follows it.
    Line,
    /// It has this many bytes.
    Fixed(usize),
    /// Its length precedes it, four bytes, the lowest first.
    Length,
    /// Any piece of the stream.
    Chunk,
}

/// What a ring carries for a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    /// A stream of bytes.
    Bytes,
    /// A stream of elements of so many bytes.
    Elements(usize),
    /// Messages.
    Messages(Frame),
}

impl fmt::Display for Cargo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cargo::Bytes => formatter.write_str("bytes"),
            Cargo::Elements(size) => write!(formatter, "elements of {}", count(*size as u64, "byte")),
            Cargo::Messages(_) => formatter.write_str("messages"),
        }
    }
}

/// Describes elements of so many bytes, whatever they mean.
pub(super) fn of_bytes(size: usize) -> Result<Layout> {
    Layout::from_size_align(size, 1)
        .with_context(|| format!("elements of {} fit no address space", count(size as u64, "byte")))
}

impl Cargo {
    /// Returns what a ring carries that is to be made.
    pub(super) fn of_a_new_ring(name: &str, framing: Option<Framing>) -> Result<Cargo> {
        Ok(match framing {
            None | Some(Framing::Bytes | Framing::Fixed(Some(1))) => Cargo::Bytes,
            Some(Framing::Lines) => Cargo::Messages(Frame::Line),
            Some(Framing::Length) => Cargo::Messages(Frame::Length),
            Some(Framing::Fixed(Some(size))) => Cargo::Elements(size),
            Some(Framing::Fixed(None)) => {
                bail!(
                    "there is no ring {name:?}, and --framing fixed makes none, since it does not say how large its \
                     elements are; use --framing fixed:N"
                );
            }
        })
    }

    /// Returns what a ring carries that stands.
    pub(super) fn of_a_ring(name: &str, kind: Kind, framing: Option<Framing>) -> Result<Cargo> {
        match (kind, framing) {
            (Kind::Message { .. }, framing) => Ok(Cargo::Messages(match framing {
                None | Some(Framing::Lines) => Frame::Line,
                Some(Framing::Length) => Frame::Length,
                Some(Framing::Bytes) => Frame::Chunk,
                Some(Framing::Fixed(Some(size))) => Frame::Fixed(size),
                Some(Framing::Fixed(None)) => {
                    bail!("messages of ring {name:?} have any length; use --framing fixed:N");
                }
            })),
            (Kind::Stream { element_size: 1, .. }, None | Some(Framing::Bytes | Framing::Fixed(None | Some(1)))) => {
                Ok(Cargo::Bytes)
            }
            (Kind::Stream { element_size, .. }, None | Some(Framing::Fixed(None))) => Ok(Cargo::Elements(element_size)),
            (Kind::Stream { element_size, .. }, Some(Framing::Fixed(Some(size)))) if size == element_size => {
                Ok(Cargo::Elements(size))
            }
            (Kind::Stream { element_size: 1, .. }, Some(framing)) => bail!(
                "ring {name:?} is a stream of bytes, which has no frames; leave --framing {framing} out, or use \
                 another name, for which a ring of messages is made"
            ),
            (Kind::Stream { element_size, .. }, Some(framing)) => bail!(
                "ring {name:?} is a stream of elements of {}; use --framing fixed:{element_size} instead of {framing}",
                count(element_size as u64, "byte")
            ),
            (kind, _) => bail!("ring {name:?} carries {kind:?}, which this version does not know"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framings_are_read_as_they_are_written() {
        for text in ["lines", "length", "bytes", "fixed", "fixed:24"] {
            assert_eq!(text.parse::<Framing>().unwrap().to_string(), text);
        }
        assert!(CANDIDATES.iter().all(|(name, _)| name.parse::<Framing>().is_ok()));
        for text in ["", "line", "fixed:", "fixed:0", "fixed:x"] {
            assert!(text.parse::<Framing>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ring_has_a_framing_of_its_own() {
        let stream = |element_size| Kind::Stream { element_size, element_align: 1 };
        let of = |kind, framing| Cargo::of_a_ring("x", kind, framing).ok();
        assert_eq!(of(stream(1), None), Some(Cargo::Bytes));
        assert_eq!(of(stream(8), None), Some(Cargo::Elements(8)));
        assert_eq!(of(stream(8), Some(Framing::Fixed(Some(4)))), None);
        assert_eq!(of(stream(1), Some(Framing::Lines)), None);
        assert_eq!(of(Kind::Message { record_alignment: 8 }, None), Some(Cargo::Messages(Frame::Line)));
        assert_eq!(
            of(Kind::Message { record_alignment: 8 }, Some(Framing::Bytes)),
            Some(Cargo::Messages(Frame::Chunk))
        );
    }
}
