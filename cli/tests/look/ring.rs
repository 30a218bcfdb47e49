//! Rings with names of their own, which are removed with their test, and what the tests do to them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use ringmain::{Options, message};

/// Where the header has what the tests damage, from `docs/format.md`.
pub(crate) const LAYOUT_VERSION: u64 = 0x0008;
pub(crate) const PRODUCER_PRESENCE: u64 = 0x0080;
pub(crate) const TAIL: u64 = 0x0180;

/// A name that no other test has. What stands under it is removed when this is dropped.
pub(crate) struct Name(pub(crate) String);

impl Name {
    pub(crate) fn new() -> Name {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        Name(format!("look-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)))
    }

    /// One as long as names may be.
    pub(crate) fn long() -> Name {
        let name = Name::new();
        Name(format!("{:-<30}", name.0))
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.0)
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }

    /// Overwrites a word of the ring's header.
    pub(crate) fn set_word(&self, offset: u64, value: u64) {
        let file = OpenOptions::new().write(true).open(self.path()).unwrap();
        file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

/// A ring of messages in which some wait.
pub(crate) fn messages(name: &Name, messages: &[&[u8]]) -> message::Producer {
    let mut tx = name.options().capacity(4096).message_producer().unwrap();
    messages.iter().for_each(|message| tx.push(message).unwrap());
    tx
}
