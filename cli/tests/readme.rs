//! Every command that README and the pages for newcomers show, in a short form.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod shell;

use shell::{Running, Shell};

/// Commands that belong together, and what is run at the same time for them. `@` makes names of their own.
type Row = (&'static [&'static str], &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        &["cargo run --release -p ringmain-cli -- bench"],
        &["ringmain bench --quick --size 64 --rounds 1 --transport stream,pipe"],
    ),
    // This very test is run by it, and so is all that .ci/run makes of it.
    (&["cargo test --workspace"], &["grep -x 'step cargo test --workspace' \"$ROOT/.ci/run\""]),
    (
        &["cargo run --release --example consumer", "cargo run --release --example producer"],
        &["consumer @ring", "producer @ring 100000"],
    ),
    (
        &["cargo run --release --example request_reply -- serve", "cargo run --release --example request_reply -- ask"],
        &["request_reply serve @ask", "request_reply ask @ask 1000"],
    ),
    (
        &["cargo run --release --example fan_in -- gather", "cargo run --release --example fan_in -- send"],
        &["fan_in gather @fan 2 </dev/null", "fan_in send @fan 0 1000", "fan_in send @fan 1 1000"],
    ),
    (&["cargo run --release --example anonymous_child"], &["anonymous_child 1000"]),
    (
        &[
            "cargo run --release --example anonymous_socket -- serve /tmp/numbers.socket",
            "cargo run --release --example anonymous_socket -- receive /tmp/numbers.socket",
        ],
        &[
            "anonymous_socket serve @socket 1000",
            "while ! test -S @socket; do sleep 0.05; done; anonymous_socket receive @socket 1000",
        ],
    ),
    // The command stands in the path of the shell here. To build it once more takes minutes.
    (&["cargo install --path cli"], &["ringmain --version", "test -f \"$ROOT/cli/Cargo.toml\""]),
    // In the folder `bridge`, a workspace of its own: .ci/run builds its programs and runs them for a shorter time.
    (
        &[
            "cargo build --release --workspace",
            "target/release/ringmain-bridge-lab chaos --kills 1000 --cuts 100",
            "target/release/ringmain-bridge-lab bench flow",
            "RINGMAIN_STANDSTILL_SECONDS=60 cargo test --workspace --features planted --test standstill",
        ],
        &["grep 'ringmain-bridge-lab\" chaos' \"$ROOT/.ci/run\"", "test -f \"$ROOT/bridge/lab/tests/standstill.rs\""],
    ),
    (&[".ci/run"], &["bash -n \"$ROOT/.ci/run\""]),
    (&["cargo run --release -p ringmain-cli -- chaos --minutes 5"], &["ringmain chaos --seconds 1"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the lines of the pages' shell blocks, without their comments.
fn shown() -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for page in ["README.md", "docs/guide.md", "docs/testing.md"] {
        let page = fs::read_to_string(root().join(page)).unwrap();
        let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let lines = blocks.flat_map(str::lines).map(|line| line.split(" #").next().unwrap().trim().to_owned());
        commands.extend(lines.filter(|command| !command.is_empty()));
    }
    commands
}

#[test]
fn the_pages_show_the_commands_that_are_run_here_and_no_others() {
    let rows: BTreeSet<String> = ROWS.iter().flat_map(|(shown, _)| *shown).map(|&line| line.to_owned()).collect();
    assert_eq!(shown(), rows);
}

#[test]
fn the_readme_is_short_and_its_table_of_figures_has_two_processors() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 130, "{} lines", readme.lines().count());
    let (_, section) = readme.split_once("\n## How fast\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines: Vec<&str> = section.lines().collect();
    let heads: Vec<&str> = lines.windows(2).filter(|pair| pair[1].starts_with("|---")).map(|pair| pair[0]).collect();
    let [head] = heads[..] else { panic!("one table, found {heads:?}") };
    let processors = head.trim_matches('|').split('|').skip(1).filter(|title| title.contains(" family ")).count();
    let rows = lines.iter().filter(|line| line.starts_with('|')).count() - 2;
    assert!(processors >= 2 && rows <= 8, "{head}: {rows} rows");
}

/// Builds the examples as this test was built, and returns the folders of all programs.
fn programs() -> [PathBuf; 2] {
    let command = Path::new(env!("CARGO_BIN_EXE_ringmain")).parent().unwrap().to_owned();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--examples", "--workspace", "--target-dir"]);
    cargo.arg(command.parent().unwrap()).current_dir(root());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(Running::start(&mut cargo).output().status.success());
    [command.clone(), command.join("examples")]
}

#[test]
fn every_command_of_the_pages_does_what_it_should() {
    let folder = std::env::temp_dir().join(format!("ringmain-readme-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path =
        std::env::join_paths(programs().into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    let path = path.unwrap();
    for (shown, commands) in ROWS {
        let own = format!("readme-{}-", std::process::id());
        let start = |command: &&str| {
            let mut shell = Command::new("bash");
            shell.args(["-e", "-o", "pipefail", "-c", &command.replace('@', &own)]);
            shell.env("PATH", &path).env("ROOT", fs::canonicalize(root()).unwrap()).current_dir(&folder);
            Shell::start(shell.stdout(Stdio::null()))
        };
        let mut shells: Vec<Shell> = commands.iter().map(start).collect();
        for (shell, command) in shells.iter_mut().zip(*commands) {
            let status = shell.end();
            assert!(status.success(), "{command}: {status}, for {shown:?}");
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    for entry in fs::read_dir("/dev/shm").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with(&format!("readme-{}-", std::process::id())) {
            fs::remove_file(format!("/dev/shm/{name}")).unwrap();
        }
    }
}
