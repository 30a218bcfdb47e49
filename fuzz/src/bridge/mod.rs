//! What a bridge does with what comes from the network: queries at the receiver, answers at the sender.

mod parsed;
mod received;
mod sent;

use std::alloc::Layout;
use std::fs;

use ringmain_bridge::protocol::Kind;
use ringmain_bridge::records;

use crate::choices::Bytes;
use crate::hostile::Choices;
use crate::ring::path;

pub use parsed::parse;
pub use received::Receiving;
pub use sent::Sending;

/// The kinds of rings that are made.
const KINDS: [Kind; 5] = [
    Kind::Message(8),
    Kind::Message(16),
    Kind::Message(64),
    Kind::Stream(Layout::new::<u8>()),
    Kind::Stream(Layout::new::<[u64; 3]>()),
];

/// Chooses one of these.
fn one<T: Copy>(choices: &Bytes<'_>, all: &[T]) -> T {
    all[choices.below(all.len() as u64) as usize]
}

/// By how much positions of a ring grow at least.
fn step(kind: Kind) -> u64 {
    match kind {
        Kind::Message(align) => align as u64,
        Kind::Stream(_) => 1,
    }
}

/// Chooses where a ring begins: before the end of the positions, too.
fn begin(choices: &Bytes<'_>, kind: Kind) -> u64 {
    let units = [0, 5, 1 << 40, u64::MAX - 2][choices.below(4) as usize];
    u64::wrapping_mul(units, step(kind))
}

/// Returns the sizes of the records, one after the other; `None` if they are none.
fn sizes(kind: Kind, bytes: &[u8]) -> Option<Vec<usize>> {
    match kind {
        Kind::Stream(element) => {
            bytes.len().is_multiple_of(element.size()).then(|| vec![element.size(); bytes.len() / element.size()])
        }
        Kind::Message(align) => {
            let (mut at, mut sizes) = (0, Vec::new());
            while at < bytes.len() {
                let size = records::read(bytes, at, align).ok()?.size;
                sizes.push(size);
                at += size;
            }
            Some(sizes)
        }
    }
}

/// Appends the record of a message.
fn append(buffer: &mut Vec<u8>, align: usize, word: u64, message: &[u8]) {
    let written = records::write::<()>(buffer, align, word, |buffer| {
        buffer.extend(message);
        Ok(message.len())
    });
    written.expect("it is appended");
}

/// Removes a name, if it stands for something.
fn remove(name: &str) {
    let _ = fs::remove_file(path(name));
}
