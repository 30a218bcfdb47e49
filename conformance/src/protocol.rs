//! The words of the text protocol: answers, bytes in hex, and the pattern of numbered items.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};

/// The version of the protocol, which `hello` names.
pub const VERSION: &str = "1";

/// The kinds of refusals, as they are written.
macro_rules! kinds {
    ($($kind:ident $word:literal,)*) => {
        /// Why a command was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "README.md says what each means")]
        pub enum Kind {
            $($kind,)*
        }

        impl fmt::Display for Kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self {
                    $(Kind::$kind => $word,)*
                })
            }
        }

        impl FromStr for Kind {
            type Err = anyhow::Error;

            fn from_str(word: &str) -> anyhow::Result<Kind> {
                Ok(match word {
                    $($word => Kind::$kind,)*
                    _ => bail!("{word:?} is no kind of refusal"),
                })
            }
        }
    };
}

kinds! {
    Full "full",
    Empty "empty",
    Closed "closed",
    Crashed "crashed",
    Timeout "timeout",
    TooLong "toolong",
    Corrupted "corrupted",
    Busy "busy",
    NotFound "notfound",
    Mismatch "mismatch",
    NotHere "nothere",
    Usage "usage",
    Other "other",
}

/// A refusal: its kind, and what is said behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub kind: Kind,
    /// Numbers that belong to the kind, then any text.
    pub text: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(kind: Kind, text: impl ToString) -> Refusal {
        Refusal { kind, text: text.to_string() }
    }
}

/// What a peer answers: the words behind `ok`, or why not.
pub type Answer = Result<String, Refusal>;

/// Writes an answer as one line, without its end.
#[must_use]
pub fn line(answer: &Answer) -> String {
    let text = match answer {
        Ok(words) => format!("ok {words}"),
        Err(Refusal { kind, text }) => format!("err {kind} {text}"),
    };
    text.replace(['\r', '\n'], " ").trim_end().to_owned()
}

/// Reads an answer.
///
/// # Errors
///
/// It is none.
pub fn parse(line: &str) -> anyhow::Result<Answer> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "ok" => Ok(Ok(rest.to_owned())),
        "err" => {
            let (kind, text) = rest.split_once(' ').unwrap_or((rest, ""));
            Ok(Err(Refusal::new(kind.parse::<Kind>()?, text)))
        }
        _ => bail!("{line:?} is no answer: it begins neither with ok nor with err"),
    }
}

/// Writes bytes in hex; `-` for none.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads bytes from hex.
///
/// # Errors
///
/// They are not written in lower-case hex, two digits each.
pub fn bytes(hex: &str) -> anyhow::Result<Vec<u8>> {
    if hex == "-" {
        return Ok(Vec::new());
    }
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    ensure!(!hex.is_empty() && hex.len().is_multiple_of(2) && hex.as_bytes().iter().all(is_digit), "{hex:?} is no hex");
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
}

/// How long numbered items are: all as long, or each between two bounds, as its number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// The length of the shortest.
    pub min: usize,
    /// The length of the longest.
    pub max: usize,
}

impl Length {
    /// The same length for all.
    #[must_use]
    pub fn all(len: usize) -> Length {
        Length { min: len, max: len }
    }

    /// Returns the length of one item.
    #[must_use]
    pub fn of(self, number: u64) -> usize {
        let scattered = number.wrapping_mul(2_654_435_761) % (1 << 32) / 65_536;
        self.min + scattered as usize % (self.max - self.min + 1)
    }

    /// Returns the bytes of one item.
    #[must_use]
    pub fn item(self, number: u64) -> Vec<u8> {
        number.to_le_bytes().into_iter().cycle().take(self.of(number)).collect()
    }
}

impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(formatter, "{}", self.min),
            false => write!(formatter, "{}-{}", self.min, self.max),
        }
    }
}

impl FromStr for Length {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Length> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.parse::<usize>().with_context(|| format!("{text:?} is no length"));
        let length = Length { min: number(min)?, max: number(max)? };
        ensure!(length.min <= length.max && length.max <= 1 << 30, "{text:?} is no length");
        Ok(length)
    }
}
