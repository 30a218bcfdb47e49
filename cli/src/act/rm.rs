//! `ringmain rm`.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use ringmain::inspect::Inspection;
use ringmain::{Error, PeerState, Role};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::ending::Ending;
use crate::output::{print, say_error};
use crate::printable::printable;
use crate::words;

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The rings to remove
    #[arg(value_name = "NAME", required_unless_present = "stale")]
    names: Vec<String>,
    /// Remove only rings that nobody holds and whose last holder, or whose creator, was killed: of those named, where
    /// another one is an error, or of all that this user may remove
    #[arg(long)]
    stale: bool,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove also what is held, and what is damaged or no ring; not with --stale
    #[arg(long, conflicts_with = "stale")]
    force: bool,
}

/// How long to wait, in all, for those who make or remove a ring at this moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is left of that for each at least, after others that were waited for.
const LEAST: Duration = Duration::from_millis(100);

/// Why a ring is not removed.
enum Obstacle {
    /// A role of it is held.
    Held(String),
    /// It is not to be understood.
    Broken(String),
}

impl Remove {
    pub(super) fn run(&self) -> Result<()> {
        let (mut failed, mut unprinted) = (false, None);
        let end = Instant::now() + PATIENCE;
        for name in self.candidates()? {
            match self.remove(&name, end) {
                // What cannot be printed keeps nothing from being removed, and is said once.
                Ok(done) if unprinted.is_none() => unprinted = print(&done).err(),
                Ok(_) => {}
                Err(error) => {
                    failed = true;
                    say_error(&error);
                }
            }
        }
        match unprinted {
            Some(error) if !failed || !error.is::<Ending>() => Err(error),
            _ if failed => Err(Ending::Said.into()),
            _ => Ok(()),
        }
    }

    fn candidates(&self) -> Result<Vec<String>> {
        // Before anything is removed.
        for name in &self.names {
            if let Err(error @ Error::InvalidName { .. }) = Inspection::open(name) {
                return Err(error.into());
            }
        }
        if !self.names.is_empty() {
            return Ok(self.names.clone());
        }
        // One is open at a time. What is a ring has a name that is text.
        let stale = Inspection::all()?.filter(|found| is_stale(&found.ring));
        let names = stale.filter_map(|found| found.name.into_string().ok());
        Ok(names.filter(|name| check_removable(name).is_ok()).collect())
    }

    /// Removes one, and waits until `end` for those who make or remove it at this moment. Returns what to print.
    fn remove(&self, name: &str, end: Instant) -> Result<String> {
        let ring = Inspection::open(name);
        let stays = self.stale && !is_stale(&ring);
        if stays && self.names.is_empty() {
            // It has changed since it was found.
            return Ok(String::new());
        }
        let all_the_same = || words::command("rm --force", name);
        match obstacle(ring)? {
            Some(Obstacle::Held(why)) if !self.force => {
                bail!("ring {name:?} is held: {why}; end that first, or remove the name under it by {}", all_the_same())
            }
            // What else is advised there is for whoever wants to use it.
            Some(Obstacle::Broken(why)) if !self.force => {
                bail!("{}; {} removes it all the same", words::parts(&why).0, all_the_same())
            }
            _ if stays => {
                let without = words::command("rm", name);
                bail!("ring {name:?} is not stale: nobody who held it was killed; {without} removes it all the same")
            }
            _ => {}
        }
        if self.dry_run {
            check_removable(name)?;
            return Ok(format!("would remove {name}\n"));
        }
        let left = end.saturating_duration_since(Instant::now()).max(LEAST);
        match self.force {
            true => ringmain::unlink_within(name, left)?,
            // Whoever has come since keeps it.
            false => ringmain::unlink_if_free(name, left)?,
        }
        Ok(format!("removed {name}\n"))
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
            | Error::Sparse { .. }
            | Error::Corrupted { .. }),
        ) => {
            return Ok(Some(Obstacle::Broken(words::of(&error))));
        }
        Err(Error::Unfinished { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let holders = [Role::Producer, Role::Consumer].map(|role| holder(&ring, role));
    let held: Vec<String> = holders.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if !held.is_empty() {
        return Ok(Some(Obstacle::Held(held.join(", "))));
    }
    Ok(ring.positions().err().map(|cause| Obstacle::Broken(words::damaged(ring.name(), &cause))))
}

/// Finds out whether this user may remove a name, as the removal does: by opening the object, and by the system's own
/// rule, of which the sticky bit of the directory, capabilities and the mount are parts. Nothing is removed: what is no
/// directory is refused as one, after that rule.
fn check_removable(name: &str) -> Result<(), Error> {
    let path = format!("/dev/shm/{name}");
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tried = rustix::fs::open(&*path, flags, Mode::empty()).and_then(|_| rustix::fs::rmdir(&*path));
    let name = name.to_owned();
    match tried {
        Ok(()) | Err(Errno::NOTDIR) => Ok(()),
        Err(Errno::NOENT) => Err(Error::NotFound { name, waited: Duration::ZERO }),
        Err(error @ (Errno::ACCESS | Errno::PERM)) => Err(Error::PermissionDenied { name, source: error.into() }),
        Err(error) => Err(Error::Os { call: "shm_unlink", source: error.into() }),
    }
}

/// Says who holds a role, if anybody does.
fn holder(ring: &Inspection, role: Role) -> Result<Option<String>, Error> {
    let process = ring.end(role)?.process;
    // The lock counts, whatever its holder says of itself.
    Ok(ring.is_held(role)?.then(|| match process {
        Some(pid) => format!("{role} is process {pid} ({})", command(pid)),
        None => format!("{role} is a process that cannot be named from here"),
    }))
}

/// Returns the beginning of the command line of a process, as far as it can be read. A process can make that as long as
/// its addresses reach (`PR_SET_MM_MAP`), so only so much is read of it.
fn command(pid: u32) -> String {
    const LONGEST: usize = 60;
    const MOST: u64 = 4096;
    let mut line = Vec::new();
    // What was read before it failed is as good as any.
    let _ = File::open(format!("/proc/{pid}/cmdline")).and_then(|file| file.take(MOST).read_to_end(&mut line));
    let words: Vec<u8> = line.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    let words: String = printable(words.trim_ascii()).chars().take(LONGEST).collect();
    if words.is_empty() { "command unknown".to_owned() } else { words }
}

/// Returns whether nobody holds a ring, and a holder was killed, or its creator before it was whole.
fn is_stale(ring: &Result<Inspection, Error>) -> bool {
    let ring = match ring {
        Ok(ring) => ring,
        Err(error) => return matches!(error, Error::Unfinished { .. }),
    };
    let roles = [Role::Producer, Role::Consumer];
    let is_crashed = |role| ring.end(role).is_ok_and(|end| end.state == PeerState::Crashed);
    // The lock counts, whatever its holder says of itself.
    !roles.iter().any(|&role| ring.is_held(role).unwrap_or(true)) && roles.into_iter().any(is_crashed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_the_beginning_of_a_command_line_is_read() {
        // Behind thousands of empty words: `cat` cannot open them, and reads its input until that is closed.
        let mut cat = Command::new("cat");
        cat.arg0("").args(vec![""; 5000]).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = cat.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // It has its own command line once it copies.
        std::io::Write::write_all(&mut stdin, b"x").unwrap();
        process.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(command(process.id()), "command unknown");
        drop(stdin);
        process.wait().unwrap();
        assert_eq!(command(std::process::id()).chars().next(), std::env::args().next().unwrap().chars().next());
    }
}
