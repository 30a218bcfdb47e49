//! What the fuzz targets share: choices made of the bytes of an input, rings for victims, an object of any bytes, and
//! what others may send, or leave in a variable.
//!
//! What liars write, the calls of their victims, and what may come of those, is that of the tests
//! (`tests/common/hostile`).

#![allow(dead_code, unused_imports, reason = "the tests use more of what is shared with them")]

pub mod bridge;
mod choices;
mod descriptors;
mod greeting;
#[path = "../../tests/common/hostile/mod.rs"]
mod hostile;
mod inheritance;
mod inspected;
mod names;
mod object;
#[path = "../../tests/common/ring.rs"]
mod ring;
mod tapped;

use ringmain::{message, stream};

use choices::Bytes;
pub use greeting::Greeting;
use hostile::{Case, Limits, Shape, Victim};
pub use inheritance::Inheritance;
pub use inspected::Inspected;
pub use object::Object;
use ring::word;
pub use tapped::Tapping;

/// A wait takes longer than all else, so there are few, and short ones.
const LIMITS: Limits = Limits { calls: 64, patience: 256, blocking: 0, guard: 64 };

/// The ends of some rings, one of which an input chooses to be the victim.
pub struct Victims(Vec<Round>);

/// Makes the round of an input with one victim.
type Round = Box<dyn FnMut(&Bytes<'_>)>;

impl Victims {
    /// Both ends of stream rings: two that end where a page does, so that a step beyond them is a signal, and the
    /// smallest one.
    pub fn of_streams() -> Victims {
        let (bytes, structs) =
            (Shape { capacity: 4096, unit: 1, align: 0 }, Shape { capacity: 512, unit: 24, align: 0 });
        let one = Shape { capacity: 1, unit: 8, align: 0 };
        Victims(vec![
            case::<stream::Producer<u8>>(bytes),
            case::<stream::Consumer<u8>>(bytes),
            case::<stream::Producer<[u64; 3]>>(structs),
            case::<stream::Consumer<[u64; 3]>>(structs),
            case::<stream::Producer<u64>>(one),
            case::<stream::Consumer<u64>>(one),
        ])
    }

    /// Both ends of message rings, with records that start anywhere, and at lines.
    pub fn of_messages() -> Victims {
        let [words, lines] = [8, 64].map(|align| Shape { capacity: 4096, unit: 1, align });
        Victims(vec![
            case::<message::Producer>(words),
            case::<message::Consumer>(words),
            case::<message::Producer>(lines),
            case::<message::Consumer>(lines),
        ])
    }

    /// Makes the round of an input.
    pub fn round(&mut self, input: &[u8]) {
        if let [chosen, bytes @ ..] = input {
            let chosen = usize::from(*chosen) % self.0.len();
            self.0[chosen](&Bytes::new(bytes));
        }
    }
}

fn case<V: Victim + 'static>(shape: Shape) -> Round {
    let mut case = Case::<V>::new(&names::new(), shape);
    Box::new(move |bytes| {
        case.round(|| bytes.clone(), LIMITS);
    })
}
