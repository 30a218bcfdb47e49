//! `ringmain create`.

use std::alloc::Layout;

use anyhow::{Context, Result};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use ringmain::inspect::{Inspection, Kind as Found};
use ringmain::{Creation, Options};

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

impl Create {
    pub(super) fn run(&self) -> Result<()> {
        let creation = if self.exclusive { Creation::New } else { Creation::IfMissing };
        let mut options =
            Options::new(&self.name).capacity(self.capacity).type_tag(&self.type_tag).mode(self.mode).create(creation);
        let stood = Inspection::open(&self.name).is_ok();
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
        let text = self.describe(if stood { "found" } else { "created" })?;
        print_prose(&text)
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

    fn describe(&self, done: &str) -> Result<String> {
        let ring = Inspection::open(&self.name)?;
        let length = ByteSize(ring.segment_length()).display().iec();
        let (name, capacity) = (&self.name, ring.capacity());
        Ok(match ring.kind() {
            Found::Stream { element_size, element_align } => format!(
                "{done} {name}: a stream of {} of {} aligned to {element_align}, {length}\n",
                count(capacity as u64, "element"),
                count(element_size as u64, "byte")
            ),
            Found::Message { record_alignment } => {
                format!("{done} {name}: {capacity} bytes for messages, at multiples of {record_alignment}, {length}\n")
            }
            _ => format!("{done} {name}: {length}\n"),
        })
    }
}

fn refuse(option: &str, value: Option<usize>, why: &str) -> Result<()> {
    match value {
        None => Ok(()),
        Some(_) => Err(UsageError(format!("{option} is not for --kind {why}")).into()),
    }
}
