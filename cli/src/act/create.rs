//! `ringmain create`.

use std::alloc::Layout;
use std::time::Duration;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use ringmain::inspect::{Inspection, Kind as Found};
use ringmain::{Creation, Error, Options, PeerState, Role};

use super::size::{parse_mode, parse_size};
use crate::output::print_prose;
use crate::usage::UsageError;
use crate::words::count;

/// What a ring carries.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Elements of one size
    Stream,
    /// Messages of any length
    Message,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name of the ring: 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot
    name: String,
    /// What it carries
    #[arg(long)]
    kind: Kind,
    /// How many elements, or bytes for messages, with K, M or G (powers of 1024); rounded up to a power of two
    #[arg(long, value_name = "N", value_parser = parse_size)]
    capacity: usize,
    /// The size of an element in bytes, of a stream [default: 1]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    element_size: Option<usize>,
    /// The alignment of an element in bytes, of a stream [default: 1]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    element_align: Option<usize>,
    /// The name of the type, which programs that attach must give too
    #[arg(long, value_name = "TAG", default_value = "")]
    type_tag: String,
    /// Where messages start: at multiples of 8, 16, 32 or 64 bytes [default: 8]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    alignment: Option<usize>,
    /// The permissions, whatever the umask is
    #[arg(long, default_value = "0600", value_parser = parse_mode)]
    mode: u32,
    /// Refuse a ring that stands already
    #[arg(long)]
    exclusive: bool,
}

/// How often to look anew where a ring came or went between two attempts.
const ATTEMPTS: usize = 20;

/// How long to wait for whoever takes or leaves a ring that is removed again.
const PATIENCE: Duration = Duration::from_secs(1);

impl Create {
    pub(super) fn run(&self) -> Result<()> {
        let has_made = self.find_or_make()?;
        let ring = Inspection::open(&self.name)?;
        let said = print_prose(&self.describe(&ring, if has_made { "created" } else { "found" }));
        if said.is_err() && has_made {
            self.remove(&ring);
        }
        said
    }

    /// Returns whether there was none. One of both exactly: it is known who made a ring.
    fn find_or_make(&self) -> Result<bool> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(Creation::New) {
                Err(error) if !self.exclusive && matches!(error.downcast_ref(), Some(Error::AlreadyExists { .. })) => {}
                made => return made.map(|()| true),
            }
            match self.attempt(Creation::Never) {
                Err(error) if attempts < ATTEMPTS && matches!(error.downcast_ref(), Some(Error::NotFound { .. })) => {}
                found => return found.map(|()| false),
            }
        }
    }

    /// Removes a ring that was made in vain, unless somebody has come to it since. What cannot be removed stays: that
    /// something went wrong is said already.
    fn remove(&self, made: &Inspection) {
        let is_new = |role| made.end(role).is_ok_and(|end| end.state == PeerState::Never);
        if made.is_orphaned().is_ok_and(|is_orphaned| !is_orphaned) && is_new(Role::Producer) && is_new(Role::Consumer)
        {
            let _ = ringmain::unlink_if_free(&self.name, PATIENCE);
        }
    }

    fn attempt(&self, creation: Creation) -> Result<()> {
        let mut options =
            Options::new(&self.name).capacity(self.capacity).type_tag(&self.type_tag).mode(self.mode).create(creation);
        match self.kind {
            Kind::Stream => {
                refuse("--alignment", self.alignment, "stream; elements have --element-align")?;
                options.create_stream(self.layout()?)?;
            }
            Kind::Message => {
                refuse("--element-size", self.element_size, "message; messages have any length")?;
                refuse("--element-align", self.element_align, "message; messages have --alignment")?;
                if let Some(alignment) = self.alignment {
                    options = options.record_alignment(alignment);
                }
                options.create_message()?;
            }
        }
        Ok(())
    }

    fn layout(&self) -> Result<Layout> {
        let (size, align) = (self.element_size.unwrap_or(1), self.element_align.unwrap_or(1));
        Layout::from_size_align(size, align)
            .ok()
            .filter(|_| size % align == 0)
            .with_context(|| format!("elements of {} aligned to {align}", count(size as u64, "byte")))
            .map_err(|error| {
                UsageError(format!(
                    "{error}; expected an alignment that is a power of two, and a size that is a multiple"
                ))
                .into()
            })
    }

    fn describe(&self, ring: &Inspection, done: &str) -> String {
        let length = ByteSize(ring.segment_length()).display().iec();
        let (name, capacity) = (&self.name, ring.capacity());
        match ring.kind() {
            Found::Stream { element_size, element_align } => format!(
                "{done} {name}: a stream of {} of {} aligned to {element_align}, {length}\n",
                count(capacity as u64, "element"),
                count(element_size as u64, "byte")
            ),
            Found::Message { record_alignment } => {
                format!("{done} {name}: {capacity} bytes for messages, at multiples of {record_alignment}, {length}\n")
            }
            _ => format!("{done} {name}: {length}\n"),
        }
    }
}

fn refuse(option: &str, value: Option<usize>, why: &str) -> Result<()> {
    match value {
        None => Ok(()),
        Some(_) => Err(UsageError(format!("{option} is not for --kind {why}")).into()),
    }
}
