//! An object of any bytes, under the name of a ring.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use ringmain::{Error, Options, message, stream};

use crate::choices::Bytes;
use crate::hostile::stream::Sample;
use crate::hostile::{Verdict, Victim, attached};
use crate::ring::path;
use crate::{names, word};

/// How many bytes of an input choose calls, and how many stand for the header.
pub(crate) const CHOICES: usize = 30;
pub(crate) const HEADER: usize = word::HEADER_END as usize;

/// The longest object.
pub(crate) const LONGEST: u64 = word::DATA + 8192;

/// How many calls each end makes.
const CALLS: u32 = 12;
const PATIENCE: u64 = 256;

/// A name for objects that inputs make.
pub struct Object {
    name: String,
}

impl Default for Object {
    fn default() -> Object {
        Object { name: names::new() }
    }
}

impl Object {
    /// Makes an object of an input: two bytes of length, some for choices, the header, and what lies in the data area.
    /// Then both ends of rings of every kind try to attach and to work.
    pub fn round(&self, input: &[u8]) {
        let Some((len, rest)) = input.split_first_chunk::<2>() else { return };
        let (choices, rest) = rest.split_at(CHOICES.min(rest.len()));
        let (header, data) = rest.split_at(HEADER.min(rest.len()));
        make(&self.name, u64::from(u16::from_le_bytes(*len)) % (LONGEST + 1), header, data);
        let choices = Bytes::new(choices);
        for creates in [false, true] {
            let options = Options::new(&self.name).await_first_peer(false);
            let options = if creates { options.capacity(512) } else { options };
            self.attach_to_stream::<u64>(&options, &choices);
            self.attach_to_stream::<u8>(&options, &choices);
            work(message::Producer::attach(&options), message::Consumer::attach(&options), &choices);
        }
    }

    fn attach_to_stream<T: Sample>(&self, options: &Options, choices: &Bytes<'_>) {
        let tx = <stream::Producer<T> as Victim>::attach(options);
        let rx = <stream::Consumer<T> as Victim>::attach(options);
        work(tx, rx, choices);
    }
}

/// Makes an object of this length and with these contents, in the place of what has the name.
pub(crate) fn make(name: &str, len: u64, header: &[u8], data: &[u8]) {
    // A victim may have taken the last one for what a dead creator has left, and made a ring of its own.
    let _ = fs::remove_file(path(name));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path(name)).unwrap();
    // An object without memory for all of its length is refused before anything else is tried.
    file.write_all_at(&vec![0; len as usize], 0).unwrap();
    for (offset, bytes) in [(0, header), (word::DATA, data)] {
        let room = len.saturating_sub(offset).min(bytes.len() as u64);
        file.write_all_at(&bytes[..room as usize], offset).unwrap();
    }
    file.set_len(len).unwrap();
}

/// Works with the ends that could attach.
fn work<P: Victim, C: Victim>(tx: Result<P, Error>, rx: Result<C, Error>, choices: &Bytes<'_>) {
    let (mut tx, mut rx) = (attached(tx), attached(rx));
    let (mut pushes, mut pops) = (Verdict::default(), Verdict::default());
    for _ in 0..CALLS {
        if let Some(tx) = &mut tx {
            pushes.hear(tx.call(choices, PATIENCE));
        }
        if let Some(rx) = &mut rx {
            pops.hear(rx.call(choices, PATIENCE));
        }
    }
}
