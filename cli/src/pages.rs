//! What helps to use the command: a manual page for each verb, and completions for shells.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{PossibleValue, Resettable, StyledStr};
use clap::{ArgAction, Args};
use clap_complete::engine::{self, ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{self, EnvCompleter, Shells};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
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
            ("ringmain chaos --seconds 60 --plant lose", "ends with 1: a worker leaves elements out"),
        ],
        files: &[("/dev/shm/ringmain-chaos.PID.*", "the rings of a run; it removes them")],
    },
    Extra {
        verb: "completions",
        examples: &[
            ("source <(ringmain completions bash)", "completes verbs, options, rings and columns in this shell"),
            (
                "ringmain completions fish > ~/.config/fish/completions/ringmain.fish",
                "does so in each shell that is started from now on",
            ),
        ],
        files: &[
            ("~/.local/share/bash-completion/completions/ringmain", "where bash looks for those of a user"),
            ("~/.local/share/zsh/site-functions/_ringmain", "for zsh, if the folder is in its fpath"),
            ("~/.config/fish/completions/ringmain.fish", "for fish"),
        ],
    },
    Extra {
        verb: "man",
        examples: &[
            ("ringmain man write | man -l -", "shows the page of a verb"),
            ("ringmain man --to ~/.local/share/man/man1", "installs all pages"),
        ],
        files: &[("~/.local/share/man/man1", "where man looks for the pages of a user")],
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
    command = command.mut_subcommands(|verb| verb.after_help(Resettable::Reset)).subcommand_help_heading("COMMANDS");
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

/// Writes a page, with the sections and in the order of man-pages(7).
fn page(command: &clap::Command, verb: &str) -> Result<String> {
    let name = if verb.is_empty() { "ringmain".to_owned() } else { format!("ringmain-{verb}") };
    // By hand: an argument that is empty, as the date is, would be left out, and the next one taken for it.
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(".TH {name} 1 \"\" \"ringmain {version}\" \"User Commands\"\n").into_bytes();
    let page = clap_mangen::Man::new(command.clone());
    page.render_name_section(&mut text)?;
    let mut more = Roff::new();
    more.control("SH", ["SYNOPSIS"]);
    // No hyphen stands in an option that is not its own.
    more.control("ad", ["l"]).control("nh", []).text(synopsis(command)).control("hy", []).control("ad", ["b"]);
    text.extend(more.render().replace(UNBROKEN, "\\ ").bytes());
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if verb.is_empty() {
        page.render_subcommands_section(&mut text)?;
    }
    let mut more = Roff::new();
    let extra = EXTRAS.iter().find(|extra| extra.verb == verb);
    let extra = extra.with_context(|| format!("{name} has no files and no examples"))?;
    listed(&mut more, "EXIT STATUS", exit_codes().iter().map(|(code, means)| (code.as_str(), means.as_str())));
    listed(&mut more, "FILES", extra.files.iter().copied());
    listed(&mut more, "EXAMPLES", extra.examples.iter().copied());
    more.control("SH", ["SEE ALSO"]);
    let verbs = command.get_subcommands().map(|verb| format!("ringmain-{}(1)", verb.get_name()));
    let others: Vec<String> = if verb.is_empty() { verbs.collect() } else { vec!["ringmain(1)".to_owned()] };
    more.text([roman(others.join(", "))]);
    more.to_writer(&mut text)?;
    Ok(String::from_utf8(text)?)
}

/// Stands between an option and its value, which stay in one line.
const UNBROKEN: char = '\u{a0}';

/// Writes what can stand on the command line: each option with its value, and what has no name.
fn synopsis(command: &clap::Command) -> Vec<Inline> {
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    let (positionals, options): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(|argument| !is_answered(argument)).partition(|it| it.is_positional());
    for argument in options.into_iter().chain(positionals) {
        let [open, close] = if argument.is_required_set() { ["", ""] } else { ["[", "]"] };
        line.push(roman(format!(" {open}")));
        let short = argument.get_short().map(|short| format!("-{short}"));
        let long = argument.get_long().map(|long| format!("--{long}"));
        for (at, name) in short.into_iter().chain(long).enumerate() {
            line.extend((at > 0).then(|| roman("|")));
            line.push(bold(name));
        }
        let values = argument.get_num_args().unwrap_or_default();
        if values.takes_values() {
            let name = argument.get_value_names().unwrap_or_default().join(" ");
            let between = if argument.is_positional() { String::new() } else { UNBROKEN.to_string() };
            match values.min_values() {
                0 if argument.is_require_equals_set() => line.extend([roman("[="), italic(name), roman("]")]),
                _ => line.extend([roman(between), italic(name)]),
            }
        }
        let is_many = argument.is_positional() && values.max_values() > 1;
        line.push(roman(format!("{close}{}", if is_many { "..." } else { "" })));
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND"), roman(" ...")]);
    }
    line
}

/// Returns whether an option is answered with a text, which no page has to say.
fn is_answered(argument: &clap::Arg) -> bool {
    use clap::ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(argument.get_action(), Help | HelpLong | HelpShort | Version)
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
        let shell = SHELLS.completer(&self.shell).context("the shells that are offered are known")?;
        let mut text = Vec::new();
        shell.write_registration(COMPLETE, "ringmain", "ringmain", "ringmain", &mut text)?;
        print(&String::from_utf8(text)?)
    }
}

