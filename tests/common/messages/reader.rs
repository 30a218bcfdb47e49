//! Calls of every kind that pop messages.

use bytemuck::{AnyBitPattern, NoUninit};
use ringmain::PopError;
use ringmain::message::{Consumer, Record};

use super::super::elements::Kinds;
use super::{LONGEST_CALL, Messages};

/// Pops messages by every call that there is, and checks what they are.
pub(crate) struct Reader {
    messages: Messages,
    next: u64,
    kinds: Kinds,
    buffer: Vec<u8>,
    vector: Vec<u8>,
}

impl Reader {
    pub(crate) fn starting_at(position: u64, messages: Messages, seed: u64) -> Reader {
        let buffer = vec![0; messages.longest as usize];
        Reader { messages, next: position, kinds: Kinds::new(8, seed), buffer, vector: Vec::new() }
    }

    /// Returns the position of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Pops messages in one call, checks them, and returns how many were there.
    #[track_caller]
    pub(crate) fn pop_some(&mut self, rx: &mut Consumer) -> u64 {
        let most = 1 + self.kinds.random.below(LONGEST_CALL) as usize;
        let popped = match self.kinds.choose() {
            0 => self.pop(rx),
            1 => rx.pop_into(&mut self.vector).map(|len| {
                assert_eq!(len, self.vector.len());
                self.messages.check(self.next, &self.vector);
                self.next = self.messages.after(self.next);
            }),
            2 => match self.messages.at(self.next).len() {
                1 => self.pop_value::<u8>(rx),
                8 => self.pop_value::<u64>(rx),
                24 => self.pop_value::<[u64; 3]>(rx),
                _ => self.pop_value::<[u32; 10]>(rx),
            },
            3 => return self.look(rx),
            4 => return rx.drain(most, |record| self.check_record(record)).unwrap() as u64,
            5 => return rx.messages().take(most).map(|bytes| self.check(&bytes.unwrap())).count() as u64,
            6 => {
                // SAFETY: the processes of a test that look at this ring use its handles alone.
                let mut view = unsafe { rx.trust_peer() };
                return view.drain(most, |bytes| self.check(bytes)).unwrap() as u64;
            }
            _ => {
                // SAFETY: the same.
                let mut view = unsafe { rx.trust_peer() };
                view.peek().map(|record| {
                    self.check(&record);
                    record.release();
                })
            }
        };
        match popped {
            Ok(()) => 1,
            Err(PopError::Empty) => 0,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Pops into a buffer: now and then, one that is too short at first.
    fn pop(&mut self, rx: &mut Consumer) -> Result<(), PopError> {
        let len = self.messages.at(self.next).len();
        if len > 0 && self.kinds.random.below(8) == 0 {
            let refused = rx.pop(&mut self.buffer[..len - 1]);
            let expected = PopError::BufferTooShort { len, buffer: len - 1 };
            assert!(
                [Err(expected), Err(PopError::Empty)].contains(&refused),
                "{refused:?} came, expected {expected:?}"
            );
        }
        let len = rx.pop(&mut self.buffer)?;
        self.check_buffer(len);
        Ok(())
    }

    /// Pops a value; if the message is none, it must be said so, and the message stay.
    fn pop_value<T: NoUninit + AnyBitPattern>(&mut self, rx: &mut Consumer) -> Result<(), PopError> {
        match rx.pop_value::<T>() {
            Ok(value) => self.check(bytemuck::bytes_of(&value)),
            Err(PopError::WrongSize { len, size }) => {
                assert!(size == size_of::<T>() && len != size, "a value of {size} bytes refused one of {len}");
                return self.pop(rx);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks at a message. Now and then, it is left, and found again by the next call.
    #[track_caller]
    fn look(&mut self, rx: &mut Consumer) -> u64 {
        let here = self.next;
        let record = match rx.peek() {
            Ok(record) => record,
            Err(PopError::Empty) => return 0,
            Err(error) => panic!("{error:?}"),
        };
        self.check_record(&record);
        if self.kinds.random.below(8) == 0 {
            self.next = here;
            return 0;
        }
        record.release();
        1
    }

    #[track_caller]
    fn check_record(&mut self, record: &Record<'_>) {
        let expected = self.messages.at(self.next);
        if self.kinds.random.below(2) == 0 {
            self.check(&record.to_vec());
        } else {
            let len = record.copy_to(&mut self.buffer);
            self.check_buffer(len);
        }
        assert_eq!((record.len(), record.is_empty()), (expected.len(), expected.is_empty()));
        let at = self.kinds.random.below(expected.len() as u64 + 9) as usize;
        let word = expected.get(at..at + 8).map(bytemuck::pod_read_unaligned::<u64>);
        assert_eq!(record.value::<u64>(at), word, "the word at {at} of {expected:?}");
    }

    #[track_caller]
    fn check_buffer(&mut self, len: usize) {
        self.messages.check(self.next, &self.buffer[..len]);
        self.next = self.messages.after(self.next);
    }

    #[track_caller]
    fn check(&mut self, bytes: &[u8]) {
        self.messages.check(self.next, bytes);
        self.next = self.messages.after(self.next);
    }
}
