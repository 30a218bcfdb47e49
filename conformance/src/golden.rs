//! The golden bytes: what a ring holds after calls that are written down as commands of the protocol.
//!
//! A description, `golden/NAME.txt`, has one line for each step, and one for each part that is not compared; the bytes
//! are in `golden/NAME.bin`, where those parts are 0.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::memory::path;
use crate::peer::Peer;
use crate::protocol::parse;
use crate::ring::{Ring, Shape};
use crate::stage::Stage;

/// A description.
#[derive(Debug)]
pub struct Golden {
    /// Its name, without an ending.
    pub name: String,
    lines: Vec<String>,
}

/// Who is told.
#[derive(Debug)]
struct Ends {
    producer: Peer,
    consumer: Peer,
}

/// Returns the folder of the descriptions.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Reads all descriptions, in the order of their names.
///
/// # Errors
///
/// They cannot be read, or there are none.
pub fn all() -> Result<Vec<Golden>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "txt") {
            let name = path.file_stem().and_then(|name| name.to_str()).context("a name that is no text")?.to_owned();
            let lines = fs::read_to_string(&path)?.lines().map(str::to_owned).collect();
            found.push(Golden { name, lines });
        }
    }
    ensure!(!found.is_empty(), "{} has no descriptions", folder().display());
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Golden {
    /// Returns where the bytes lie.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        folder().join(format!("{}.bin", self.name))
    }

    /// Returns the commands for this letter's end.
    fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| line.split_once(' ')).filter(|(word, _)| ["P", "C"].contains(word))
    }

    /// Returns the abilities that its steps need.
    fn needs(&self, end: &str) -> Vec<&str> {
        let optional = ["batch", "abort", "pushw", "parkn"];
        let words = self.steps().filter(|(letter, _)| *letter == end).filter_map(|(_, step)| step.split(' ').next());
        words.filter(|word| optional.contains(word)).collect()
    }

    /// Plays the steps: a producer and a consumer at a new ring. Both stay where they are.
    fn play(&self, ring: &Ring, ends: &mut Ends) -> Result<()> {
        for (letter, step) in self.steps() {
            let (command, expected) = step.split_once(" -> ").with_context(|| format!("{step:?} says no answer"))?;
            let peer = if letter == "P" { &mut ends.producer } else { &mut ends.consumer };
            let command = command.replace("NAME", &ring.name);
            match parse(expected)? {
                Ok(words) => peer.says(&command, &words)?,
                Err(refusal) => peer.refuses(&command, refusal.kind).map(drop)?,
            }
        }
        Ok(())
    }

    /// Sets to 0 what is not compared.
    fn mask(&self, bytes: &mut [u8]) -> Result<()> {
        let number = |text: &str| {
            let digits = text.strip_prefix("0x").with_context(|| format!("{text:?} is no offset"))?;
            usize::from_str_radix(digits, 16).with_context(|| format!("{text:?} is no offset"))
        };
        for line in &self.lines {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["mask", from, to, ..] => {
                    let part = bytes.get_mut(number(from)?..number(to)?);
                    part.with_context(|| format!("{line:?} names what is not there"))?.fill(0);
                }
                // The first byte of a word is its lowest, on the machines whose bytes are compared.
                ["lowest", at, ..] => *bytes.get_mut(number(at)?).context("a bit that is not there")? &= !1,
                ["#", ..] | ["P" | "C", ..] | [""] => {}
                _ => bail!("{line:?} of golden/{}.txt is neither a step, nor a mask, nor a remark", self.name),
            }
        }
        Ok(())
    }

    /// Returns the ring that the first attach makes.
    fn shape(&self) -> Result<Shape> {
        let (_, step) = self.steps().next().context("a description without a step")?;
        let (command, _) = step.split_once(" -> ").unwrap_or((step, ""));
        let words: Vec<&str> = command.split(' ').collect();
        let ["attach", _, kind, "NAME", capacity, align, size, _, start @ ..] = words.as_slice() else {
            bail!("golden/{}.txt begins with {step:?}, expected an attach", self.name);
        };
        let shape = match *kind {
            "stream" => Shape::stream(capacity.parse()?, size.parse()?, align.parse()?),
            _ => Shape::messages(capacity.parse()?, align.parse()?, 0, 0),
        };
        Ok(shape.at(start.first().map_or(Ok(0), |start| start.parse())?))
    }

    /// Plays the steps on a new ring and returns what it holds, without what is not compared. The ring is made before
    /// that for a producer that makes none.
    ///
    /// # Errors
    ///
    /// A step is answered by something else.
    pub fn bytes(&self, producer: Peer, consumer: Peer, made_for_them: bool) -> Result<Vec<u8>> {
        let ring = Ring::new(self.shape()?);
        if made_for_them {
            ring.create()?;
        }
        let mut ends = Ends { producer, consumer };
        self.play(&ring, &mut ends).with_context(|| format!("golden/{}.txt", self.name))?;
        let mut bytes = fs::read(path(&ring.name))?;
        self.mask(&mut bytes)?;
        Ok(bytes)
    }

    /// Compares what a ring holds with the file.
    ///
    /// # Errors
    ///
    /// They differ.
    pub fn compare(&self, found: &[u8]) -> Result<()> {
        let file = self.file();
        let expected = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        ensure!(found.len() == expected.len(), "{}: {} bytes, expected {}", self.name, found.len(), expected.len());
        let words =
            found.chunks(8).zip(expected.chunks(8)).enumerate().filter(|(_, (found, expected))| found != expected);
        let lines: Vec<String> = words
            .map(|(at, (found, expected))| format!("{:#06x}: {found:02x?}, expected {expected:02x?}", 8 * at))
            .collect();
        ensure!(lines.is_empty(), "golden/{}.txt leaves other bytes:\n{}", self.name, lines.join("\n"));
        Ok(())
    }
}

/// Plays all descriptions, the first program as the producer and the second one as the consumer.
///
/// # Errors
///
/// What they leave differs from the files.
pub fn play(stage: &mut Stage<'_>) -> Result<()> {
    if cfg!(target_endian = "big") || rustix::param::page_size() > 4096 {
        stage.note("left out: the files are those of a little-endian machine with pages of 4096 bytes".to_owned());
        return Ok(());
    }
    let (first, second) = (stage.first, stage.second);
    for golden in all()? {
        if stage.has(first, &golden.needs("P")) && stage.has(second, &golden.needs("C")) {
            let (producer, consumer) = (stage.start(first)?, stage.start(second)?);
            let made_for_them = first.lacks.iter().any(|lack| lack == "create");
            golden.compare(&golden.bytes(producer, consumer, made_for_them)?)?;
        }
    }
    Ok(())
}
