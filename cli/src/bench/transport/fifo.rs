//! Named pipes, made in the folder for temporary files. Their names are gone as soon as both ends are open.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use super::descriptor::Ends;
use super::side::Unavailable;

/// A name that is removed when this is dropped.
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        // What cannot be removed is an empty name in a folder for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens both ends by name.
pub(super) fn open(path: PathBuf) -> Result<Ends> {
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
    Ok((reader.into(), writer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_none_is_told() {
        let error = open(PathBuf::from("/proc/nowhere/pipe")).unwrap_err();
        assert!(error.is::<Unavailable>());
        assert!(error.to_string().contains("/proc/nowhere/pipe") && error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn no_name_is_left() {
        let path = std::env::temp_dir().join(format!("ringmain-unit.{}.fifo", std::process::id()));
        let _ends = open(path.clone()).unwrap();
        assert!(!path.exists());
    }
}
