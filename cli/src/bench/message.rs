//! What is sent: messages of whole words, with a counter in each of their cache lines.
//!
//! Filling and checking are part of every figure, and must be little beside the fastest ring. So a message differs from
//! the one before by its counters alone; its other words say where in a line they stand. The transport writes and
//! reads every byte. The receiver reads each word: it compares the first one at once, and adds up all, and looks at the
//! sums after the last message.

use anyhow::{Result, bail, ensure};

/// Words of a cache line.
const LINE: usize = 8;
/// Words that are added up at once, and their sums: those of even words, and those of odd ones.
const TOGETHER: usize = 4;
/// What stands in a line: a counter in the place of the first word, which is counted on from line to line, and these.
/// An instruction can store them without a register for each.
const PATTERN: [u64; LINE] =
    [0, 0x1e37_79b1, 0x3c6e_f372, 0x5aa6_6d2d, 0x78dd_e6e5, 0x1715_609f, 0x354c_da58, 0x5384_5413];
/// Messages of so many words at most are made anew as values, and others in buffers that keep what does not change.
const MADE_ANEW: usize = LINE;

/// The word at a place of the message of this number.
#[inline(always)]
const fn word(sequence: u64, at: usize) -> u64 {
    if at.is_multiple_of(LINE) { sequence.wrapping_add((at / LINE) as u64) } else { PATTERN[at % LINE] }
}

/// The sender's side: the number of the last message, and buffers for long ones.
///
/// There are two, so that the next message is made before this one is sent: counters that were just stored would make
/// a copy by wider loads wait for them.
pub(crate) struct Outgoing<const WORDS: usize> {
    buffers: Box<[[u64; WORDS]; 2]>,
    sequence: u64,
}

impl<const WORDS: usize> Outgoing<WORDS> {
    /// Whether messages lie in no memory before they are sent.
    pub(crate) const IN_REGISTERS: bool = WORDS <= MADE_ANEW;

    pub(crate) fn new() -> Self {
        let mut buffers = Box::new([[0; WORDS]; 2]);
        for buffer in buffers.iter_mut() {
            buffer.iter_mut().enumerate().for_each(|(at, one)| *one = word(1, at));
        }
        Self { buffers, sequence: 0 }
    }

    /// Makes the next message and hands it to `send`. The first one has the number 1.
    #[inline(always)]
    pub(crate) fn next<T>(&mut self, send: impl FnOnce(&[u64; WORDS]) -> T) -> T {
        self.sequence = self.sequence.wrapping_add(1);
        Self::make(&mut self.buffers, self.sequence, send)
    }

    /// Makes so many messages and hands each to `send`. The number stays in a register.
    #[inline(always)]
    pub(crate) fn each(&mut self, messages: u64, mut send: impl FnMut(&[u64; WORDS]) -> Result<()>) -> Result<()> {
        let mut sequence = self.sequence;
        for _ in 0..messages {
            sequence = sequence.wrapping_add(1);
            Self::make(&mut self.buffers, sequence, &mut send)?;
        }
        self.sequence = sequence;
        Ok(())
    }

    #[inline(always)]
    fn make<T>(buffers: &mut [[u64; WORDS]; 2], sequence: u64, send: impl FnOnce(&[u64; WORDS]) -> T) -> T {
        if Self::IN_REGISTERS {
            return send(&std::array::from_fn(|at| word(sequence, at)));
        }
        let [even, odd] = buffers;
        let (this, next) = if sequence.is_multiple_of(2) { (even, odd) } else { (odd, even) };
        for (line, words) in next.as_chunks_mut::<LINE>().0.iter_mut().enumerate() {
            words[0] = sequence.wrapping_add(1 + line as u64);
        }
        send(this)
    }

    /// The same with a time in the place of the first word, which is read at last, and the number in that of the
    /// second.
    #[inline]
    pub(crate) fn next_with<T>(&mut self, time: impl FnOnce() -> u64, send: impl FnOnce(&[u64; WORDS]) -> T) -> T {
        let mut message = self.next(|message| *message);
        message[1] = self.sequence;
        message[0] = time();
        send(&message)
    }
}

