//! The shared-memory objects of a test: their names, their bytes, their copies.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use ringmain::Options;

/// Where a ring's tail lies, from `docs/format.md`.
const TAIL: u64 = 0x180;

/// A name that nobody else has. What stands under it is removed when this is dropped.
#[derive(Debug)]
pub struct Object {
    name: String,
}

impl Default for Object {
    fn default() -> Object {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        Object { name: format!("step-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)) }
    }
}

impl Object {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names the ring.
    pub fn options(&self) -> Options {
        Options::new(&self.name)
    }

    /// Returns whether anything stands under the name.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Opens what stands under the name, if anything does.
    #[must_use]
    pub fn open(&self) -> Option<File> {
        File::open(self.path()).ok()
    }

    /// Returns another object with the same bytes, in which nobody holds a role; no bytes where nothing stands under
    /// the name.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn copy(&self) -> Object {
        let copy = Object::default();
        if self.exists() {
            fs::copy(self.path(), copy.path()).expect("the bytes of an object can be copied");
        }
        copy
    }

    /// Returns the stored tail.
    ///
    /// # Panics
    ///
    /// If there is no ring.
    #[must_use]
    pub fn tail(&self) -> u64 {
        let mut word = [0; 8];
        File::open(self.path()).and_then(|file| file.read_exact_at(&mut word, TAIL)).expect("a ring has a tail");
        u64::from_ne_bytes(word)
    }

    /// Stores a tail.
    ///
    /// # Panics
    ///
    /// If there is no ring.
    pub fn set_tail(&self, tail: u64) {
        let file = fs::OpenOptions::new().write(true).open(self.path());
        file.and_then(|file| file.write_all_at(&tail.to_ne_bytes(), TAIL)).expect("a ring has a tail");
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.name)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Nothing there is as good as removed.
        let _ = fs::remove_file(self.path());
    }
}
