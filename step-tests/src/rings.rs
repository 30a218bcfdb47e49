//! The two rings, as far as they are alike, through the handles of the library that ships.

use std::fmt::Debug;
use std::time::Duration;

use ringmain::{Error, Options, PopError, PushError, WaitError, message, stream};

use crate::elements::{self, Element, LONGEST, element, number_of_element, number_of_message};

/// How many elements a stream ring holds: few, so that calls meet the end of the buffer.
pub const SLOTS: usize = 8;

/// How many bytes a message ring holds: the fewest that there can be.
pub const BYTES: usize = 4096;

/// A ring whose elements, or messages, have numbers.
pub trait Ring {
    /// What its calls begin with.
    const KIND: &'static str;

    /// How many elements or messages are sent before the call: so many that what lies behind the tail is old ones, and
    /// for elements that the end of the buffer comes soon.
    const BEFORE: u64;

    /// The writing end.
    type Producer: Debug;
    /// The reading end.
    type Consumer: Debug;

    /// Says how such a ring is made.
    fn capacity(options: Options) -> Options;

    /// Attaches as its producer.
    ///
    /// # Errors
    ///
    /// As the library.
    fn producer(options: &Options) -> Result<Self::Producer, Error>;

    /// Attaches as its consumer.
    ///
    /// # Errors
    ///
    /// As the library.
    fn consumer(options: &Options) -> Result<Self::Consumer, Error>;

    /// Pushes what has this number, and returns whether there was room.
    ///
    /// # Errors
    ///
    /// What else went wrong.
    fn push(tx: &mut Self::Producer, number: u64) -> Result<bool, String>;

    /// Pops the number of what comes next, which is whole; `None` where nothing comes.
    ///
    /// # Errors
    ///
    /// What else went wrong.
    fn pop(rx: &mut Self::Consumer) -> Result<Option<u64>, String>;

    /// Waits for what comes next.
    ///
    /// # Errors
    ///
    /// Why nothing does.
    fn until_available(rx: &mut Self::Consumer, limit: Duration) -> Result<(), WaitError>;

    /// Waits for room for what has this number.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn until_free(tx: &mut Self::Producer, number: u64, limit: Duration) -> Result<(), WaitError>;

    /// Returns the bytes of what has this number.
    fn bytes(number: u64) -> Vec<u8>;
}

/// A ring of elements.
#[derive(Debug)]
pub enum Stream {}

impl Ring for Stream {
    const KIND: &'static str = "stream";
    const BEFORE: u64 = 20;

    type Producer = stream::Producer<Element>;
    type Consumer = stream::Consumer<Element>;

    fn capacity(options: Options) -> Options {
        options.capacity(SLOTS)
    }

    fn producer(options: &Options) -> Result<Self::Producer, Error> {
        options.stream_producer()
    }

    fn consumer(options: &Options) -> Result<Self::Consumer, Error> {
        options.stream_consumer()
    }

    fn push(tx: &mut Self::Producer, number: u64) -> Result<bool, String> {
        match tx.push(element(number)) {
            Ok(()) => Ok(true),
            Err(PushError::Full(_)) => Ok(false),
            Err(error) => Err(format!("push of {number}: {error}")),
        }
    }

    fn pop(rx: &mut Self::Consumer) -> Result<Option<u64>, String> {
        match rx.pop() {
            Ok(element) => number_of_element(element).map(Some),
            Err(PopError::Empty) => Ok(None),
            Err(error) => Err(format!("pop: {error}")),
        }
    }

    fn until_available(rx: &mut Self::Consumer, limit: Duration) -> Result<(), WaitError> {
        rx.within(limit).until_available(1)
    }

    fn until_free(tx: &mut Self::Producer, _number: u64, limit: Duration) -> Result<(), WaitError> {
        tx.within(limit).until_free(1)
    }

    fn bytes(number: u64) -> Vec<u8> {
        element(number).iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// A ring of messages.
#[derive(Debug)]
pub enum Message {}

impl Ring for Message {
    const KIND: &'static str = "message";
    const BEFORE: u64 = 160;

    type Producer = message::Producer;
    type Consumer = message::Consumer;

    fn capacity(options: Options) -> Options {
        options.capacity(BYTES)
    }

    fn producer(options: &Options) -> Result<Self::Producer, Error> {
        options.message_producer()
    }

    fn consumer(options: &Options) -> Result<Self::Consumer, Error> {
        options.message_consumer()
    }

    fn push(tx: &mut Self::Producer, number: u64) -> Result<bool, String> {
        match tx.push(&elements::message(number)) {
            Ok(()) => Ok(true),
            Err(PushError::Full(_)) => Ok(false),
            Err(error) => Err(format!("push of {number}: {error}")),
        }
    }

    fn pop(rx: &mut Self::Consumer) -> Result<Option<u64>, String> {
        let mut bytes = [0; LONGEST];
        match rx.pop(&mut bytes) {
            Ok(len) => number_of_message(&bytes[..len]).map(Some),
            Err(PopError::Empty) => Ok(None),
            Err(error) => Err(format!("pop: {error}")),
        }
    }

    fn until_available(rx: &mut Self::Consumer, limit: Duration) -> Result<(), WaitError> {
        rx.within(limit).until_available()
    }

    fn until_free(tx: &mut Self::Producer, number: u64, limit: Duration) -> Result<(), WaitError> {
        tx.within(limit).until_free(elements::message(number).len())
    }

    fn bytes(number: u64) -> Vec<u8> {
        elements::message(number)
    }
}
