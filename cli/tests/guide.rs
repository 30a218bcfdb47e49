//! The first five minutes of docs/guide.md: each command is run in a shell, and its output compared with the page, as
//! it is on a terminal and as it is in a pipe, where no line is divided.
//!
//! The page is written anew where `RINGMAIN_WRITE` is set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

#[path = "look/screen.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod screen;
mod shell;
#[path = "look/terminal.rs"]
#[allow(dead_code, reason = "every test file uses its share")]
mod terminal;

use screen::Screen;
use shell::Shell;

/// The names of rings on the page.
const NAMES: [&str; 3] = ["numbers", "orders", "ticks"];

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md")
}

/// Names of this process, as long as those of the page, so that tables are as wide.
fn own(text: &str) -> String {
    let mut pid = format!("{:07}", std::process::id());
    pid = pid.split_off(pid.len() - 4);
    NAMES.iter().fold(text.to_owned(), |text, name| text.replace(name, &format!("{pid}{}", &name[4..])))
}

fn of_the_page(text: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, name| text.replace(&own(name), name))
}

/// The commands of the page, each with the lines that it shows below it.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), String::new())),
                None => commands.last_mut().unwrap().1.push_str(&format!("{line}\n")),
            }
        }
    }
    commands
}

/// How wide the page's terminal is.
const COLUMNS: u16 = 100;

/// Stands behind the output of each command.
const END: &str = "-- end of the command --";

/// A shell that runs all commands.
fn shell_of(commands: &[(String, String)]) -> Command {
    // What stands between two commands must not be the last command of the next one's `$?`.
    let script: String = commands
        .iter()
        .map(|(command, _)| format!("{}\nlast=$?; printf '\\n{END}\\n'; (exit $last)\n", own(command)))
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_ringmain")).parent().unwrap().to_owned();
    let path = env::join_paths([program].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap()))).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec 2>&1\n{script}")]).env("PATH", path).env("TERM", "xterm");
    shell
}

/// Runs all commands in one shell, and returns what each printed into a file: what the shell leaves in the background
/// would keep a pipe open.
fn printed(commands: &[(String, String)]) -> Vec<String> {
    let file = env::temp_dir().join(format!("ringmain-guide-{}", std::process::id()));
    let mut shell = shell_of(commands);
    Shell::start(shell.stdin(Stdio::null()).stdout(fs::File::create(&file).unwrap())).end();
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    divided(&text, commands)
}

/// The same on a terminal.
fn seen(commands: &[(String, String)]) -> Vec<String> {
    let mut screen = Screen::new(400, COLUMNS);
    let mut shell = screen.terminal.lead(&mut shell_of(commands));
    let count = commands.len();
    let text = screen.see("the end of the last command", |screen| {
        let text = screen.rows().concat();
        (text.matches(END).count() == count).then_some(text)
    });
    shell.end();
    assert!(!text.contains('⏎'), "a line is wider than the terminal:\n{text}");
    divided(&text, commands)
}

/// Divides what all commands printed.
fn divided(text: &str, commands: &[(String, String)]) -> Vec<String> {
    let text = of_the_page(text);
    let mut outputs: Vec<&str> = text.split(&format!("\n{END}\n")).collect();
    assert_eq!(outputs.pop(), Some(""));
    assert_eq!(outputs.len(), commands.len(), "{text}");
    outputs.iter().zip(commands).map(|(output, (command, _))| shown(command, output)).collect()
}

/// What the page shows of an output: no lines of the shell about its jobs, no rings of others.
fn shown(command: &str, output: &str) -> String {
    let ours = |line: &str| {
        command != "ringmain ls" || line.starts_with("NAME") || NAMES.iter().any(|&name| line.starts_with(name))
    };
    let lines = output.lines().filter(|line| !line.contains(" Killed ") && ours(line));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The same without what differs from run to run: the process ids, and the width of columns.
fn comparable(output: &str) -> String {
    let words = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        for at in 1..words.len() {
            if words[at] == "ringmain" && words[at - 1].bytes().all(|byte| byte.is_ascii_digit()) {
                words[at - 1] = "PID";
            }
        }
        words.join(" ")
    };
    output.lines().map(|line| words(line) + "\n").collect()
}

/// Puts what was printed below the commands.
fn written(page: &str, outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let mut inside = false;
    let mut text = String::new();
    for line in page.lines() {
        inside = if line.starts_with("```") { line == "```console" } else { inside };
        if !inside || line.starts_with("$ ") || line.starts_with("```") {
            text.push_str(&format!("{line}\n"));
        }
        if inside && line.starts_with("$ ") {
            text.push_str(outputs.next().unwrap());
        }
    }
    text
}

#[test]
fn the_first_five_minutes_are_as_the_guide_shows_them() {
    let text = fs::read_to_string(page()).unwrap();
    let commands = commands(&text);
    assert!(commands.len() > 10, "the guide shows only {} commands", commands.len());
    let outputs = seen(&commands);
    if env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(page(), written(&text, &outputs)).unwrap();
        return;
    }
    for ((command, shown), output) in commands.iter().zip(&outputs) {
        assert_eq!(comparable(output), comparable(shown), "`{command}` of docs/guide.md");
    }
    // In a pipe a sentence is one line.
    let words = |text: &str| comparable(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for ((command, shown), output) in commands.iter().zip(&printed(&commands)) {
        assert_eq!(words(output), words(shown), "`{command}` of docs/guide.md in a pipe");
    }
}

#[test]
fn an_output_that_is_not_that_of_the_page_is_found() {
    assert_ne!(comparable("buy 100\n"), comparable("buy 101\n"));
    assert_eq!(comparable("ticks  17 ringmain  -\n"), comparable("ticks 4000 ringmain -\n"));
    assert_ne!(comparable("ticks 17 ringmain\n"), comparable("ticks - ringmain\n"));
    let page = "```console\n$ one\nold\n$ two\n```\nend\n";
    assert_eq!(commands(page), [("one".into(), "old\n".into()), ("two".into(), String::new())]);
    assert_eq!(written(page, &["new\n".into(), "2\n".into()]), "```console\n$ one\nnew\n$ two\n2\n```\nend\n");
}
