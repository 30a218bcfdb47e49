//! Named pipes, made in the folder for temporary files. Their names are gone as soon as both ends are open.

use std::fs::{self, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use super::descriptor::Descriptor;
use super::{Created, Unavailable};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::first;

/// A name that is removed when this is dropped.
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // What cannot be removed is an empty name in a folder for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens both ends by name: the one to read from and the one to write to.
fn open(folder: &Path, name: &str) -> Result<(File, File)> {
    let path = folder.join(name);
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).map_err(|error| {
        Unavailable(format!("cannot make {} ({error}); set TMPDIR to a folder that holds named pipes", path.display()))
    })?;
    let name = Name(path);
    // An end that is opened alone would wait for the other one.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&name.0);
    let reader = reader.with_context(|| format!("cannot open {}", name.0.display()))?;
    let writer = OpenOptions::new().write(true).open(&name.0);
    let writer = writer.with_context(|| format!("cannot open {}", name.0.display()))?;
    Ok((reader, writer))
}

pub(super) fn create<const WORDS: usize>(case: Case, name: &str, idle: Idle) -> Result<Created> {
    let folder = std::env::temp_dir();
    let (from_peer, their_sender) = open(&folder, &format!("{name}.a"))?;
    let mut descriptors: Vec<OwnedFd> = vec![their_sender.into()];
    let receiver = Descriptor::new(from_peer, case.wait, idle.clone())?;
    let station = first::<_, _, WORDS>(case.test, receiver, || {
        let (their_receiver, to_peer) = open(&folder, &format!("{name}.b"))?;
        descriptors.push(their_receiver.into());
        Descriptor::new(to_peer, case.wait, idle)
    })?;
    Ok(Created { station, descriptors, rings: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_none_is_told() {
        let error = open(Path::new("/proc/nowhere"), "pipe").unwrap_err();
        assert!(error.is::<Unavailable>());
        assert!(error.to_string().contains("/proc/nowhere/pipe") && error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn no_name_is_left() {
        let name = format!("ringmain-unit.{}.fifo", std::process::id());
        let (_reader, _writer) = open(&std::env::temp_dir(), &name).unwrap();
        assert!(!std::env::temp_dir().join(&name).exists());
    }
}
