//! Manual pages that are written to a folder, and what a shell is offered that asks for completions.

mod shell;

// That of the library's tests.
#[path = "../../tests/common/ability.rs"]
#[allow(dead_code, reason = "one is used here")]
mod ability;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use ability::{Ability, missing};
use shell::{Ring, output, ringmain};

/// Asks as the completions for bash do, for the last of these words.
fn candidates(words: &[&str]) -> Vec<String> {
    let mut command = ringmain(&["--", "ringmain"]);
    command.args(words).env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true").env("_CLAP_IFS", "\n");
    let Output { stdout, status, .. } = output(&mut command);
    assert!(status.success(), "{words:?}: {status}");
    String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The verbs that a help names.
fn verbs(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    verbs
}

#[test]
fn rings_columns_and_verbs_are_completed() {
    let ring = Ring::new();
    let name = ring.name().to_owned();
    ring.options().capacity(8).create_stream(std::alloc::Layout::new::<u8>()).unwrap();
    for verb in ["rm", "write", "read", "stat", "watch", "tap"] {
        assert!(candidates(&[verb, &name[..4]]).contains(&name), "{verb}");
    }
    assert!(!candidates(&["create", &name[..4]]).contains(&name), "a name that is taken");
    assert!(candidates(&["ls", "-o", "name,prod"]).contains(&"name,producer".to_owned()));
    let verbs = candidates(&[""]);
    assert!(verbs.contains(&"write".to_owned()) && verbs.contains(&"completions".to_owned()), "{verbs:?}");
}

/// The verbs that the help names, but for `help`.
fn own_verbs(help: &str) -> Vec<&str> {
    verbs(help).into_iter().filter(|verb| *verb != "help").collect()
}

/// What is offered but options.
fn values(words: &[&str]) -> Vec<String> {
    candidates(words).into_iter().filter(|word| !word.starts_with('-')).collect()
}

#[test]
fn verbs_of_pages_and_framings_are_completed() {
    let help = String::from_utf8(output(&mut ringmain(&["help"])).stdout).unwrap();
    assert_eq!(values(&["man", ""]), own_verbs(&help));
    assert_eq!(values(&["man", "do"]), ["doctor"]);
    for verb in ["read", "write"] {
        assert_eq!(values(&[verb, "x", "--framing", ""]), ["lines", "fixed", "length", "bytes"]);
        assert_eq!(candidates(&[verb, "x", "--framing=le"]), ["--framing=length"]);
        // As bash divides it.
        assert_eq!(candidates(&[verb, "x", "--framing", "=", "le"]), ["length"]);
        assert_eq!(candidates(&[verb, "x", "--progress", "="]), ["auto", "always", "never"]);
    }
}

#[test]
fn what_is_said_already_is_not_offered_again() {
    let rings = [Ring::new(), Ring::new()];
    let [one, other] = [0, 1].map(|at| rings[at].name());
    for ring in &rings {
        ring.options().capacity(8).create_stream(std::alloc::Layout::new::<u8>()).unwrap();
    }
    let offered = candidates(&["rm", "--force", one, "act-"]);
    assert!(offered.contains(&other.to_owned()) && !offered.contains(&one.to_owned()), "{offered:?}");
    // The word that is asked about is whole.
    assert!(candidates(&["rm", one]).contains(&one.to_owned()));
    assert_eq!(values(&["ls", "-o", "name,state,na"]), [""; 0]);
    assert_eq!(values(&["ls", "-o", "name,sta"]), ["name,state"]);
    assert_eq!(candidates(&["ls", "--output=kind,kin"]), [""; 0]);
    assert_eq!(candidates(&["ls", "--output", "=", "kind,capa"]), ["kind,capacity"]);
    assert_eq!(
        values(&["bench", "--test", "rtt,paced,"]),
        ["rtt,paced,throughput", "rtt,paced,waitset", "rtt,paced,idle"]
    );
    for given in [&["--kind", "stream"][..], &["--kind=stream"], &["--kind", "=", "stream"]] {
        let options = candidates(&[&["create", "x"], given, &["--"]].concat());
        assert!(options.contains(&"--capacity".to_owned()) && !options.contains(&"--kind".to_owned()), "{options:?}");
        assert_eq!(candidates(&[&["create", "x"], given, &["--ki"]].concat()), [""; 0]);
    }
    assert!(!candidates(&["ls", "-n", "-"]).contains(&"-n".to_owned()));
    // A list may go on in another option.
    assert_eq!(candidates(&["ls", "-o", "name", "--out"]), ["--output"]);
}

#[test]
fn no_column_is_offered_that_is_refused() {
    for verb in ["ls", "stat", "watch"] {
        let offered = values(&[verb, "-o", ""]);
        assert_eq!(offered.contains(&"pushed".to_owned()), verb != "ls", "{offered:?}");
        let name = Ring::new();
        for column in offered {
            let mut command = ringmain(&[verb, "-o", &column]);
            // Is refused for the ring that is not there, and not for the column.
            let said = output(if verb == "ls" { &mut command } else { command.arg(name.name()) });
            assert_ne!(said.status.code(), Some(2), "{verb} -o {column}: {said:?}");
        }
    }
}

/// As bash does it, with what `completions` prints: words are divided at equals signs, and what is behind the last one
/// is the word that is completed.
#[test]
fn bash_completes_by_what_is_printed_for_it() {
    let script = r#"source <("$0" completions bash)
        complete_last() {
            COMP_WORDS=(ringmain "$@") COMP_CWORD=$# COMP_TYPE=9
            local asked=${!#}
            _clap_complete_ringmain ringmain "${asked#=}" "${COMP_WORDS[COMP_CWORD-1]}"
            echo "${COMPREPLY[@]}"
        }
        complete_last man doc
        complete_last stat x --format = js
        complete_last stat x --format =
        complete_last read x --progress =
        complete_last ls -o pus"#;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ringmain"));
    let folders = std::env::var_os("PATH").unwrap();
    let path =
        std::env::join_paths([program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&folders)));
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).arg(program).env("PATH", path.unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Output { stdout, stderr, status } = output(&mut bash);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let expected = "doctor\njson\ntext json openmetrics\nauto always never\n\n";
    assert_eq!(String::from_utf8(stdout).unwrap(), expected);
}

