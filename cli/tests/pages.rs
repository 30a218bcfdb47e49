//! Manual pages that are written to a folder, and what a shell is offered that asks for completions.

mod shell;

use std::fs;
use std::process::Output;

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

#[test]
fn rings_columns_and_verbs_are_completed_and_hidden_verbs_are_not() {
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
    assert!(
        !verbs.iter().any(|verb| verb.contains("worker") || verb.contains("peer") || verb == "look-cost"),
        "{verbs:?}"
    );
}

#[test]
fn each_verb_of_the_help_has_a_page_in_the_folder() {
    let folder = std::env::temp_dir().join(format!("ringmain-pages-{}/man1", std::process::id()));
    let written = output(&mut ringmain(&["man", "--to", folder.to_str().unwrap()]));
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    let help = String::from_utf8(output(&mut ringmain(&["help"])).stdout).unwrap();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> =
        verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    assert!(verbs.len() > 10, "{verbs:?}");
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
