//! The same work on ringmain and on other crates: interleaved rounds, medians of the pairwise ratios.
//!
//! ringmain runs across two processes on a named segment. Crates that have no way between processes run across two
//! threads. Both ends are pinned to two processors where there are two.

mod capacities;
mod line;
mod machine;
mod processes;
mod regimes;
mod report;
mod results;
mod sizes;
mod subjects;
mod tasks;
mod threads;
mod values;
mod work;

use std::error::Error;

use clap::{Parser, Subcommand};

/// Measures ringmain against other crates, interleaved. Without a command: against rtrb, by capacity.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    capacities: capacities::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Measures every subject with every size of values.
    Sizes(sizes::Arguments),
    /// Measures tasks that await ringmain's rings beside tasks that await a socket of tokio's.
    Tasks(tasks::Arguments),
    /// Writes the pages and pictures of a folder once more, from the results that stand beside them.
    Report(report::Arguments),
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().next() {
        Some(name) if name == processes::WORKER => return processes::run_worker(subjects::answer),
        Some(name) if name == tasks::WORKER => return tasks::run_worker(),
        _ => {}
    }
    let arguments = Cli::parse();
    match arguments.command {
        None => capacities::run(&arguments.capacities),
        Some(Command::Sizes(arguments)) => sizes::run(&arguments),
        Some(Command::Tasks(arguments)) => tasks::compare(&arguments),
        Some(Command::Report(arguments)) => report::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::subjects::{ALL, NOT_BUILT};

    /// All sources below a folder, in one text.
    fn sources(folder: &Path) -> String {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() }).collect()
    }

    /// What stands in backticks.
    fn quoted(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    /// What is written into pages names options and calls: they are those of today.
    #[test]
    fn notes_name_calls_and_options_that_there_are() {
        let library = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"));
        let mut named = 0;
        for subject in ALL.iter().filter(|subject| subject.is_ringmain()) {
            for call in quoted(subject.note).map(|quote| quote.split('(').next().unwrap()) {
                assert!(library.contains(&format!("fn {call}(")), "{}: no `{call}` in src/", subject.name);
                named += 1;
            }
        }
        let command = Cli::command();
        let reasons = ALL.iter().filter_map(|subject| subject.left_out).chain(NOT_BUILT.iter().map(|it| it.why));
        for words in reasons.flat_map(quoted).map(|quote| quote.split(' ').collect::<Vec<_>>()) {
            let Some(verb) = command.find_subcommand(words[0]) else { continue };
            let options = words.iter().filter_map(|word| word.strip_prefix("--"));
            for option in options {
                let has = verb.get_arguments().any(|argument| argument.get_long() == Some(option));
                assert!(has, "no option --{option} of {}", words[0]);
                named += 1;
            }
        }
        assert!(named >= 3, "only {named} names were found");
    }
}
