//! What helps to use the command: a manual page for each verb, and completions for shells.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::Resettable;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Shells};
use clap_mangen::roff::{Roff, bold, roman};
use ringmain::inspect::{Condition, Inspection};

use crate::ending::EXIT_CODES;
use crate::look;
use crate::output::print;
use crate::usage::UsageError;

/// The variable in which a shell that was given completions asks for candidates.
pub(crate) const COMPLETE: &str = "COMPLETE";

/// What the pages show of a verb, or of the command itself.
struct Extra {
    verb: &'static str,
    /// Command lines, and what they do.
    examples: &'static [(&'static str, &'static str)],
    files: &'static [(&'static str, &'static str)],
}

const RING: (&str, &str) = ("/dev/shm/NAME", "the ring NAME");
const ALL: (&str, &str) = ("/dev/shm", "all objects of shared memory, rings among them");

const EXTRAS: &[Extra] = &[
    Extra {
        verb: "",
        examples: &[
            ("seq 1 1000 | ringmain write numbers", "moves lines into a ring, as bytes"),
            ("ringmain read numbers", "takes them out again, here or in another terminal"),
            ("ringmain ls", "shows every ring"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "create",
        examples: &[
            ("ringmain create quotes --kind message --capacity 1M --alignment 64", "makes a ring of messages"),
            (
                "ringmain create ticks --kind stream --capacity 64K --element-size 16 --type-tag tick",
                "makes a ring of structs, for programs that give the same type tag",
            ),
        ],
        files: &[RING],
    },
    Extra {
        verb: "rm",
        examples: &[
            ("ringmain rm quotes ticks", "removes two rings, if nobody holds an end of them"),
            ("ringmain rm --stale --dry-run", "shows which rings were left by killed processes"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "write",
        examples: &[
            ("seq 1 50000000 | ringmain write numbers", "writes bytes, as a pipe carries them"),
            ("tail -f log | ringmain write log --framing lines", "sends each line as a message"),
            ("ringmain write picture < picture.raw --progress", "shows how much of the file was moved"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "read",
        examples: &[
            ("ringmain read numbers | md5sum", "reads until the writer has left and all is read"),
            ("ringmain read log --follow", "waits for the next writer after each one"),
            ("ringmain read log --count 1 --unlink", "takes one message, and removes the ring"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "ls",
        examples: &[
            ("ringmain ls", "a line for each object"),
            ("ringmain ls -o name,state,reason", "says why an object is no ring, or cannot be read"),
            ("ringmain ls --json", "an object of JSON for each, for scripts"),
        ],
        files: &[ALL],
    },
    Extra {
        verb: "stat",
        examples: &[
            ("ringmain stat quotes", "all that is known of a ring"),
            ("ringmain stat quotes --interval 1s", "the same once more after a second, with rates"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "watch",
        examples: &[
            ("ringmain watch", "draws all rings until q is pressed"),
            ("ringmain watch quotes --count 3", "prints three lines, one each second"),
        ],
        files: &[ALL],
    },
    Extra {
        verb: "tap",
        examples: &[
            ("ringmain tap quotes --follow", "prints what passes, and takes nothing"),
            ("ringmain tap quotes --new --format json --count 10", "the next ten messages, as JSON"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "doctor",
        examples: &[
            ("ringmain doctor", "looks at the machine, and says what to change"),
            ("ringmain doctor --strict", "fails if something needs attention"),
        ],
        files: &[ALL, ("/proc", "processes, limits and namespaces"), ("/sys", "processors and huge pages")],
    },
    Extra {
        verb: "bench",
        examples: &[
            ("ringmain bench --quick", "ten seconds: rings beside pipes, sockets and bare cache lines"),
            ("ringmain bench --export out", "some minutes, with plots, tables and percentiles"),
        ],
        files: &[("DIR/results.json", "the results of --export DIR, beside tables and plots")],
    },
    Extra {
        verb: "chaos",
        examples: &[
            ("ringmain chaos --seconds 20", "kills both ends of two rings again and again"),
            ("ringmain chaos --minutes 5 --seed 7", "follows the plan of a seed"),
        ],
        files: &[RING],
    },
    Extra {
        verb: "completions",
        examples: &[(
            "source <(ringmain completions bash)",
            "completes verbs, options, rings and columns in this shell",
        )],
        files: &[],
    },
    Extra {
        verb: "man",
        examples: &[
            ("ringmain man write | man -l -", "shows the page of a verb"),
            ("ringmain man --to ~/.local/share/man/man1", "installs all pages"),
        ],
        files: &[],
    },
];

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page of this verb; without it that of the command
    verb: Option<String>,
    /// Write the pages of all verbs to this folder, which is made
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    to: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, command: &clap::Command) -> Result<()> {
        let command = prepared(command);
        let Some(folder) = &self.to else { return print(&self.page(&command)?) };
        let context = || format!("cannot write pages to {}", folder.display());
        fs::create_dir_all(folder).with_context(context)?;
        for (name, page) in pages(&command)? {
            fs::write(folder.join(name), page).with_context(context)?;
        }
        Ok(())
    }

    fn page(&self, command: &clap::Command) -> Result<String> {
        let Some(verb) = &self.verb else { return page(command, "") };
        match command.find_subcommand(verb) {
            Some(found) => page(found, verb),
            None => {
                let all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                Err(UsageError(format!("no verb {verb:?}; there are {}", all.join(", "))).into())
            }
        }
    }
}

/// Returns the command as the pages show it.
fn prepared(command: &clap::Command) -> clap::Command {
    let mut command = command.clone().disable_help_subcommand(true).after_help(Resettable::Reset);
    command = command.mut_subcommands(|verb| verb.after_help(Resettable::Reset));
    command.build();
    command
}

/// Returns all pages, and the names of their files.
fn pages(command: &clap::Command) -> Result<Vec<(String, String)>> {
    let own = [("ringmain.1".to_owned(), page(command, "")?)];
    let others = command
        .get_subcommands()
        .map(|verb| Ok((format!("ringmain-{}.1", verb.get_name()), page(verb, verb.get_name())?)));
    own.into_iter().map(Ok).chain(others).collect()
}

fn page(command: &clap::Command, verb: &str) -> Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).manual("ringmain").render(&mut text)?;
    let mut more = Roff::new();
    if let Some(extra) = EXTRAS.iter().find(|extra| extra.verb == verb) {
        listed(&mut more, "EXAMPLES", extra.examples.iter().copied());
        listed(&mut more, "FILES", extra.files.iter().copied());
    }
    listed(&mut more, "EXIT STATUS", exit_codes().iter().map(|(code, means)| (code.as_str(), means.as_str())));
    more.control("SH", ["SEE ALSO"]);
    more.text([roman(if verb.is_empty() {
        "The pages of the verbs; docs/command.md and docs/operations.md in the sources."
    } else {
        "ringmain(1)"
    })]);
    more.to_writer(&mut text)?;
    Ok(String::from_utf8(text)?)
}

/// Adds a section of terms, each with what it means; none if there are none.
fn listed<'a>(page: &mut Roff, title: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    for (at, (term, means)) in entries.enumerate() {
        if at == 0 {
            page.control("SH", [title]);
        }
        page.control("TP", []);
        page.text([bold(term)]);
        page.text([roman(means)]);
    }
}

/// The exit codes, and what each means, from the end of each help.
fn exit_codes() -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for line in EXIT_CODES.lines().skip(1) {
        match line.trim_start().split_once(' ') {
            Some((code, means)) if code.bytes().all(|byte| byte.is_ascii_digit()) => {
                codes.push((code.to_owned(), means.trim().to_owned()));
            }
            _ => {
                if let Some((_, means)) = codes.last_mut() {
                    means.push_str(&format!(" {}", line.trim()));
                }
            }
        }
    }
    codes
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Of which shell
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

impl Completions {
    /// Prints what makes a shell ask this program for candidates.
    pub(crate) fn run(&self) -> Result<()> {
        let shells = Shells::builtins();
        let shell: &dyn EnvCompleter =
            shells.completer(&self.shell).context("the shells that are offered are known")?;
        let mut text = Vec::new();
        shell.write_registration(COMPLETE, "ringmain", "ringmain", "ringmain", &mut text)?;
        print(&String::from_utf8(text)?)
    }
}

/// Tells the completions of a command line what its values can be: rings that stand, and columns.
pub(crate) fn with_candidates(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|verb| {
        // A name for a new ring is none that stands.
        let takes_rings = verb.get_name() != "create";
        verb.mut_args(move |argument| match argument.get_id().as_str() {
            "name" | "names" if takes_rings => argument.add(ArgValueCandidates::new(rings)),
            "output" => argument.add(ArgValueCandidates::new(columns)),
            _ => argument,
        })
    })
}

fn rings() -> Vec<CompletionCandidate> {
    let found = Inspection::all().into_iter().flatten();
    let rings = found.filter(|found| matches!(found.condition(), Condition::Ring | Condition::OtherVersion));
    // The names of rings need no quotes.
    rings.map(|found| CompletionCandidate::new(found.name)).collect()
}

fn columns() -> Vec<CompletionCandidate> {
    look::column_names().into_iter().map(CompletionCandidate::new).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn each_verb_has_a_page_with_examples_and_no_page_names_one_that_is_not_there() {
        let pages = pages(&prepared(&Cli::command())).unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"ringmain.1") && names.contains(&"ringmain-write.1"), "{names:?}");
        for (name, page) in &pages {
            for section in ["NAME", "SYNOPSIS", "EXAMPLES", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
                assert!(page.lines().any(|line| line == format!(".SH {section}")), "{name} has no {section}");
            }
            let plain = page.replace("\\-", "-");
            for (at, _) in plain.match_indices("(1)") {
                let start = plain[..at]
                    .rfind(|byte: char| !(byte.is_ascii_alphanumeric() || byte == '-'))
                    .map_or(0, |at| at + 1);
                let file = format!("{}.1", &plain[start..at]);
                assert!(names.contains(&file.as_str()), "{name} names {file}");
            }
        }
        let verbs = EXTRAS.iter().filter(|extra| !extra.verb.is_empty()).count();
        assert_eq!(verbs + 1, pages.len(), "examples of a verb that is not there");
    }

    #[test]
    fn exit_codes_are_read_from_what_each_help_says() {
        let codes = exit_codes();
        let numbers: Vec<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(numbers, ["0", "1", "2", "3", "141"]);
        assert!(codes.iter().all(|(_, means)| !means.is_empty() && !means.contains("  ")), "{codes:?}");
    }
}
