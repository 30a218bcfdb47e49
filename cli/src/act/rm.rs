//! `ringmain rm`.

use std::fs;

use anyhow::{Result, bail};
use clap::Args;
use ringmain::inspect::Inspection;
use ringmain::{Error, PeerState, Role};

use super::ending::{Ending, print};

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The rings to remove
    #[arg(value_name = "NAME", required_unless_present = "stale")]
    names: Vec<String>,
    /// Remove only rings that nobody holds and whose last holder was killed: of those named, or of all that this user
    /// may write
    #[arg(long)]
    stale: bool,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove also what is held, and what is damaged or no ring
    #[arg(long)]
    force: bool,
}

/// Why a ring is not removed.
enum Obstacle {
    /// A role of it is held.
    Held(String),
    /// It is not to be understood.
    Broken(String),
}

impl Remove {
    pub(super) fn run(&self) -> Result<()> {
        let mut failed = false;
        for name in self.candidates()? {
            if let Err(error) = self.remove(&name) {
                failed = true;
                if error.downcast_ref::<Ending>().is_some_and(|ending| matches!(ending, Ending::BrokenPipe)) {
                    return Err(error);
                }
                eprintln!("error: {error:#}");
            }
        }
        if failed { Err(Ending::Said.into()) } else { Ok(()) }
    }

    fn candidates(&self) -> Result<Vec<String>> {
        if !self.names.is_empty() {
            return Ok(self.names.clone());
        }
        let all = Inspection::all()?.into_iter();
        Ok(all.filter(|found| found.ring.as_ref().is_ok_and(is_stale)).map(|found| found.name).collect())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let ring = Inspection::open(name);
        if self.stale && !self.names.is_empty() && !ring.as_ref().is_ok_and(is_stale) {
            return print(&format!("kept {name}: it is not stale\n"));
        }
        match obstacle(ring)? {
            Some(Obstacle::Held(why)) if !self.force => {
                bail!("ring {name:?} is held: {why}; end that first, or remove the name under it with --force")
            }
            Some(Obstacle::Broken(why)) if !self.force => bail!("{why}; remove it all the same with --force"),
            _ => {}
        }
        if self.dry_run {
            return print(&format!("would remove {name}\n"));
        }
        ringmain::unlink(name)?;
        print(&format!("removed {name}\n"))
    }
}

/// Returns what stands against the removal of a ring, if anything does.
fn obstacle(ring: Result<Inspection, Error>) -> Result<Option<Obstacle>> {
    let ring = match ring {
        Ok(ring) => ring,
        Err(
            error @ (Error::Mismatch { .. }
            | Error::UnknownFeatures { .. }
            | Error::NotARing { .. }
            | Error::Corrupted { .. }),
        ) => {
            return Ok(Some(Obstacle::Broken(error.to_string())));
        }
        Err(Error::NotFound { name, .. }) => bail!("no ring {name:?}; `ls /dev/shm` shows which there are"),
        Err(error) => return Err(error.into()),
    };
    let holders = [Role::Producer, Role::Consumer].map(|role| holder(&ring, role));
    let held: Vec<String> = holders.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if !held.is_empty() {
        return Ok(Some(Obstacle::Held(held.join(", "))));
    }
    Ok(ring.positions().err().map(|cause| Obstacle::Broken(format!("ring {:?} is damaged: {cause}", ring.name()))))
}

/// Says who holds a role, if anybody does.
fn holder(ring: &Inspection, role: Role) -> Result<Option<String>, Error> {
    let end = ring.end(role)?;
    Ok((end.state == PeerState::Alive).then(|| match end.process {
        Some(pid) => format!("{role} is process {pid} ({})", command(pid)),
        None => format!("{role} is a process that cannot be named from here"),
    }))
}

/// Returns the command line of a process, as far as it can be read.
fn command(pid: u32) -> String {
    const LONGEST: usize = 60;
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&line).replace('\0', " ");
    // A command line may hold what moves a terminal's cursor.
    let words: String = words.trim().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    if words.is_empty() { "command unknown".to_owned() } else { words }
}

/// Returns whether nobody holds a ring, and a holder was killed.
fn is_stale(ring: &Inspection) -> bool {
    let states = [Role::Producer, Role::Consumer].map(|role| ring.end(role).map(|end| end.state));
    let is = |state| states.iter().any(|found| found.as_ref().is_ok_and(|found| *found == state));
    states.iter().all(Result::is_ok) && !is(PeerState::Alive) && is(PeerState::Crashed)
}