/// The receiver's side: a buffer for transports that need one, and the number of the last message.
pub(crate) struct Incoming<const WORDS: usize> {
    pub(crate) buffer: Box<[u64; WORDS]>,
    pub(crate) check: Check<WORDS>,
}

impl<const WORDS: usize> Incoming<WORDS> {
    pub(crate) fn new() -> Self {
        Self { buffer: Box::new([0; WORDS]), check: Check::new() }
    }
}

/// Knows which message is due. In a loop it is a copy, so that its numbers stay in registers.
#[derive(Clone, Copy)]
pub(crate) struct Check<const WORDS: usize> {
    sequence: u64,
    /// Of all words so far: those of even places and those of odd ones.
    sums: [u64; 2],
}

impl<const WORDS: usize> Check<WORDS> {
    pub(crate) fn new() -> Self {
        Self { sequence: 0, sums: [0; 2] }
    }

    /// Reads every word of a message. Whether it is the one that is due is told now, and what else is wrong with it by
    /// [`finish`](Self::finish).
    #[inline(always)]
    pub(crate) fn message(&mut self, message: &[u64; WORDS]) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.add(message);
        if message[0] == self.sequence { Ok(()) } else { other(message[0], self.sequence, WORDS * 8) }
    }

    /// The same for a message with a time in it, which it returns.
    #[inline]
    pub(crate) fn message_with_time(&mut self, message: &[u64; WORDS]) -> Result<u64> {
        let mut without = *message;
        let (time, number) = (message[0], message[1]);
        without[0] = number;
        without[1] = word(number, 1);
        self.message(&without)?;
        Ok(time)
    }

    /// Adds up all words, in registers of two: a branch for each would cost more than all else.
    #[inline(always)]
    fn add(&mut self, message: &[u64; WORDS]) {
        let mut sums = [0u64; TOGETHER];
        let (whole, rest) = message.as_chunks::<TOGETHER>();
        for words in whole {
            for at in 0..TOGETHER {
                sums[at] = sums[at].wrapping_add(words[at]);
            }
        }
        for at in 0..2 {
            self.sums[at] = self.sums[at].wrapping_add(sums[at].wrapping_add(sums[at + 2]));
        }
        for (at, word) in rest.iter().enumerate() {
            self.sums[at] = self.sums[at].wrapping_add(*word);
        }
    }

    /// To be called after the last message of a run.
    ///
    /// # Errors
    /// - the sum of all words is not as it must be
    pub(crate) fn finish(&self) -> Result<()> {
        let messages = u128::from(self.sequence);
        let mut expected = [0u64; 2];
        for at in 0..WORDS {
            let of_all = if at.is_multiple_of(LINE) {
                messages * (messages + 1) / 2 + messages * (at / LINE) as u128
            } else {
                messages * u128::from(PATTERN[at % LINE])
            };
            // As the sums: modulo 2^64.
            expected[at % 2] = expected[at % 2].wrapping_add(of_all as u64);
        }
        ensure!(
            self.sums == expected,
            "of {messages} messages of {} bytes at least one arrived damaged: the sums of their words are {:?}, \
             expected {expected:?}",
            WORDS * 8,
            self.sums
        );
        Ok(())
    }
}