/// The shells that can ask.
pub(crate) const SHELLS: Shells<'static> = Shells(&[&Bash, &env::Elvish, &env::Fish, &env::Powershell, &env::Zsh]);

/// Bash, which takes an equals sign for a word of its own, and completes what is behind it.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        text: &mut dyn Write,
    ) -> io::Result<()> {
        let mut script = Vec::new();
        env::Bash.write_registration(var, name, bin, completer, &mut script)?;
        // What is asked about behind an equals sign is empty, and that sign would be written over.
        let asked = "words[COMP_CWORD]=\"$2\"";
        let script = String::from_utf8_lossy(&script);
        write!(text, "{}", script.replace(asked, &format!("[[ ${{words[COMP_CWORD]}} == = ]] || {asked}")))
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        text: &mut dyn Write,
    ) -> io::Result<()> {
        let Words { all, asked, behind } = Words::of(words);
        let found = engine::complete(command, all, asked, folder)?;
        let found = found.iter().filter(|candidate| !candidate.is_hide_set());
        let values = found.filter_map(|candidate| candidate.get_value().to_str()?.get(behind..));
        let between = std::env::var("_CLAP_IFS").unwrap_or_else(|_| "\n".to_owned());
        write!(text, "{}", values.collect::<Vec<_>>().join(&between))
    }
}

/// The command line that a shell asks about.
struct Words {
    all: Vec<OsString>,
    /// Which of them is to be completed.
    asked: usize,
    /// How much of that stands before what the shell takes for the word.
    behind: usize,
}

impl Words {
    fn of_shell() -> Words {
        Words::of(std::env::args_os().skip_while(|word| word != "--").skip(1).collect())
    }

    fn of(words: Vec<OsString>) -> Words {
        // As the completions for bash, zsh and elvish say; the others give nothing that is behind the cursor.
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse::<usize>().ok());
        let index = index.unwrap_or(usize::MAX).min(words.len().saturating_sub(1));
        let mut joined = Words { all: Vec::new(), asked: 0, behind: 0 };
        for (at, word) in words.into_iter().enumerate() {
            let last = joined.all.last_mut().filter(|last| last.as_bytes().starts_with(b"--"));
            let last = last.filter(|last| last.as_bytes().ends_with(b"=") || word == "=");
            let behind = match last {
                Some(last) => {
                    let len = last.len();
                    last.push(&word);
                    if word == "=" { len + 1 } else { len }
                }
                None => {
                    joined.all.push(word);
                    0
                }
            };
            if at <= index {
                (joined.asked, joined.behind) = (joined.all.len() - 1, behind);
            }
        }
        joined
    }

    fn asked(&self) -> Option<Cow<'_, str>> {
        Some(self.all.get(self.asked)?.to_string_lossy())
    }

    /// Those behind the verb, but for the one that is asked about.
    fn others(&self) -> impl Iterator<Item = &OsString> {
        self.all.iter().enumerate().skip(2).filter(|(at, _)| *at != self.asked).map(|(_, word)| word)
    }

    /// Returns whether an option stands there that may stand there once.
    fn has(&self, argument: &clap::Arg) -> bool {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        let is_it = |word: &OsString| {
            let word = word.to_string_lossy();
            word.split('=').next() == long.as_deref() || short.as_ref().is_some_and(|short| word.starts_with(short))
        };
        !matches!(argument.get_action(), ArgAction::Append | ArgAction::Count) && self.others().any(is_it)
    }
}

/// Tells the completions of a command line what its values can be: verbs, rings that stand, and columns.
pub(crate) fn with_candidates(command: clap::Command) -> clap::Command {
    let verbs = command.get_subcommands();
    let verbs: Vec<Offer> = verbs.map(|verb| (verb.get_name().to_owned(), verb.get_about().cloned())).collect();
    let words = Words::of_shell();
    command.mut_subcommands(|verb| {
        // A name for a new ring is none that stands, and what was pushed takes two looks.
        let (takes_rings, is_of_one_look) = (verb.get_name() != "create", verb.get_name() == "ls");
        verb.mut_args(|argument| {
            let is_given = words.has(&argument);
            let argument = argument.hide(is_given);
            let values = argument.get_possible_values();
            match argument.get_id().as_str() {
                "name" | "names" if takes_rings => argument.add(ArgValueCandidates::new(rings)),
                "output" => {
                    let columns = look::column_names(is_of_one_look).into_iter();
                    argument.add(offered(columns.map(|column| (column.to_owned(), None)).collect()))
                }
                "verb" => argument.add(offered(verbs.clone())),
                _ if argument.get_value_delimiter().is_some() && !values.is_empty() => {
                    let value = |it: &PossibleValue| (it.get_name().to_owned(), it.get_help().cloned());
                    argument.add(offered(values.iter().map(value).collect()))
                }
                _ => argument,
            }
        })
    })
}

