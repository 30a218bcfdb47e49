//! A tap of a ring whose ends work, and of one that is written over.

use std::collections::BTreeMap;

use ringmain::inspect::{Inspection, Kind, Tap, Tapped};
use ringmain::{Options, message, stream};

use crate::choices::Bytes;
use crate::hostile::lies::Start;
use crate::hostile::{Choices, Shape, Words, check_corrupted};
use crate::names;
use crate::ring::path;

/// How many steps a round has at most.
const STEPS: u64 = 64;

/// A name for the rings of inputs.
pub struct Tapping {
    name: String,
}

impl Default for Tapping {
    fn default() -> Tapping {
        Tapping { name: names::new() }
    }
}

/// Both ends of a ring.
trait Ends: Sized {
    fn attach(options: &Options) -> Self;

    /// Sends something that a number stands for, if there is room, and returns its bytes.
    fn push(&mut self, number: u64) -> Option<Vec<u8>>;

    fn pop(&mut self);

    /// Returns the positions of consumer and producer.
    fn positions(&self) -> (u64, u64);
}

impl<T: stream::Element> Ends for (stream::Producer<T>, stream::Consumer<T>) {
    fn attach(options: &Options) -> Self {
        (options.stream_producer().unwrap(), options.stream_consumer().unwrap())
    }

    fn push(&mut self, number: u64) -> Option<Vec<u8>> {
        let mut value: T = bytemuck::Zeroable::zeroed();
        let word = number.to_ne_bytes();
        // SAFETY: an element is made of plain bytes, of which none is padding.
        let bytes = unsafe { std::slice::from_raw_parts_mut((&raw mut value).cast::<u8>(), size_of::<T>()) };
        bytes.iter_mut().zip(word.iter().cycle()).for_each(|(byte, &filler)| *byte = filler);
        let bytes = bytes.to_vec();
        self.0.push(value).ok().map(|()| bytes)
    }

    fn pop(&mut self) {
        let _ = self.1.pop();
    }

    fn positions(&self) -> (u64, u64) {
        (self.1.position(), self.0.position())
    }
}

impl Ends for (message::Producer, message::Consumer) {
    fn attach(options: &Options) -> Self {
        (options.message_producer().unwrap(), options.message_consumer().unwrap())
    }

    /// The length depends on the number, too.
    fn push(&mut self, number: u64) -> Option<Vec<u8>> {
        let len = [number % 64, number % 1024][usize::from(number % 5 == 0)] as usize;
        let bytes: Vec<u8> = number.to_ne_bytes().into_iter().cycle().take(len).collect();
        self.0.push(&bytes).ok().map(|()| bytes)
    }

    fn pop(&mut self) {
        if let Ok(record) = self.1.peek() {
            record.release();
        }
    }

    fn positions(&self) -> (u64, u64) {
        (self.1.position(), self.0.position())
    }
}

impl Tapping {
    /// Makes a ring, lets both ends work as an input chooses, and taps it meanwhile.
    ///
    /// # Panics
    ///
    /// If something is tapped that was not sent, or missed that was there; and where the ring was written over, if more
    /// is tapped than there can be, or a word is refused without reason.
    pub fn round(&self, input: &[u8]) {
        let choices = Bytes::new(input);
        let options = Options::new(&self.name).unlink_on_close(true);
        match choices.below(4) {
            0 => self.work::<(stream::Producer<u8>, stream::Consumer<u8>)>(&options.capacity(64), &choices),
            1 => self.work::<(stream::Producer<[u64; 3]>, stream::Consumer<_>)>(&options.capacity(16), &choices),
            align => {
                let options = options.capacity(4096).record_alignment([8, 64][align as usize - 2]);
                self.work::<(message::Producer, message::Consumer)>(&options, &choices);
            }
        }
    }