#[cold]
fn other(found: u64, expected: u64, bytes: usize) -> Result<()> {
    bail!("a message of {bytes} bytes has the number {found}, expected {expected}: one was lost, repeated or damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy<const WORDS: usize>(outgoing: &mut Outgoing<WORDS>) -> [u64; WORDS] {
        outgoing.next(|message| *message)
    }

    #[track_caller]
    fn check_exchange<const WORDS: usize>() {
        let (mut outgoing, mut incoming) = (Outgoing::<WORDS>::new(), Incoming::<WORDS>::new());
        for sequence in 1..4 {
            let message = copy(&mut outgoing);
            assert_eq!(message, std::array::from_fn(|at| word(sequence, at)));
            incoming.check.message(&message).unwrap();
            incoming.check.finish().unwrap();
        }
    }

    #[test]
    fn whole_messages_in_order_pass() {
        check_exchange::<1>();
        check_exchange::<2>();
        check_exchange::<4>();
        check_exchange::<8>();
        check_exchange::<16>();
        check_exchange::<8192>();
    }

    /// Whether a message counts as the first one, and as whole.
    fn passes<const WORDS: usize>(message: &[u64; WORDS]) -> bool {
        let mut check = Check::new();
        check.message(message).and_then(|()| check.finish()).is_ok()
    }

    #[track_caller]
    fn check_every_bit_counts<const WORDS: usize>() {
        for bit in 0..64 * WORDS {
            let mut message = copy(&mut Outgoing::<WORDS>::new());
            assert!(passes(&message));
            message[bit / 64] ^= 1 << (bit % 64);
            assert!(!passes(&message), "bit {bit}");
        }
    }

    #[test]
    fn a_changed_bit_is_an_error() {
        check_every_bit_counts::<1>();
        check_every_bit_counts::<4>();
        check_every_bit_counts::<8>();
        check_every_bit_counts::<32>();
    }

    #[test]
    fn damage_is_still_told_after_messages_that_are_whole() {
        let (mut outgoing, mut check) = (Outgoing::<8>::new(), Check::new());
        for number in 0..3 {
            let mut message = copy(&mut outgoing);
            message[7] ^= u64::from(number == 1);
            check.message(&message).unwrap();
        }
        let error = check.finish().unwrap_err().to_string();
        assert!(error.contains("of 3 messages of 64 bytes at least one"), "{error}");
    }

    #[test]
    fn lines_and_neighbours_that_changed_places_are_an_error() {
        for (one, other) in [(0, 8), (1, 2), (8, 9), (9, 14)] {
            let mut message = copy(&mut Outgoing::<32>::new());
            message.swap(one, other);
            assert!(!passes(&message), "{one} and {other}");
        }
    }

    #[test]
    fn a_message_that_was_lost_or_came_twice_is_told_at_once() {
        let mut outgoing = Outgoing::<2>::new();
        let first = copy(&mut outgoing);
        let error = Check::new().message(&copy(&mut outgoing)).unwrap_err().to_string();
        assert!(error.contains("the number 2, expected 1"), "{error}");
        let mut check = Check::new();
        check.message(&first).unwrap();
        assert!(check.message(&first).is_err());
    }

    #[test]
    fn many_messages_are_as_they_would_be_one_by_one() {
        let (mut one_by_one, mut outgoing) = (Outgoing::<16>::new(), Outgoing::<16>::new());
        for messages in [3, 0, 2] {
            let mut made = Vec::new();
            let note = |message: &[u64; 16]| {
                made.push(*message);
                Ok(())
            };
            outgoing.each(messages, note).unwrap();
            assert_eq!(made, (0..messages).map(|_| copy(&mut one_by_one)).collect::<Vec<_>>());
        }
    }

    #[track_caller]
    fn check_time<const WORDS: usize>() {
        let (mut outgoing, mut incoming) = (Outgoing::<WORDS>::new(), Incoming::<WORDS>::new());
        let mut copy = |time| outgoing.next_with(|| time, |message| *message);
        for time in [0, 77, u64::MAX] {
            assert_eq!(incoming.check.message_with_time(&copy(time)).unwrap(), time);
        }
        copy(1);
        assert!(incoming.check.message_with_time(&copy(1)).is_err(), "one was lost");
        let mut incoming = Incoming::<WORDS>::new();
        let mut outgoing = Outgoing::<WORDS>::new();
        let mut damaged = outgoing.next_with(|| 1, |message| *message);
        damaged[WORDS - 1] ^= 1;
        let result = incoming.check.message_with_time(&damaged);
        assert!(result.and_then(|_| incoming.check.finish()).is_err(), "one is damaged");
    }

    #[test]
    fn a_message_keeps_its_time_and_its_number() {
        check_time::<2>();
        check_time::<8>();
        check_time::<128>();
    }
}
