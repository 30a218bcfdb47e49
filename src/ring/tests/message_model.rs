//! Random calls of the message ring against a `VecDeque`.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;

use super::message::ALIGNS;
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::ring::message::{Consumer, PopError, Producer, PushError, Shape};
use crate::ring::pace::Flow;

/// What is pushed and popped as a value.
type Value = [u8; 13];

/// One way to send a message.
#[derive(Clone, Debug)]
enum Send {
    Push(usize),
    PushVectored { len: usize, cut: usize },
    PushValue,
    Claim { len: usize, commit: usize },
    ClaimAndDrop(usize),
}

/// One call of either end.
#[derive(Clone, Debug)]
enum Call {
    Send(Send),
    Batch {
        sends: Vec<Send>,
        commit: bool,
    },
    Pop,
    PopInto,
    PopValue,
    /// Comes between the header of the last messages and the tail.
    PopEarly,
    Peek {
        release: bool,
    },
    IsEmpty,
    Release(usize),
    ProducerIsSucceeded,
    /// Between the header of its last messages and the tail.
    ProducerIsKilled,
    ConsumerIsSucceeded,
    ConsumerIsKilled,
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..60_usize, 1 => 0..9000_usize]
}

fn send() -> impl Strategy<Value = Send> {
    prop_oneof![
        3 => len().prop_map(Send::Push),
        2 => (len(), len()).prop_map(|(len, cut)| Send::PushVectored { len, cut }),
        2 => Just(Send::PushValue),
        2 => (len(), len()).prop_map(|(len, commit)| Send::Claim { len, commit }),
        1 => len().prop_map(Send::ClaimAndDrop),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => send().prop_map(Call::Send),
        3 => (vec(send(), 0..6), prop::bool::weighted(0.8)).prop_map(|(sends, commit)| Call::Batch { sends, commit }),
        4 => Just(Call::Pop),
        2 => Just(Call::PopInto),
        2 => Just(Call::PopValue),
        2 => Just(Call::PopEarly),
        3 => any::<bool>().prop_map(|release| Call::Peek { release }),
        1 => Just(Call::IsEmpty),
        1 => len().prop_map(Call::Release),
        1 => Just(Call::ProducerIsSucceeded),
        1 => Just(Call::ProducerIsKilled),
        1 => Just(Call::ConsumerIsSucceeded),
        1 => Just(Call::ConsumerIsKilled),
    ]
}

/// What the ring must do, and how late the head may be.
struct Model {
    shape: Shape,
    step: usize,
    queue: VecDeque<Vec<u8>>,
    /// What was read and perhaps not given back, the oldest first.
    read: VecDeque<Vec<u8>>,
    head: u64,
    published: u64,
    tail: u64,
    /// Where the last message or batch started.
    before: u64,
    count: usize,
}

impl Model {
    /// Makes a message unlike the last ones.
    fn message(&mut self, len: usize) -> Vec<u8> {
        self.count += 1;
        (0..len % (self.shape.max_len() + 1)).map(|at| (at * 7 + at / 256 + self.count * 31) as u8).collect()
    }

    /// Returns the bytes that the records of messages take.
    fn bytes(&self, messages: &VecDeque<Vec<u8>>) -> u64 {
        messages.iter().map(|message| self.shape.size(message.len())).sum()
    }

    /// Learns of the head that the producer can see. It is late by less than a step and less than a quarter.
    #[track_caller]
    fn published(&mut self, head: u64) {
        let (late, most) = (self.head.wrapping_sub(head), self.bytes(&self.read));
        assert!(late <= most, "the head is late by {late} bytes, expected {most} at most");
        self.published = head;
    }

    /// Checks what the producer said about room for a message: there is some up to the published head, and no other.
    #[track_caller]
    fn found_room<T>(&self, staged: u64, len: usize, found: Result<T, PushError>) -> Option<T> {
        let free = self.shape.capacity() as u64 - self.tail.wrapping_sub(self.published);
        let needed = staged + self.shape.size(len) + self.shape.align() as u64;
        match found {
            Ok(found) if needed <= free => Some(found),
            Err(PushError::Full) if needed > free => None,
            Ok(_) => panic!("room for {len} bytes behind {staged}, which need {needed} of {free}"),
            Err(error) => panic!("{error}: {len} bytes behind {staged} need {needed} of {free}"),
        }
    }

