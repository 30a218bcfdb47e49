//! The words of a ring, for someone who does not keep to the protocol.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// The words of a segment, mapped once more.
pub(crate) struct Words {
    memory: MmapRaw,
    count: u64,
}

impl Words {
    #[track_caller]
    pub(crate) fn of(path: &Path) -> Words {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let memory = MmapOptions::new().map_raw(&file).unwrap();
        let count = memory.len() as u64 / 8;
        Words { memory, count }
    }

    /// Returns the length of the segment in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.count * 8
    }

    /// Returns where this mapping begins: it is not that of a victim.
    pub(crate) fn address(&self) -> usize {
        self.memory.as_mut_ptr().addr()
    }

    #[track_caller]
    pub(crate) fn at(&self, offset: u64) -> &AtomicU64 {
        assert!(offset % 8 == 0 && offset / 8 < self.count);
        // SAFETY: the word lies in the mapping, which is aligned for it and lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.memory.as_mut_ptr().cast::<u64>().wrapping_add(offset as usize / 8)) }
    }

    #[track_caller]
    pub(crate) fn read(&self, offset: u64) -> u64 {
        self.at(offset).load(Ordering::Relaxed)
    }

    #[track_caller]
    pub(crate) fn write(&self, offset: u64, value: u64) {
        self.at(offset).store(value, Ordering::Relaxed);
    }
}

/// What a segment should hold: what was written here, and nothing else, but for the words of a victim.
pub(crate) struct Shadow(Vec<u64>);

impl Shadow {
    pub(crate) fn of(words: &Words) -> Shadow {
        Shadow((0..words.count).map(|at| words.read(8 * at)).collect())
    }

    /// Writes a word here and there.
    #[track_caller]
    pub(crate) fn write(&mut self, words: &Words, offset: u64, value: u64) {
        words.write(offset, value);
        self.0[offset as usize / 8] = value;
    }

    /// Checks that nobody else wrote any word but those that are `owned`.
    #[track_caller]
    pub(crate) fn check(&self, words: &Words, owned: impl Fn(u64) -> bool) {
        for (at, &expected) in self.0.iter().enumerate() {
            let offset = 8 * at as u64;
            let found = words.read(offset);
            assert!(found == expected || owned(offset), "a victim wrote {found} over {expected} at {offset:#x}");
        }
    }
}
