//! `run PEER [PEER2]`: drives two programs through all scenarios, in both directions.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use conformance::peer::Program;
use conformance::scenarios::{Played, SCENARIOS, Scenario, play};

/// `conformance/run --help` prints it, before it has built anything.
const USAGE: &str = include_str!("usage.txt");

struct Asked {
    seconds: f64,
    seed: u64,
    scenarios: Vec<Scenario>,
    peers: Vec<String>,
}

fn arguments() -> Result<Option<Asked>> {
    let mut asked =
        Asked { seconds: 10.0, seed: fastrand::u64(..1 << 32), scenarios: SCENARIOS.to_vec(), peers: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        match &*argument {
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(None);
            }
            "--list" => {
                SCENARIOS.iter().for_each(|Scenario { name, shows, .. }| println!("{name:<12} {shows}"));
                return Ok(None);
            }
            "--seconds" => {
                let text = value()?;
                let seconds = text.parse().ok().filter(|seconds| (0.0..=1e6).contains(seconds));
                asked.seconds = seconds.with_context(|| format!("--seconds {text}, expected 0 to 1000000"))?;
            }
            "--seed" => {
                let text = value()?;
                asked.seed = text.parse().with_context(|| format!("--seed {text}, expected a number"))?;
            }
            "--only" => {
                let text = value()?;
                for name in text.split(',') {
                    ensure!(
                        SCENARIOS.iter().any(|scenario| scenario.name == name),
                        "there is no scenario {name:?}; --list names them"
                    );
                }
                asked.scenarios.retain(|scenario| text.split(',').any(|name| name == scenario.name));
            }
            option if option.starts_with("--") => bail!("there is no option {option}\n{USAGE}"),
            _ => asked.peers.push(argument),
        }
    }
    if asked.peers.len() == 1 {
        asked.peers.push("rust-peer".to_owned());
    }
    ensure!(asked.peers.len() == 2, "{} peers, expected one or two\n{USAGE}", asked.peers.len());
    Ok(Some(asked))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all went well.
fn run() -> Result<bool> {
    let Some(Asked { seconds, seed, scenarios, peers }) = arguments()? else { return Ok(true) };
    let [first, second] = [&peers[0], &peers[1]].map(|peer| Program::new(peer));
    let (first, second) = (first?, second?);
    println!("{} and {}: --seconds {seconds} --seed {seed}", first.title, second.title);
    let mut directions = vec![(&first, &second)];
    if peers[0] != peers[1] {
        directions.push((&second, &first));
    }
    let (start, mut played) = (Instant::now(), Vec::new());
    for scenario in scenarios {
        for (first, second) in &directions {
            progress(&format!("{}: {} to {}", scenario.name, first.title, second.title));
            played.push(play(scenario, first, second, seed, seconds));
        }
    }
    progress("");
    print(&played);
    let failed = played.iter().filter(|played| played.result.is_err()).count();
    println!("{} played, {failed} failed, in {:.0} s", played.len(), start.elapsed().as_secs_f64());
    Ok(failed == 0)
}

/// Says what is played, to whoever watches.
fn progress(text: &str) {
    let mut screen = std::io::stderr();
    if screen.is_terminal() {
        _ = write!(screen, "\r{text:<70}\r").and_then(|()| screen.flush());
    }
}

/// Prints the table.
fn print(played: &[Played]) {
    let width = played.iter().map(|played| played.direction.len()).max().unwrap_or(0);
    println!("{:<12} {:<width$} {:>7}  result", "scenario", "direction", "seconds");
    for Played { scenario, direction, took, result } in played {
        let (name, seconds) = (scenario.name, took.as_secs_f64());
        let result = match result {
            Ok(notes) if notes.is_empty() => "ok".to_owned(),
            Ok(notes) => format!("ok: {notes}"),
            Err(error) => format!("FAILED: {error:#}"),
        };
        println!("{name:<12} {direction:<width$} {seconds:>7.2}  {result}");
    }
}
