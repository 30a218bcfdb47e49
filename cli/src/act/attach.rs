//! Finds the ring of a shell's pipe, or makes it: what `write` and `read` have in common.

use anyhow::Result;
use bytesize::ByteSize;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use ringmain::inspect::Inspection;
use ringmain::{Creation, Error, Options};

use super::framing::{Cargo, Framing, candidates};
use super::meter::When;
use super::size::{parse_mode, parse_size};
use crate::streams::Stream;
use crate::{bar, output};

/// How often to look anew where a ring came or went between a look and the attach.
const ATTEMPTS: usize = 20;

/// The size of a ring that is made where nobody says another one: it fits a second-level cache.
const CAPACITY: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Ring {
    /// The name of the ring: 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot
    pub(super) name: String,
    /// How bytes are divided: lines, fixed:N, length or bytes [default: what the ring carries: lines for messages, else
    /// bytes or fixed]
    #[arg(long, value_name = "FRAMING", long_help = FRAMINGS, add = ArgValueCandidates::new(candidates))]
    framing: Option<Framing>,
    /// How large a ring is made where there is none, in bytes with K, M or G [default: 1M]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    capacity: Option<usize>,
    /// Make no ring where there is none
    #[arg(long, conflicts_with = "capacity")]
    no_create: bool,
    /// The permissions of a ring that is made, and the most that others may have on one that stands
    #[arg(long, default_value = "0600", value_parser = parse_mode)]
    mode: u32,
    /// Use a ring of this user [default: only one's own]
    #[arg(long, value_name = "USER-ID")]
    owner: Option<u32>,
    /// Whether to show how much was moved, on stderr
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    #[arg(default_missing_value = "always", num_args = 0..=1, require_equals = true)]
    pub(super) progress: When,
}

const FRAMINGS: &str = "\
How bytes outside of the ring are divided:

  lines    a message per line, without its line feed; read adds one to each
  fixed:N  frames of N bytes: messages of N bytes, or elements of a stream
  length   before each message its length: 4 bytes, the lowest first
  bytes    a plain stream of bytes; messages carry pieces of it

By default what the ring carries: lines for messages, bytes for a stream of bytes, fixed for other streams. Where \
there is no ring, lines and length make one of messages, fixed:N a stream of elements, and bytes, the default, a \
stream of bytes.";

/// What a look found.
struct Found {
    cargo: Cargo,
    stands: bool,
}

impl Ring {
    /// Attaches by `open`, to the ring that stands or to a new one. `awaited` is what is said of the other end where it
    /// is a new one.
    pub(super) fn attach<H>(&self, awaited: &str, open: impl Fn(&Options, Cargo) -> Result<H>) -> Result<H> {
        if self.progress == When::Always {
            Stream::Err.require()?;
        }
        let mut attempts = 0;
        loop {
            let Found { cargo, stands } = self.look()?;
            attempts += 1;
            let makes = !stands && !self.no_create;
            match open(&self.options(cargo, makes), cargo) {
                Ok(handle) => {
                    if makes {
                        self.tell(cargo, awaited);
                    }
                    return Ok(handle);
                }
                Err(error) if attempts < ATTEMPTS && !self.no_create && has_changed(&error, makes) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says that a ring was made: who mistyped its name waits for nobody.
    fn tell(&self, cargo: Cargo, awaited: &str) {
        let Ok(ring) = Inspection::open(&self.name) else { return };
        if bar::would_stop() {
            return;
        }
        let size = match cargo {
            Cargo::Elements(size) => ring.capacity() * size,
            _ => ring.capacity(),
        };
        let size = ByteSize(size as u64).display().iec().to_string().replace(".0 ", " ");
        output::say(&format!("made ring {} ({size}, {cargo}); {awaited}\n", self.name));
    }

    fn look(&self) -> Result<Found> {
        let ring = match Inspection::open(&self.name) {
            Ok(ring) => ring,
            // What is no ring may become one at this moment, and what is being made does. Otherwise the attach refuses
            // it.
            Err(
                Error::NotFound { .. }
                | Error::NotARing { .. }
                | Error::NotReady { .. }
                | Error::Unfinished { .. }
                | Error::Changing { .. },
            ) => {
                let cargo = match Cargo::of_a_new_ring(&self.name, self.framing) {
                    // The attach refuses what is not there.
                    Err(_) if self.no_create => Cargo::Bytes,
                    cargo => cargo?,
                };
                return Ok(Found { cargo, stands: false });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Found { cargo: Cargo::of_a_ring(&self.name, ring.kind(), self.framing)?, stands: true })
    }

    fn options(&self, cargo: Cargo, makes: bool) -> Options {
        // One of both exactly: it is known who made a ring.
        let creation = if makes { Creation::New } else { Creation::Never };
        let mut options = Options::new(&self.name).any_type(true).mode(self.mode).create(creation);
        if let Some(owner) = self.owner {
            options = options.owner(owner);
        }
        let capacity = self.capacity.or(makes.then_some(CAPACITY));
        match (capacity, cargo) {
            (Some(bytes), Cargo::Elements(size)) => options.capacity((bytes / size).max(1)),
            (Some(bytes), _) => options.capacity(bytes),
            (None, _) => options,
        }
    }
}

/// Returns whether an attach was refused because a ring came or went since the look.
fn has_changed(error: &anyhow::Error, made: bool) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::NotFound { .. }) => !made,
        Some(Error::AlreadyExists { .. } | Error::Mismatch { .. }) => made,
        _ => false,
    }
}
