//! The words of a ring's header that a judge needs, by docs/format.md, read past the library.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::journal::path_of;
use super::plan::Side;

/// Offsets of words.
const TAIL: u64 = 0x0180;
const HEAD: u64 = 0x0200;

/// Of a consumer's slot: the generation of the last producer whose end a consumer was told.
const TOLD: u64 = 0x0138;

/// The slots of the roles, and their words that a report shows.
const SLOTS: [u64; 2] = [0x0080, 0x0100];
const SLOT: [(&str, u64); 4] = [("presence", 0), ("pid", 8), ("parking", 32), ("wakes", 40)];

/// A ring's own bytes, open for as long as they are judged: its name may stand for another ring by then.
#[derive(Debug)]
pub(crate) struct Segment(File);

impl Segment {
    /// Opens the ring of this name.
    pub(crate) fn of(name: &str) -> Result<Segment> {
        Segment::open(Path::new("/dev/shm").join(name).to_str().context("a name is text")?)
    }

    pub(crate) fn open(path: &str) -> Result<Segment> {
        let file =
            OpenOptions::new().read(true).write(true).open(path).with_context(|| format!("cannot open {path}"))?;
        Ok(Segment(file))
    }

    /// Returns the path by which another process opens it.
    pub(crate) fn path(&self) -> String {
        path_of(&self.0)
    }

    /// Reads the position of a side.
    pub(crate) fn position(&self, side: Side) -> Result<u64> {
        self.word(match side {
            Side::Producer => TAIL,
            Side::Consumer => HEAD,
        })
    }

    /// Reads how many holders a side has had, and whether the last one has not said that it left.
    pub(crate) fn generation(&self, side: Side) -> Result<(u64, bool)> {
        let presence = self.word(SLOTS[side as usize])?;
        Ok((presence.div_ceil(2), presence % 2 == 1))
    }

    /// Lets a ring that nobody has used begin at this position.
    pub(crate) fn begin_at(&self, position: u64) -> Result<()> {
        [TAIL, HEAD].into_iter().try_for_each(|offset| self.write(offset, position))
    }

    /// Takes back what a consumer has given back, as a planted mistake.
    pub(crate) fn withhold(&self, head: u64) -> Result<()> {
        self.write(HEAD, head)
    }

    /// Says that no consumer, or each one, was told of whoever produced, as a planted mistake.
    pub(crate) fn mistell(&self, told: u64) -> Result<()> {
        self.write(TOLD, told)
    }

    /// Describes what the header says of both ends.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for side in Side::BOTH {
            let _ = write!(text, "  header, {side}: position {}", shown(self.position(side)));
            for (name, offset) in SLOT {
                let _ = write!(text, ", {name} {}", shown(self.word(SLOTS[side as usize] + offset)));
            }
            text.push('\n');
        }
        text
    }

    fn write(&self, offset: u64, value: u64) -> Result<()> {
        self.0.write_all_at(&value.to_ne_bytes(), offset).context("cannot write the header of a ring")
    }

    fn word(&self, offset: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset).context("cannot read the header of a ring")?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

fn shown(word: Result<u64>) -> String {
    word.map_or_else(|_| "unreadable".to_owned(), |word| word.to_string())
}
