//! The verbs that act on rings: create, remove, write, read; and what helps to use them.

mod attach;
mod create;
mod doctor;
mod frames;
mod framing;
mod meter;
mod peer;
mod read;
mod rm;
mod size;
mod write;

use anyhow::Result;
use clap::Subcommand;

use crate::ending::EXIT_CODES;
use crate::pages::{Completions, Man};

/// What can be done to rings.
#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// Make a ring without taking an end of it
    #[command(after_help = EXIT_CODES)]
    Create(create::Create),
    /// Remove rings that nobody holds
    #[command(after_help = EXIT_CODES)]
    Rm(rm::Remove),
    /// Move stdin into a ring
    ///
    /// Whoever comes first, the writer or the reader, makes the ring: a stream of bytes of 1 MiB, unless --framing or
    /// --capacity say otherwise. It ends when stdin does. What is in the ring stays for the reader. While no reader is
    /// there, or after one was killed, it waits for the next one as soon as the ring is full; after one that left in
    /// order, it ends with 141.
    #[command(after_help = EXIT_CODES)]
    Write(write::Write),
    /// Move what comes out of a ring to stdout
    ///
    /// Whoever comes first, the writer or the reader, makes the ring: a stream of bytes of 1 MiB, unless --framing or
    /// --capacity say otherwise. It ends when the writer has left and all is read. Room is given back when stdout has
    /// taken what was in it: where a reader is killed, the next one repeats at most 32 KiB, or as many and one
    /// message more, that were under way.
    #[command(after_help = EXIT_CODES)]
    Read(read::Read),
    /// Look at what this machine offers to rings, and say what to change
    #[command(after_help = EXIT_CODES)]
    Doctor(doctor::Doctor),
    /// Print the completions for a shell
    #[command(after_help = EXIT_CODES)]
    Completions(Completions),
    /// Print a manual page, or write all of them to a folder
    #[command(after_help = EXIT_CODES)]
    Man(Man),
}

/// Does what was asked for. `command` is the whole command line, for those who describe it.
pub(crate) fn run(act: &Act, command: &clap::Command) -> Result<()> {
    match act {
        Act::Create(create) => create.run(),
        Act::Rm(remove) => remove.run(),
        Act::Write(write) => write.run(),
        Act::Read(read) => read.run(),
        Act::Doctor(doctor) => doctor.run(),
        Act::Completions(completions) => completions.run(),
        Act::Man(man) => man.run(command),
    }
}