/// A value that is offered, and what it means.
type Offer = (String, Option<StyledStr>);

/// Offers values; those of a list but for those that stand before the comma already.
fn offered(all: Vec<Offer>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || {
        let words = Words::of_shell();
        let asked = words.asked().unwrap_or_default();
        let given = asked.rsplit_once(',').map_or("", |(given, _)| given);
        let given: Vec<&str> = given.split([',', '=']).collect();
        let left = all.iter().filter(|(name, _)| !given.contains(&name.as_str()));
        left.map(|(name, means)| CompletionCandidate::new(name).help(means.clone())).collect()
    })
}

/// The rings that stand, but for those that the command line has already.
fn rings() -> Vec<CompletionCandidate> {
    let words = Words::of_shell();
    let found = Inspection::all().into_iter().flatten().filter(|found| words.others().all(|word| *word != found.name));
    let rings = found.filter(|found| matches!(found.condition(), Condition::Ring | Condition::OtherVersion));
    // The names of rings need no quotes.
    rings.map(|found| CompletionCandidate::new(found.name)).collect()
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
            let own = if name == "ringmain.1" { &["COMMANDS"][..] } else { &[] };
            let before = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"];
            let expected = [&before[..], own, &["\"EXIT STATUS\"", "FILES", "EXAMPLES", "\"SEE ALSO\""]].concat();
            let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
            assert_eq!(sections, expected, "{name}");
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

    /// What a page has as its synopsis, without what makes it bold.
    fn synopsis_of(verb: &str) -> String {
        let command = prepared(&Cli::command());
        let line = synopsis(if verb.is_empty() { &command } else { command.find_subcommand(verb).unwrap() });
        let text = line.iter().map(|part| match part {
            Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.as_str(),
            Inline::LineBreak => "\n",
        });
        text.collect::<String>().replace(UNBROKEN, " ")
    }

    #[test]
    fn a_synopsis_has_what_is_required_what_may_be_said_and_what_may_be_said_often() {
        assert_eq!(synopsis_of(""), "ringmain COMMAND ...");
        assert_eq!(synopsis_of("rm"), "ringmain rm [--stale] [--dry-run] [--force] [NAME]...");
        assert_eq!(synopsis_of("doctor"), "ringmain doctor [--json] [--strict]");
        assert_eq!(synopsis_of("completions"), "ringmain completions SHELL");
        assert_eq!(synopsis_of("man"), "ringmain man [--to DIR] [VERB]");
        assert_eq!(synopsis_of("ls"), "ringmain ls [-o|--output COLUMN,...] [--json] [-n|--noheadings] [-b|--bytes]");
        let create = synopsis_of("create");
        assert!(create.starts_with("ringmain create --kind KIND --capacity N [--element-size BYTES]"), "{create}");
        assert!(create.ends_with(" [--exclusive] NAME"), "{create}");
        let read = synopsis_of("read");
        assert!(read.contains(" [--framing FRAMING] ") && read.contains(" [--progress[=WHEN]] "), "{read}");
    }

    #[test]
    fn each_option_of_a_verb_stands_in_its_synopsis_and_among_its_options() {
        let command = prepared(&Cli::command());
        for verb in command.get_subcommands() {
            let (line, page) = (synopsis_of(verb.get_name()), page(verb, verb.get_name()).unwrap());
            for option in verb.get_arguments().filter_map(clap::Arg::get_long).filter(|option| *option != "help") {
                let escaped = format!("\\fB\\-\\-{}\\fR", option.replace('-', "\\-"));
                assert!(line.contains(&format!("--{option}")), "{option}: {line}");
                assert_eq!(page.matches(&escaped).count(), 2, "{option}: {page}");
            }
        }
    }

    #[test]
    fn a_page_says_its_name_its_version_and_no_date() {
        let command = prepared(&Cli::command());
        let page = page(command.find_subcommand("rm").unwrap(), "rm").unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(".TH ringmain-rm 1 \"\" \"ringmain {version}\" \"User Commands\"");
        assert_eq!(page.lines().next(), Some(&*expected));
    }

    #[test]
    fn exit_codes_are_read_from_what_each_help_says() {
        let codes = exit_codes();
        let numbers: Vec<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(numbers, ["0", "1", "2", "3", "141"]);
        assert!(codes.iter().all(|(_, means)| !means.is_empty() && !means.contains("  ")), "{codes:?}");
    }
}
