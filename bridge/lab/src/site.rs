//! Ring A, ring B, and the programs of the bridge between them, each on its machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

use anyhow::{Context, Result, ensure};
use ringmain::Error;

use crate::network::{Machine, Network, Way};
use crate::process::{Log, Process};

/// Names the program of the bridge, where it does not lie beside this one.
const BRIDGE: &str = "RINGMAIN_BRIDGE";

/// Makes the bridge do a planted mistake, where it was built with that feature.
pub const FAULT: &str = "RINGMAIN_BRIDGE_FAULT";

/// Two machines, a ring on each, and what runs there. Names are removed when this is dropped.
#[derive(Debug)]
pub struct Site {
    /// Both machines.
    pub network: Arc<Network>,
    /// The names of rings A and B. Both machines have one /dev/shm, so they differ.
    pub rings: [String; 2],
    /// A mistake that the bridge makes on purpose.
    pub plant: Option<String>,
    way: Way,
    /// Where the sender and the receiver run.
    machines: [Machine; 2],
    key: String,
    lab: PathBuf,
    bridge: PathBuf,
    /// What the sender, the receiver and the router say.
    pub logs: [Log; 3],
}

/// Returns names for rings that no other site has.
fn names() -> [String; 2] {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    ["a", "b"].map(|ring| format!("lab.{}.{number}.{ring}", process::id()))
}

/// A program of the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as they are called")]
pub enum Program {
    Sender,
    Receiver,
    Router,
}

impl Site {
    /// Makes two machines, with no ring yet. `lab` is this package's program.
    ///
    /// # Errors
    /// - this process is not root, or `ip` fails, or the bridge was not built
    pub fn new(lab: impl AsRef<Path>, way: Way) -> Result<Site> {
        Site::with_names(lab, way, names())
    }

    /// The same, for rings of these names.
    ///
    /// # Errors
    /// - as [`Site::new`]
    pub fn with_names(lab: impl AsRef<Path>, way: Way, rings: [String; 2]) -> Result<Site> {
        let lab = lab.as_ref().to_owned();
        let beside = lab.with_file_name("ringmain-bridge");
        let bridge = env::var_os(BRIDGE).map_or(beside, PathBuf::from);
        ensure!(
            bridge.is_file(),
            "{} is missing: `cargo build --workspace` in the folder of the bridge builds it",
            bridge.display()
        );
        Ok(Site {
            network: Arc::new(Network::new(way)?),
            way,
            machines: [Machine::A, Machine::B],
            key: format!("lab/{}", rings[0]),
            rings,
            plant: None,
            lab,
            bridge,
            logs: [Log::new()?, Log::new()?, Log::new()?],
        })
    }

    /// Returns another site on the same machines, joined by one link, whose bridge leads back.
    ///
    /// # Errors
    /// - there is no memory
    pub fn back(&self) -> Result<Site> {
        let rings = names();
        Ok(Site {
            network: Arc::clone(&self.network),
            // The sender of this one is where the other one's receiver listens: it must connect.
            way: Way::ToSender,
            machines: [Machine::B, Machine::A],
            plant: None,
            key: format!("lab/{}", rings[0]),
            rings,
            lab: self.lab.clone(),
            bridge: self.bridge.clone(),
            logs: [Log::new()?, Log::new()?, Log::new()?],
        })
    }

    /// Starts a program of the bridge, with these options besides those that it must have.
    ///
    /// # Errors
    /// - it cannot be started
    pub fn start(&self, program: Program, options: &[&str]) -> Result<Process> {
        Process::start(&format!("{program:?}"), &mut self.command(program, options)?, &self.logs[program as usize])
    }

    fn command(&self, program: Program, options: &[&str]) -> Result<Command> {
        let (machine, words) = match program {
            Program::Sender => (self.machines[0], ["send", &self.rings[0], "--to", &self.key]),
            Program::Receiver => (self.machines[1], ["receive", &self.rings[1], "--from", &self.key]),
            Program::Router => {
                let mut command = self.network.router().context("no router between these")?.command(&self.lab);
                command.args(["router", "--listen", &Network::router_endpoint()]);
                return Ok(command);
            }
        };
        let mut command = self.network.space(machine).command(&self.bridge);
        command.args(words).args(self.way.endpoint(machine)).args(options);
        match &self.plant {
            Some(plant) => command.env(FAULT, plant),
            None => command.env_remove(FAULT),
        };
        Ok(command)
    }

    /// Starts the router, if there is one, the receiver and the sender.
    ///
    /// # Errors
    /// - one cannot be started
    pub fn start_all(&self, options: &[&str]) -> Result<Vec<Process>> {
        let router = self.network.router().map(|_| self.start(Program::Router, &[])).transpose()?;
        let both = [Program::Receiver, Program::Sender].map(|program| self.start(program, options));
        router.into_iter().map(Ok).chain(both).collect()
    }

    /// Returns a command that runs this package's program on a machine.
    pub fn lab(&self, machine: Machine, words: impl IntoIterator<Item = impl Into<OsString>>) -> Command {
        let mut command = self.network.space(machine).command(&self.lab);
        command.args(words.into_iter().map(Into::into));
        command
    }

    /// Returns what a program has said.
    ///
    /// # Errors
    /// - it cannot be read
    pub fn said(&self, program: Program) -> Result<String> {
        self.logs[program as usize].text()
    }

    /// Removes the names of both rings.
    ///
    /// # Errors
    /// - it is not allowed
    pub fn remove_rings(&self) -> Result<()> {
        for name in &self.rings {
            match ringmain::unlink(name) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Nothing can be done about a name that cannot be removed.
        let _ = self.remove_rings();
    }
}
