//! Rings as they may stand when a victim comes, and what is written over them.

use super::{Choices, Shadow, Words, word};

/// What a liar knows of a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) capacity: u64,
    /// How many bytes a position counts: those of an element, or 1.
    pub(crate) unit: u64,
    /// Of what number of bytes the starts of records are multiples; 0 in a stream ring.
    pub(crate) align: u64,
}

/// The words of an identity, with the magic: those in front of the slots, and those of the second part.
const ROWS: u64 = FIRST_ROWS + (word::TAG_TEXT + 64 - word::FIRST_POSITION) / 8;
const FIRST_ROWS: u64 = word::CREATED / 8 + 1;

/// Returns where a word of an identity lies.
fn row(number: u64) -> u64 {
    if number < FIRST_ROWS { 8 * number } else { word::FIRST_POSITION + 8 * (number - FIRST_ROWS) }
}

/// The words of a role, from its presence on.
const SLOT: [u64; 8] = [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38];

/// What a ring of a shape says of itself, with which it can be made as new as often as is wanted.
pub(crate) struct Start {
    shape: Shape,
    rows: Vec<u64>,
}

impl Start {
    /// Takes over what a ring says that was just made.
    pub(crate) fn of(words: &Words, shape: Shape) -> Start {
        Start { shape, rows: (0..ROWS).map(|number| words.read(row(number))).collect() }
    }

