//! A ring's bytes as a file: to look at them, and to write lies.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the words of the header lie, by docs/format.md.
#[allow(missing_docs, reason = "their names are those of the document")]
pub mod word {
    pub const MAGIC: u64 = 0x0000;
    pub const VERSION: u64 = 0x0008;
    pub const KIND: u64 = 0x0010;
    pub const DATA_OFFSET: u64 = 0x0018;
    pub const LENGTH: u64 = 0x0020;
    pub const CAPACITY: u64 = 0x0028;
    pub const ELEMENT_SIZE: u64 = 0x0030;
    pub const ELEMENT_ALIGN: u64 = 0x0038;
    pub const TYPE_ID: u64 = 0x0040;
    pub const RECORD_ALIGN: u64 = 0x0048;
    pub const HEADER_LENGTH: u64 = 0x0050;
    pub const INCOMPATIBLE: u64 = 0x0058;
    pub const COMPATIBLE: u64 = 0x0060;
    pub const READ_ONLY_COMPATIBLE: u64 = 0x0068;
    pub const PRODUCER: u64 = 0x0080;
    pub const CONSUMER: u64 = 0x0100;
    pub const TAIL: u64 = 0x0180;
    pub const HEAD: u64 = 0x0200;
    pub const FIRST: u64 = 0x0280;
    pub const TAG_LENGTH: u64 = 0x0288;
}

/// Where the words of a role lie in its slot.
#[allow(missing_docs, reason = "their names are those of the document")]
pub mod slot {
    pub const PRESENCE: u64 = 0x00;
    pub const PARKING: u64 = 0x20;
    pub const WAKES: u64 = 0x28;
    pub const WANTED: u64 = 0x30;
    /// Of the producer: needed.
    pub const TOLD: u64 = 0x38;
}

/// The object of a ring, opened as a file.
#[derive(Debug)]
pub struct Memory {
    file: File,
}

/// Returns where a ring lies.
#[must_use]
pub fn path(name: &str) -> String {
    format!("/dev/shm/{name}")
}

impl Memory {
    /// Opens a ring.
    ///
    /// # Errors
    ///
    /// It cannot be opened to be read and written.
    pub fn open(name: &str) -> io::Result<Memory> {
        Ok(Memory { file: File::options().read(true).write(true).open(path(name))? })
    }

    /// Returns the file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reads one word.
    ///
    /// # Errors
    ///
    /// The object is too short, or cannot be read.
    pub fn word(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Writes one word.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn set_word(&self, at: u64, value: u64) -> io::Result<()> {
        self.file.write_all_at(&value.to_ne_bytes(), at)
    }

    /// Returns where the byte of an index of the data area lies.
    fn data(&self, index: u64) -> io::Result<u64> {
        Ok(self.word(word::DATA_OFFSET)? + index)
    }

    /// Writes into the data area from an index on, which goes on at its start where it ends.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_data(&self, index: u64, bytes: &[u8]) -> io::Result<()> {
        let len = self.word(word::CAPACITY)? * self.word(word::ELEMENT_SIZE)?;
        let index = index % len;
        let (before, after) = bytes.split_at(bytes.len().min((len - index) as usize));
        self.file.write_all_at(before, self.data(index)?)?;
        self.file.write_all_at(after, self.data(0)?)
    }

    /// Reads the word of the data area at an index.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn data_word(&self, index: u64) -> io::Result<u64> {
        let len = self.word(word::CAPACITY)? * self.word(word::ELEMENT_SIZE)?;
        self.word(self.data(index % len)?)
    }
}