#[test]
fn each_page_is_set_without_a_warning() {
    let folder = std::env::temp_dir().join(format!("ringmain-set-{}", std::process::id()));
    assert!(output(&mut ringmain(&["man", "--to", folder.to_str().unwrap()])).status.success());
    let pages: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 10);
    let mut groff = Command::new("groff");
    groff.args(["-man", "-ww", "-Tutf8"]).args(&pages).stdin(Stdio::null());
    let is_there = Command::new("groff").arg("--version").stdout(Stdio::null()).status();
    if let Err(error) = is_there {
        fs::remove_dir_all(&folder).unwrap();
        return missing(Ability::Typesetter, error);
    }
    let Output { stdout, stderr, status } = output(groff.stdout(Stdio::piped()).stderr(Stdio::piped()));
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!((status.code(), String::from_utf8_lossy(&stderr).as_ref()), (Some(0), ""));
    let text = String::from_utf8(stdout).unwrap();
    assert_eq!(text.matches("User Commands").count(), pages.len());
    let parts = text.split("SYNOPSIS\n").skip(1).map(|rest| rest.split("DESCRIPTION").next().unwrap());
    for synopsis in parts {
        assert!(!synopsis.contains('\u{2010}'), "an option in two parts: {synopsis}");
    }
}

/// What the command once took as hidden verbs, and the names under which it starts itself.
const NO_VERBS: [&str; 7] = [
    "bench-peer",
    "chaos-worker",
    "chaos-keeper",
    "look-cost",
    "ringmain-bench-peer",
    "ringmain-chaos-worker",
    "ringmain-chaos-keeper",
];

#[test]
fn no_verb_is_hidden() {
    for verb in NO_VERBS {
        for arguments in [&[verb][..], &[verb, "x"], &["help", verb], &["man", verb]] {
            let refused = output(&mut ringmain(arguments));
            assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0), "{arguments:?}: {refused:?}");
        }
        assert_eq!(candidates(&[&verb[..verb.len() - 1]]), [""; 0]);
    }
    let help = output(&mut ringmain(&["help"])).stdout;
    let listed = verbs(std::str::from_utf8(&help).unwrap());
    let offered = candidates(&[""]);
    // With their options.
    let offered: Vec<&str> = offered.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    assert_eq!(offered, listed);
}

/// What `bench` and `chaos` start is this program under another name, with a channel that a shell cannot open.
#[test]
fn a_process_of_bench_or_chaos_that_is_started_by_hand_is_refused() {
    for (name, verb) in
        [("ringmain-bench-peer", "bench"), ("ringmain-chaos-worker", "chaos"), ("ringmain-chaos-keeper", "chaos")]
    {
        let started = |stdin: Stdio| output(ringmain(&["x"]).arg0(name).stdin(stdin));
        let (reader, _writer) = std::io::pipe().unwrap();
        for refused in [started(Stdio::null()), started(reader.into())] {
            let said = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains(&format!("started by `ringmain {verb}`, not by hand")), "{name}: {said}");
        }
    }
}

#[test]
fn each_verb_of_the_help_has_a_page_in_the_folder() {
    let folder = std::env::temp_dir().join(format!("ringmain-pages-{}/man1", std::process::id()));
    let written = output(&mut ringmain(&["man", "--to", folder.to_str().unwrap()]));
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    let help = String::from_utf8(output(&mut ringmain(&["help"])).stdout).unwrap();
    let verbs = own_verbs(&help);
    for verb in &verbs {
        let page = fs::read_to_string(folder.join(format!("ringmain-{verb}.1"))).unwrap();
        assert_eq!(String::from_utf8(output(&mut ringmain(&["man", verb])).stdout).unwrap(), page);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), verbs.len() + 1);
    fs::remove_dir_all(folder.parent().unwrap()).unwrap();
}

#[test]
fn a_page_that_is_not_there_and_a_folder_that_cannot_be_made_are_errors() {
    let refused = output(&mut ringmain(&["man", "wrte"]));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.contains("no verb \"wrte\"; there are ") && said.contains("write"), "{said}");
    let refused = output(&mut ringmain(&["man", "--to", "/dev/null/pages"]));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("cannot write pages to /dev/null/pages: "), "{said}");
}
