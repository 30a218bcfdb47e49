//! The `ringmain` command.

#![deny(unsafe_code)]
// What cannot be printed ends the program by a panic there. All goes through `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod act;
mod bar;
mod bench;
mod chaos;
mod ending;
mod fit;
mod limits;
mod look;
mod output;
mod pages;
mod printable;
mod streams;
mod usage;
mod words;

use std::io;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use bench::Bench;
use chaos::Chaos;
use ending::Ending;
use streams::Stream;

/// Rings between processes, in shared memory
#[derive(Debug, Parser)]
#[command(name = "ringmain", version, max_term_width = 100, after_help = ending::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure rings against pipes, sockets and the machine's limit
    ///
    /// Two processes, each on a processor of its own, send messages to one another, in rounds: each round measures
    /// every transport once per size. Every byte is written and read. The report gives medians, ranges, and ratios that
    /// are taken within each round, since machines are slow and fast by turns. The tests paced and idle are measured
    /// once.
    #[command(after_help = ending::EXIT_CODES)]
    Bench(Box<Bench>),
    /// Kill producers and consumers all the time, and check that nothing is lost
    ///
    /// A stream ring and a message ring live at the same time, with every end in a process of its own. These are
    /// killed, stopped, restarted and replaced by a plan that is drawn from a seed. The exit code is 1 if anything was
    /// lost, torn, invented, repeated or told wrongly, or came to a stand.
    #[command(after_help = ending::EXIT_CODES)]
    Chaos(Chaos),
    #[command(flatten)]
    Look(look::Look),
    #[command(flatten)]
    Act(act::Act),
}

fn main() -> ExitCode {
    let result = match role() {
        Some(work) => {
            // The system has named it after the last part of `/proc/self/exe`. It is only a name.
            let _ = rustix::thread::set_name(c"ringmain");
            work()
        }
        None => obey(),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if !ending::is_silent(&error) {
        output::say_error(&error);
    }
    // Whether it could be said changes nothing.
    ExitCode::from(ending::code(&error))
}

/// Returns what this process is there for if it was started by another one of this program: its name says so. That is
/// no verb, and each of these takes its orders from a channel that no shell can open.
fn role() -> Option<fn() -> Result<()>> {
    match std::env::args_os().next()?.to_str()? {
        bench::PEER => Some(bench::serve),
        chaos::WORKER => Some(chaos::work),
        chaos::KEEPER => Some(chaos::keep),
        _ => None,
    }
}

/// Does what the command line says.
fn obey() -> Result<()> {
    // What a shell asks for that was given completions.
    clap_complete::CompleteEnv::with_factory(|| pages::with_candidates(Cli::command()))
        .var(pages::COMPLETE)
        .shells(pages::SHELLS)
        .complete();
    match Cli::try_parse() {
        Ok(cli) => run(&cli),
        Err(answer) => print_answer(&answer),
    }
}

/// Prints what the command line itself is answered with: help, the version, or what is wrong with it.
fn print_answer(answer: &clap::Error) -> Result<()> {
    let text = answer.render();
    let text = |has_colours| if has_colours { text.ansi().to_string() } else { text.to_string() };
    if answer.use_stderr() {
        output::say(&text(output::has_colours_on(&io::stderr())));
        return Err(Ending::Refused.into());
    }
    Stream::Out.require()?;
    output::print_prose(&text(output::has_colours()))
}

/// Returns the streams without which a command does nothing.
fn needed(command: &Command) -> &'static [Stream] {
    match command {
        Command::Chaos(_) => &[Stream::Out, Stream::Err],
        Command::Act(act::Act::Write(_)) => &[Stream::In],
        Command::Bench(_) | Command::Look(_) | Command::Act(_) => &[Stream::Out],
    }
}

fn run(cli: &Cli) -> Result<()> {
    needed(&cli.command).iter().try_for_each(|stream| stream.require())?;
    match &cli.command {
        Command::Bench(bench) => bench::run(bench),
        Command::Chaos(chaos) => chaos::run(chaos),
        Command::Look(look) => look::run(look),
        Command::Act(act) => act::run(act, &Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_verb_no_option_and_no_value_is_hidden() {
        let command = Cli::command();
        for verb in command.get_subcommands() {
            assert!(!verb.is_hide_set(), "{}", verb.get_name());
            for argument in verb.get_arguments() {
                let hidden = argument.get_possible_values().into_iter().find(|value| value.is_hide_set());
                assert!(!argument.is_hide_set() && hidden.is_none(), "{} {argument} {hidden:?}", verb.get_name());
            }
        }
    }
}
