//! Pushes and pops values on one thread, for callgrind to count: `counted SUBJECT BYTES BURST VALUES`.
//!
//! The cost of a value is the difference between two runs with different numbers of values: what a run does once falls
//! out of it, like attaching to the ring. `tests/instructions` makes the runs.

use std::alloc::Layout;
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use ringmain::Options;

/// A value of `8 * WORDS` bytes.
type Value<const WORDS: usize> = [u64; WORDS];

type Outcome = Result<(), Box<dyn Error>>;

/// The capacity of a stream ring and of rtrb's, in values.
const SLOTS: usize = 1024;

/// The capacity of a message ring, in bytes.
const BYTES: usize = 1 << 16;

/// How many pauses fit into a time is measured in each run, and two runs would differ by them. So there are none.
const PACE: Duration = Duration::ZERO;

fn rtrb<const WORDS: usize>(burst: u64, values: u64) -> Outcome {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Value<WORDS>>::new(SLOTS);
    pass(burst, values, |value| producer.push(value).ok(), || consumer.pop().ok())
}

fn stream<const WORDS: usize>(burst: u64, values: u64) -> Outcome {
    let ring = Options::anonymous().capacity(SLOTS).create_stream(Layout::new::<Value<WORDS>>())?;
    let ends = Options::from_fd(ring).pace(PACE);
    let (mut producer, mut consumer) = (ends.stream_producer::<Value<WORDS>>()?, ends.stream_consumer()?);
    pass(burst, values, |value| producer.push(value).ok(), || consumer.pop().ok())
}

fn message<const WORDS: usize, const ALIGN: usize>(burst: u64, values: u64) -> Outcome {
    let ring = Options::anonymous().capacity(BYTES).record_alignment(ALIGN).create_message()?;
    let ends = Options::from_fd(ring).pace(PACE);
    let (mut producer, mut consumer) = (ends.message_producer()?, ends.message_consumer()?);
    pass(burst, values, |value: Value<WORDS>| producer.push_value(&value).ok(), || consumer.pop_value().ok())
}

/// Passes so many values, in bursts: so many are pushed, and then popped. In bursts of one, each pop finds its value by
/// a load, as in a round trip. Each word of a value is written before the push, and checked after the pop.
#[inline(always)]
fn pass<const WORDS: usize>(
    burst: u64,
    values: u64,
    mut push: impl FnMut(Value<WORDS>) -> Option<()>,
    mut pop: impl FnMut() -> Option<Value<WORDS>>,
) -> Outcome {
    for first in (0..values).step_by(burst as usize) {
        for number in first..first + burst {
            push([black_box(number); WORDS]).ok_or("the ring is full")?;
        }
        for number in first..first + burst {
            let value = pop().ok_or("the ring is empty")?;
            if value.iter().fold(0, |wrong, word| wrong | (word ^ number)) != 0 {
                return Err("a value is not the one that was pushed".into());
            }
        }
    }
    Ok(())
}

/// Calls a function that has the number of words as its first parameter, by the size in bytes.
macro_rules! by_size {
    ($bytes:expr, $burst:expr, $values:expr, $function:ident $(, $align:literal)?) => {
        match $bytes {
            8 => $function::<1 $(, $align)?>($burst, $values),
            32 => $function::<4 $(, $align)?>($burst, $values),
            64 => $function::<8 $(, $align)?>($burst, $values),
            256 => $function::<32 $(, $align)?>($burst, $values),
            bytes => Err(format!("values of {bytes} bytes; expected 8, 32, 64 or 256").into()),
        }
    };
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, bytes, burst, values] = arguments.as_slice() else {
        return Err("counted SUBJECT BYTES BURST VALUES".into());
    };
    let (bytes, burst, values): (u64, u64, u64) = (bytes.parse()?, burst.parse()?, values.parse()?);
    match subject.as_str() {
        "rtrb" => by_size!(bytes, burst, values, rtrb),
        "stream" => by_size!(bytes, burst, values, stream),
        "message-8" => by_size!(bytes, burst, values, message, 8),
        "message-64" => by_size!(bytes, burst, values, message, 64),
        subject => Err(format!("{subject}; expected rtrb, stream, message-8 or message-64").into()),
    }
}