    fn work<E: Ends>(&self, options: &Options, choices: &Bytes<'_>) {
        let first = match choices.below(4) {
            0 => choices.any() & !63,
            1 => 0_u64.wrapping_sub(64 * choices.below(64)),
            _ => 0,
        };
        let mut ends = E::attach(&options.clone().start_at(first));
        let ring = Inspection::open(&self.name).unwrap();
        let words = Words::of(&path(&self.name));
        let (mut sent, mut is_damaged) = (BTreeMap::new(), false);
        let (mut tap, mut next) = (ring.tap(), first);
        for number in 0..choices.below(STEPS) {
            match choices.below(8) {
                0..=2 if !is_damaged => {
                    for _ in 0..1 + choices.below(8) {
                        let position = ends.positions().1;
                        if let Some(bytes) = ends.push(256 * number + choices.below(256)) {
                            sent.insert(position, bytes);
                        }
                    }
                }
                3 if !is_damaged => (0..1 + choices.below(16)).for_each(|_| ends.pop()),
                4 if choices.below(4) == 0 => {
                    let (offset, value) = Start::of(&words, shape(&ring)).lie(&words, choices);
                    words.write(offset, value);
                    is_damaged = true;
                }
                5 if choices.below(4) == 0 => {
                    tap = ring.tap_new();
                    next = ends.positions().1;
                }
                _ if is_damaged => tap_all(&ring, &mut tap),
                _ => next = expect_next(&ring, &mut tap, next, &sent, ends.positions()),
            }
        }
    }
}

/// Returns what a liar knows of a ring.
fn shape(ring: &Inspection) -> Shape {
    let capacity = ring.capacity() as u64;
    match ring.kind() {
        Kind::Stream { element_size, .. } => Shape { capacity, unit: element_size as u64, align: 0 },
        Kind::Message { record_alignment } => Shape { capacity, unit: 1, align: record_alignment as u64 },
        kind => panic!("an unknown kind: {kind:?}"),
    }
}

/// Looks at what is next in a ring that both ends keep to, and returns what is next then.
fn expect_next(
    ring: &Inspection,
    tap: &mut Tap<'_>,
    next: u64,
    sent: &BTreeMap<u64, Vec<u8>>,
    (head, tail): (u64, u64),
) -> u64 {
    let mut bytes = vec![7; 3];
    let tapped = tap.next(&mut bytes).unwrap();
    // What was taken is whole in the younger half of the ring alone.
    let is_taken = next != head && head.wrapping_sub(next) <= u64::MAX / 2;
    let is_lost = is_taken && tail.wrapping_sub(next) > ring.capacity() as u64 / 2;
    match tapped {
        _ if is_lost => {
            assert_eq!(tapped, Tapped::Missed { count: head.wrapping_sub(next) });
            head
        }
        Tapped::Nothing => {
            assert_eq!(next, tail, "nothing is there");
            next
        }
        Tapped::Unit { position } => {
            assert_eq!((position, Some(&bytes)), (next, sent.get(&next)));
            let behind = sent.keys().map(|key| key.wrapping_sub(next)).filter(|&distance| distance > 0).min();
            next.wrapping_add(behind.unwrap_or(u64::MAX).min(tail.wrapping_sub(next)))
        }
        Tapped::Missed { .. } => panic!("{tapped:?} at {next}, with {head} to {tail} in the ring"),
    }
}

/// Taps all that is there in a ring to which nobody writes.
pub(crate) fn tap_all(ring: &Inspection, tap: &mut Tap<'_>) {
    let capacity = ring.capacity();
    // Elements that were read ahead before the tail was changed, and as many in front of it; messages in front of the
    // tail, and as many as were not counted yet.
    let (most, longest) = match ring.kind() {
        Kind::Stream { element_size, .. } => (2 * capacity, element_size),
        Kind::Message { record_alignment } => (2 * capacity / record_alignment, capacity),
        kind => panic!("an unknown kind: {kind:?}"),
    };
    let mut bytes = Vec::new();
    // It may miss something first.
    for _ in 0..most + 2 {
        match tap.next(&mut bytes) {
            Ok(Tapped::Unit { .. } | Tapped::Missed { .. }) => assert!(bytes.len() <= longest, "{} bytes", bytes.len()),
            Ok(Tapped::Nothing) => return,
            Err(cause) => return check_corrupted(cause),
        }
    }
    panic!("more than {most} elements or messages in a ring of {capacity}");
}
