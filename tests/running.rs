//! Programs that tests start are the same wherever the tests run: in a terminal, in the background, under `nohup`.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::{Running, output};

#[test]
fn a_program_begins_with_default_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGTERM] {
        // SAFETY: no handler is lost, and no test of this file needs one of these signals.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
        let script = format!("kill -{signal} $$; echo ignored");
        let output = output(Command::new("sh").args(["-c", &script]).stdin(Stdio::null()));
        assert_eq!((output.status.signal(), output.stdout), (Some(signal), Vec::new()));
    }
}

#[test]
fn a_program_is_killed_with_its_guard() {
    let mut program = Running::start(Command::new("sleep").arg("1000").stdin(Stdio::null()));
    let pid = program.id();
    assert_eq!(program.child().try_wait().unwrap(), None);
    drop(program);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