    /// Adds messages that became visible together.
    fn sent(&mut self, messages: Vec<Vec<u8>>) {
        if !messages.is_empty() {
            self.before = self.tail;
            self.queue.extend(messages);
            self.tail = self.head.wrapping_add(self.bytes(&self.queue));
        }
    }

    /// Takes the message that was read.
    #[track_caller]
    fn take(&mut self) -> Vec<u8> {
        let message = self.queue.pop_front().expect("a message was sent");
        self.head = self.head.wrapping_add(self.shape.size(message.len()));
        self.read.push_back(message.clone());
        let quarter = self.shape.capacity() as u64 / 4;
        while self.read.len() >= self.step || self.bytes(&self.read) >= quarter {
            self.read.pop_front();
        }
        if self.queue.is_empty() {
            self.read.clear();
        }
        message
    }

    /// Puts back what the next consumer finds again where the last one's head is this.
    #[track_caller]
    fn go_back_to(&mut self, head: u64) {
        while self.head != head {
            let message = self.read.pop_back().expect("a head that is late by what was read, as far as it may be");
            self.head = self.head.wrapping_sub(self.shape.size(message.len()));
            self.queue.push_front(message);
        }
        self.read.clear();
    }
}

/// Sends one message by a producer or a batch, and returns it where it got there.
macro_rules! send {
    ($sender:expr, $send:expr, $model:expr, $staged:expr) => {{
        let (sender, model, staged) = (&mut $sender, &mut *$model, $staged);
        match $send {
            Send::Push(len) => {
                let message = model.message(len);
                model.found_room(staged, message.len(), sender.push(&message)).map(|()| message)
            }
            Send::PushVectored { len, cut } => {
                let message = model.message(len);
                let (first, second) = message.split_at(cut % (message.len() + 1));
                let pushed = sender.push_vectored(&[first, &[], second].map(IoSlice::new));
                model.found_room(staged, message.len(), pushed).map(|()| message)
            }
            Send::PushValue => {
                let message = model.message(size_of::<Value>());
                let value: Value = message[..].try_into().unwrap();
                model.found_room(staged, message.len(), sender.push_value(&value)).map(|()| message)
            }
            Send::Claim { len, commit } => {
                let mut message = model.message(len);
                let claim = model.found_room(staged, message.len(), sender.claim(message.len()));
                claim.map(|mut claim| {
                    let cut = commit % (message.len() + 1);
                    claim.write_at(cut, &message[cut..]);
                    claim.write_at(0, &message[..cut]);
                    assert_eq!(claim.write(&[7]), 0);
                    claim.commit_len(cut);
                    message.truncate(cut);
                    message
                })
            }
            Send::ClaimAndDrop(len) => {
                let message = model.message(len);
                if let Some(mut claim) = model.found_room(staged, message.len(), sender.claim(message.len())) {
                    claim.write(&message);
                }
                None
            }
        }
    }};
}

#[track_caller]
fn pops<M: Memory>(consumer: &mut Consumer<M>, model: &mut Model) {
    let len = model.queue.front().map_or(0, Vec::len);
    if len > 0 {
        let short = PopError::BufferTooShort { len, buffer: len - 1 };
        assert_eq!(consumer.pop(&mut vec![0; len - 1]), Err(short));
    }
    let mut bytes = vec![0; len];
    match consumer.pop(&mut bytes) {
        Ok(popped) => assert_eq!((popped, bytes), (len, model.take())),
        Err(PopError::Empty) => assert!(model.queue.is_empty()),
        Err(error) => panic!("{error}"),
    }
}

