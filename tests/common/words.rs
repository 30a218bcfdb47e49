//! The words of a ring, for someone who does not keep to the protocol, and for those who come to what he made of it.

use std::fs::OpenOptions;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};
use ringmain::Error;

use super::path;

/// A mapped ring as words.
pub(crate) struct Words {
    memory: MmapRaw,
    pub(crate) count: u64,
}

impl Words {
    pub(crate) fn of(name: &str) -> Words {
        let file = OpenOptions::new().read(true).write(true).open(path(name)).unwrap();
        let memory = MmapOptions::new().map_raw(&file).unwrap();
        let count = memory.len() as u64 / 8;
        Words { memory, count }
    }

    pub(crate) fn at(&self, offset: u64) -> &AtomicU64 {
        assert!(offset % 8 == 0 && offset / 8 < self.count);
        // SAFETY: the word lies in the mapping, which is aligned for it and lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().cast::<u64>().wrapping_add(offset as usize / 8)) }
    }
}

/// Attaches where the words allow it at this moment.
#[track_caller]
pub(crate) fn attach_if_allowed<H>(attach: Result<H, Error>) -> Option<H> {
    match attach {
        Ok(handle) => Some(handle),
        Err(Error::Corrupted { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// What the calls of one side came to.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) corrupted: u64,
}

impl Outcomes {
    /// Checks that there was something of each.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        println!("{what}: {self:?}");
        let Outcomes { done, refused, corrupted } = *self;
        assert!(done.min(refused).min(corrupted) > 0, "{what}: {self:?} say nothing");
    }
}