    /// Makes a ring as it may stand: at any positions, with some elements or messages in it, and older bytes around
    /// them.
    pub(crate) fn make(&self, words: &Words, choices: &impl Choices) -> Shadow {
        (0..word::DATA / 8).for_each(|at| words.write(8 * at, 0));
        (0..).zip(&self.rows).for_each(|(number, &value)| words.write(row(number), value));
        let mut noise = choices.any() | 1;
        for offset in (word::DATA..words.len()).step_by(8) {
            noise = noise.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23);
            words.write(offset, noise);
        }
        for presence in [word::PRODUCER_PRESENCE, word::CONSUMER_PRESENCE] {
            words.write(presence, choices.below(4));
            // Awake, now and then about to pass 2^64 or 2^32.
            words.write(presence + 0x20, self.far(choices) & !2);
            words.write(presence + 0x28, self.far(choices));
        }
        let head = self.far(choices) & !self.shape.align.saturating_sub(1);
        words.write(word::HEAD, head);
        words.write(word::TAIL, head.wrapping_add(self.fill(words, choices, head)));
        Shadow::of(words)
    }

    /// Chooses a number that only grows, anywhere.
    fn far(&self, choices: &impl Choices) -> u64 {
        let near = choices.below(2 * self.shape.capacity);
        match choices.below(8) {
            0 => 0,
            1 => choices.any(),
            2 => (1_u64 << 32).wrapping_add(near).wrapping_sub(self.shape.capacity),
            3 | 4 => near.wrapping_sub(self.shape.capacity),
            _ => near,
        }
    }

    /// Fills a ring from its head on, and returns how far the tail is from there.
    fn fill(&self, words: &Words, choices: &impl Choices, head: u64) -> u64 {
        let Shape { capacity, align, .. } = self.shape;
        if align == 0 {
            return match choices.below(4) {
                0 => 0,
                1 => capacity,
                _ => choices.below(capacity + 1),
            };
        }
        let (mut filled, mut stored) = (0, 0);
        for _ in 0..choices.below(16) {
            let len = choices.below(if choices.below(4) == 3 { capacity } else { 100 });
            let size = self.shape.payload() + len;
            let size = size.next_multiple_of(align);
            if filled + size > capacity - align {
                break;
            }
            words.write(self.shape.offset(head.wrapping_add(filled)), header(len));
            stored = filled;
            filled += size;
        }
        words.write(self.shape.offset(head.wrapping_add(filled)), 0);
        // A producer may have been killed between its last header and its tail.
        if choices.below(4) == 3 { stored } else { filled }
    }

    /// Checks that a victim which could attach found positions that can be.
    #[track_caller]
    pub(crate) fn check_positions(&self, words: &Words) {
        let (tail, head) = (words.read(word::TAIL), words.read(word::HEAD));
        let Shape { capacity, align, .. } = self.shape;
        // A tail may lie behind the head of messages whose producer was killed; a producer that comes sets it right.
        let (most, behind) = if align == 0 { (capacity, 0) } else { (capacity - align, capacity - align) };
        let filled = tail.wrapping_sub(head);
        assert!(filled.wrapping_add(behind) <= most + behind, "attached at tail {tail} and head {head}");
        assert!(align == 0 || (tail | head) % align == 0, "attached at tail {tail} and head {head}");
    }

    /// Chooses a lie: where, and what. It is mostly near to what could be.
    pub(crate) fn lie(&self, words: &Words, choices: &impl Choices) -> (u64, u64) {
        let offset = self.place(words, choices);
        let stood = words.read(offset);
        let value = match choices.below(8) {
            0 => stood ^ 1 << choices.below(64),
            1 => stood ^ choices.any() & choices.any() & choices.any() & choices.any(),
            _ if offset >= word::DATA && self.shape.align > 0 => self.header(choices),
            _ => self.number(words, choices, stood),
        };
        (offset, value)
    }

    fn place(&self, words: &Words, choices: &impl Choices) -> u64 {
        let position = [word::TAIL, word::HEAD][choices.below(2) as usize];
        let role = [word::PRODUCER_PRESENCE, word::CONSUMER_PRESENCE][choices.below(2) as usize];
        match choices.below(16) {
            0..=5 => position,
            6 => row(choices.below(ROWS)),
            7 | 8 => role + SLOT[choices.below(SLOT.len() as u64) as usize],
            9 => 8 * choices.below(word::DATA / 8),
            10 => word::DATA + choices.below(words.len() - word::DATA) / 8 * 8,
            // At an element or a record that is about to be read or written.
            _ => self.shape.offset(words.read(position).wrapping_add(choices.below(8) * self.shape.align.max(1))),
        }
    }

    /// Chooses what a position, or another word of the header, may say.
    fn number(&self, words: &Words, choices: &impl Choices, stood: u64) -> u64 {
        let Shape { capacity, align, .. } = self.shape;
        let near = choices.below(32).wrapping_sub(16).wrapping_mul(align.max(1));
        let base = match choices.below(8) {
            0 => 0,
            1 => 1 << 63,
            2 => words.read(word::TAIL),
            3 => words.read(word::HEAD),
            4 => words.read(word::HEAD).wrapping_add(capacity),
            5 => words.read(word::TAIL).wrapping_sub(capacity),
            6 => choices.any(),
            _ => stood,
        };
        base.wrapping_add(if choices.below(8) == 7 { choices.below(9).wrapping_sub(4) } else { near })
    }

    /// Chooses what the header of a record may say.
    fn header(&self, choices: &impl Choices) -> u64 {
        let capacity = self.shape.capacity;
        match choices.below(8) {
            0 => 0,
            1 => choices.any(),
            2 => u64::MAX,
            3 => header(choices.any() >> 8) ^ choices.below(256),
            4 => header(capacity - choices.below(3 * self.shape.align)),
            5 => header(choices.below(2 * capacity)),
            _ => header(choices.below(256)),
        }
    }
}

impl Shape {
    /// Returns how far behind its header a payload starts.
    fn payload(self) -> u64 {
        if self.align == 8 { 8 } else { 16 }
    }

    /// Returns the offset of the word in which the byte at a position lies, or an element begins.
    fn offset(self, position: u64) -> u64 {
        word::DATA + (position % self.capacity * self.unit) / 8 * 8
    }
}

/// Returns the header of a record of a message of this length.
pub(super) fn header(len: u64) -> u64 {
    len.wrapping_mul(256) | 1
}