fn agrees<P: Place>(shape: Shape, step: usize, start: u64, calls: Vec<Call>) {
    let (first, second) = P::message_memories(shape);
    let start = start & !(shape.align() as u64 - 1);
    start_at(&first, start);
    let flow = Flow { step, pauses: 2 };
    let mut producer = Producer::attach(first, shape).unwrap();
    let mut consumer = Consumer::attach(second, shape, flow).unwrap();
    let (queue, read) = (VecDeque::new(), VecDeque::new());
    let (head, published, tail, before) = (start, start, start, start);
    let mut model = Model { shape, step, queue, read, head, published, tail, before, count: 0 };
    for call in calls {
        model.published(consumer.memory().head().load(Ordering::Relaxed));
        if matches!(call, Call::Send(_) | Call::Batch { .. }) {
            // The last tail is stored before anything else is written.
            model.before = model.tail;
        }
        match call {
            Call::Send(send) => {
                let message = send!(producer, send, &mut model, 0);
                model.sent(message.into_iter().collect());
            }
            Call::Batch { sends, commit } => {
                let (mut batch, mut messages, mut staged) = (producer.batch(), vec![], 0);
                for send in sends {
                    if let Some(message) = send!(batch, send, &mut model, staged) {
                        staged += shape.size(message.len());
                        messages.push(message);
                    }
                    assert_eq!(batch.len(), messages.len());
                    assert_eq!(consumer.is_empty(), Ok(model.queue.is_empty()));
                }
                if commit {
                    batch.commit();
                    model.sent(messages);
                }
            }
            Call::Pop => pops(&mut consumer, &mut model),
            Call::PopInto => {
                let mut bytes = vec![7; 30];
                match consumer.pop_into(&mut bytes) {
                    Ok(_) => assert_eq!(bytes, model.take()),
                    Err(PopError::Empty) => assert!(model.queue.is_empty()),
                    Err(error) => panic!("{error}"),
                }
            }
            Call::PopValue => match consumer.pop_value::<Value>() {
                Ok(value) => assert_eq!(value[..], model.take()),
                Err(PopError::NotThisValue { len, size }) => {
                    assert_eq!((len, size), (model.queue[0].len(), size_of::<Value>()));
                    assert_ne!(len, size);
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::PopEarly => {
                producer.memory().tail().store(model.before, Ordering::Relaxed);
                pops(&mut consumer, &mut model);
                producer.memory().tail().store(model.tail, Ordering::Relaxed);
            }
            Call::Peek { release } => match consumer.peek() {
                Ok(record) => {
                    assert_eq!(record.to_vec(), model.queue[0]);
                    if release {
                        record.release();
                        model.take();
                    }
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::IsEmpty => assert_eq!(consumer.is_empty(), Ok(model.queue.is_empty())),
            Call::Release(len) => {
                consumer.release();
                model.read.clear();
                let free = shape.capacity() as u64 - model.bytes(&model.queue);
                let fits = len <= shape.max_len() && shape.size(len) + shape.align() as u64 <= free;
                assert_eq!(producer.can_push(len), Ok(fits));
            }
            Call::ProducerIsSucceeded => {
                producer = Producer::attach(producer.into_memory(), shape).unwrap();
            }
            Call::ProducerIsKilled => {
                producer.memory().tail().store(model.before, Ordering::Relaxed);
                producer = Producer::attach(producer.into_memory(), shape).unwrap();
            }
            Call::ConsumerIsSucceeded => {
                consumer.leave(1);
                model.read.clear();
                consumer = Consumer::attach(consumer.into_memory(), shape, flow).unwrap();
            }
            Call::ConsumerIsKilled => {
                model.go_back_to(consumer.memory().head().load(Ordering::Relaxed));
                consumer = Consumer::attach(consumer.into_memory(), shape, flow).unwrap();
            }
        }
        assert_eq!(producer.memory().tail().load(Ordering::Relaxed), model.tail);
    }
    (0..=model.queue.len()).for_each(|_| pops(&mut consumer, &mut model));
    assert_eq!(consumer.is_empty(), Ok(true));
}

fn align() -> impl Strategy<Value = usize> {
    prop::sample::select(&ALIGNS[..])
}

fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any::<u64>(), u64::MAX - 500..=u64::MAX]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_on_the_heap_agree_with_a_queue(
        power in 0..5_u32, align in align(), step in 1..20_usize, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<OnHeap>(Shape::new(OnHeap::SMALLEST << power, align), step, start, calls);
    }

    #[cfg(not(miri))]
    #[test]
    fn random_calls_in_a_segment_agree_with_a_queue(
        power in 0..2_u32, align in align(), step in 1..20_usize, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<InSegment>(Shape::new(InSegment::SMALLEST << power, align), step, start, calls);
    }
}
