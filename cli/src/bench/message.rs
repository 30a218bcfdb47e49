//! What is sent: messages of whole words, every one of them written by the sender and read by the receiver.

use anyhow::{Result, ensure};

/// The sender's side: one buffer, filled anew for each message from a running counter.
pub(crate) struct Outgoing<const WORDS: usize> {
    message: Box<[u64; WORDS]>,
    sequence: u64,
}

impl<const WORDS: usize> Outgoing<WORDS> {
    pub(crate) fn new() -> Self {
        Self { message: Box::new([0; WORDS]), sequence: 0 }
    }

    /// Fills the buffer with the next message: word `i` of message `n` is `n + i`, and `n` starts at 1.
    #[inline]
    pub(crate) fn next(&mut self) -> &[u64; WORDS] {
        self.sequence = self.sequence.wrapping_add(1);
        let mut value = self.sequence;
        for word in self.message.iter_mut() {
            *word = value;
            value = value.wrapping_add(1);
        }
        &self.message
    }

    /// Fills the buffer in the same way, and puts a time in the place of its first word at last.
    #[inline]
    pub(crate) fn next_with(&mut self, time: impl FnOnce() -> u64) -> &[u64; WORDS] {
        self.next();
        self.message[0] = time();
        &self.message
    }
}

/// The receiver's side: one buffer, and the number of the message that must be in it next.
pub(crate) struct Incoming<const WORDS: usize> {
    message: Box<[u64; WORDS]>,
    sequence: u64,
}

impl<const WORDS: usize> Incoming<WORDS> {
    pub(crate) fn new() -> Self {
        Self { message: Box::new([0; WORDS]), sequence: 0 }
    }

    /// The buffer to receive into.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut [u64; WORDS] {
        &mut self.message
    }

    /// Reads every word of the buffer and compares their sum with that of the message that is due.
    #[inline]
    pub(crate) fn check(&mut self) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let found = self.message.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
        let expected = sum::<WORDS>(self.sequence);
        ensure!(
            found == expected,
            "message {} of {} bytes arrived damaged: the sum of its words is {found}, expected {expected}",
            self.sequence,
            WORDS * 8,
        );
        Ok(())
    }

    /// The same for a message with a time in the place of its first word, which it returns.
    #[inline]
    pub(crate) fn check_with_time(&mut self) -> Result<u64> {
        let time = std::mem::replace(&mut self.message[0], self.sequence.wrapping_add(1));
        self.check()?;
        Ok(time)
    }
}

/// The sum of `sequence + i` for each `i` below `WORDS`, modulo 2^64.
#[inline]
fn sum<const WORDS: usize>(sequence: u64) -> u64 {
    let words = WORDS as u64;
    let indexes = words * (words - 1) / 2;
    words.wrapping_mul(sequence).wrapping_add(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_exchange<const WORDS: usize>(damage: impl Fn(&mut [u64; WORDS])) -> Result<()> {
        let mut outgoing = Outgoing::<WORDS>::new();
        let mut incoming = Incoming::<WORDS>::new();
        for _ in 0..3 {
            *incoming.buffer() = *outgoing.next();
            damage(incoming.buffer());
            incoming.check()?;
        }
        Ok(())
    }

    #[test]
    fn whole_messages_in_order_pass() {
        check_exchange::<1>(|_| ()).unwrap();
        check_exchange::<8>(|_| ()).unwrap();
        check_exchange::<8192>(|_| ()).unwrap();
    }

    #[test]
    fn a_changed_word_is_an_error() {
        let error = check_exchange::<8>(|message| message[7] ^= 1).unwrap_err();
        assert!(error.to_string().contains("64 bytes"), "{error}");
    }

    #[test]
    fn a_message_that_was_lost_is_an_error() {
        let mut outgoing = Outgoing::<2>::new();
        let mut incoming = Incoming::<2>::new();
        outgoing.next();
        *incoming.buffer() = *outgoing.next();
        assert!(incoming.check().is_err());
    }

    #[test]
    fn a_message_keeps_its_time() {
        let mut outgoing = Outgoing::<8>::new();
        let mut incoming = Incoming::<8>::new();
        for time in [0, 77, u64::MAX] {
            *incoming.buffer() = *outgoing.next_with(|| time);
            assert_eq!(incoming.check_with_time().unwrap(), time);
        }
        *incoming.buffer() = *outgoing.next_with(|| 1);
        incoming.buffer()[7] ^= 1;
        assert!(incoming.check_with_time().is_err());
    }
}
