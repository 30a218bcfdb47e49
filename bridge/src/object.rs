//! Which object of which machine a ring is: two rings of one number are a ring and its copy, or one and the same.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};

/// The file in which the system says which run of it this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A shared memory object, as no other one is at this time, on this machine or another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The run of the system, by its boot id.
    pub boot: u128,
    /// The device of its file.
    pub device: u64,
    /// The inode of its file.
    pub inode: u64,
}

impl Object {
    /// Returns which object a name stands for.
    ///
    /// # Errors
    ///
    /// There is none, or the system does not say which one.
    pub fn of(name: &str) -> Result<Object> {
        let file = format!("/dev/shm/{name}");
        let found = fs::symlink_metadata(&file).with_context(|| format!("cannot look at {file}"))?;
        let text = fs::read_to_string(BOOT).with_context(|| format!("cannot read {BOOT}"))?;
        let digits: String = text.trim().split('-').collect();
        let boot = u128::from_str_radix(&digits, 16)
            .with_context(|| format!("{BOOT} has {text:?}, expected 32 hexadecimal digits"))?;
        Ok(Object { boot, device: found.dev(), inode: found.ino() })
    }
}

#[cfg(test)]
mod tests {
    use ringmain::Options;

    use super::*;

    #[test]
    fn a_ring_is_itself_and_no_other_one() {
        let names = ["a", "b"].map(|side| format!("bridge-object-{}-{side}", std::process::id()));
        let rings = names.each_ref().map(|name| Options::new(name).capacity(8).stream_producer::<u8>().unwrap());
        let [a, b] = names.each_ref().map(|name| Object::of(name).unwrap());
        assert_eq!(a, Object::of(&names[0]).unwrap());
        assert_ne!(a, b);
        assert_ne!(a.boot, 0);
        drop(rings);
        names.iter().for_each(|name| ringmain::unlink(name).unwrap());
        assert!(Object::of(&names[0]).unwrap_err().to_string().contains(&names[0]));
    }
}
