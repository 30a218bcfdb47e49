//! Random calls of the message ring against a `VecDeque`.

use std::collections::VecDeque;
use std::io::{IoSlice, Write};
use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;

use super::detach::detach;
use super::message::ALIGNS;
use super::{InSegment, Memory, OnHeap, Place, Word, start_at};
use crate::error::Role;
use crate::ring::error::{PopError, PushError};
use crate::ring::message::{Consumer, Geometry, Producer};

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
        end: End,
    },
    PeekBatch {
        most: usize,
        end: End,
    },
    IsEmpty,
    Release(usize),
    ProducerIsSucceeded,
    /// Between the header of its last messages and the tail.
    ProducerIsKilled,
    ConsumerIsSucceeded,
    ConsumerIsKilled,
}

/// How a guard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Release,
    Drop,
    Forget,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![2 => Just(End::Release), 1 => Just(End::Drop), 1 => Just(End::Forget)]
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
        3 => end().prop_map(|end| Call::Peek { end }),
        3 => (0..6_usize, end()).prop_map(|(most, end)| Call::PeekBatch { most, end }),
        1 => Just(Call::IsEmpty),
        1 => len().prop_map(Call::Release),
        1 => Just(Call::ProducerIsSucceeded),
        1 => Just(Call::ProducerIsKilled),
        1 => Just(Call::ConsumerIsSucceeded),
        1 => Just(Call::ConsumerIsKilled),
    ]
}

/// What the ring must do.
struct Model {
    geometry: Geometry,
    queue: VecDeque<Vec<u8>>,
    head: u64,
    tail: u64,
    /// Where the last message or batch started.
    before: u64,
    count: usize,
}

impl Model {
    /// Makes a message unlike the last ones.
    fn message(&mut self, len: usize) -> Vec<u8> {
        self.count += 1;
        (0..len % (self.geometry.max_len() + 1)).map(|at| (at * 7 + at / 256 + self.count * 31) as u8).collect()
    }

    /// Returns the bytes that the records of messages take.
    fn bytes(&self, messages: &VecDeque<Vec<u8>>) -> u64 {
        messages.iter().map(|message| self.geometry.size(message.len())).sum()
    }

    /// Checks what the producer said about room for a message: there is some up to the head, and no other.
    #[track_caller]
    fn found_room<T>(&self, staged: u64, len: usize, found: Result<T, PushError>) -> Option<T> {
        let free = self.geometry.capacity() as u64 - self.tail.wrapping_sub(self.head);
        let needed = staged + self.geometry.size(len) + self.geometry.alignment() as u64;
        match found {
            Ok(found) if needed <= free => Some(found),
            Err(PushError::Full(_)) if needed > free => None,
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
        self.head = self.head.wrapping_add(self.geometry.size(message.len()));
        message
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
                    assert_eq!(claim.write(&[7]).unwrap(), 0);
                    claim.commit_len(cut);
                    message.truncate(cut);
                    message
                })
            }
            Send::ClaimAndDrop(len) => {
                let message = model.message(len);
                if let Some(mut claim) = model.found_room(staged, message.len(), sender.claim(message.len())) {
                    claim.write_all(&message).unwrap();
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

fn agrees<P: Place>(geometry: Geometry, pauses: u32, start: u64, calls: Vec<Call>) {
    let (first, second) = P::message_memories(geometry);
    let start = start & !(geometry.alignment() as u64 - 1);
    start_at(&first, start);
    let mut producer = Producer::attach(first, geometry, pauses).unwrap();
    let mut consumer = Consumer::attach(second, geometry, pauses).unwrap();
    let mut model = Model { geometry, queue: VecDeque::new(), head: start, tail: start, before: start, count: 0 };
    for call in calls {
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
                        staged += geometry.size(message.len());
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
                Err(PopError::WrongSize { len, size }) => {
                    assert_eq!((len, size), (model.queue[0].len(), size_of::<Value>()));
                    assert_ne!(len, size);
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::PopEarly => {
                producer.memory.tail().store(model.before, Ordering::Relaxed);
                pops(&mut consumer, &mut model);
                producer.memory.tail().store(model.tail, Ordering::Relaxed);
            }
            Call::Peek { end } => match consumer.peek() {
                Ok(record) => {
                    assert_eq!((record.to_vec(), record.position()), (model.queue[0].clone(), model.head));
                    match end {
                        End::Release => {
                            record.release();
                            model.take();
                        }
                        End::Drop => drop(record),
                        End::Forget => std::mem::forget(record),
                    }
                }
                Err(PopError::Empty) => assert!(model.queue.is_empty()),
                Err(error) => panic!("{error}"),
            },
            Call::PeekBatch { most, end } => {
                let (mut batch, mut position) = (consumer.peek_batch(), model.head);
                for (at, message) in model.queue.iter().take(most).enumerate() {
                    let (len, mut bytes) = (message.len(), vec![7]);
                    let read = match at % 2 {
                        0 => batch.append_next(&mut bytes),
                        _ => {
                            bytes.resize(1 + len, 0);
                            if let Some(buffer) = len.checked_sub(1) {
                                let refused = batch.copy_next(&mut bytes[1..len]);
                                assert_eq!(refused, Err(PopError::BufferTooShort { len, buffer }));
                            }
                            batch.copy_next(&mut bytes[1..])
                        }
                    };
                    position = position.wrapping_add(geometry.size(len));
                    assert_eq!((read, batch.position()), (Ok(len), position));
                    assert_eq!(bytes[1..], message[..]);
                }
                if most >= model.queue.len() {
                    assert_eq!(batch.next_len(), Err(PopError::Empty));
                }
                match end {
                    End::Release => {
                        let len = batch.len();
                        batch.release();
                        (0..len).for_each(|_| drop(model.take()));
                    }
                    End::Drop => drop(batch),
                    End::Forget => std::mem::forget(batch),
                }
            }
            Call::IsEmpty => assert_eq!(consumer.is_empty(), Ok(model.queue.is_empty())),
            Call::Release(len) => {
                consumer.release();
                let free = geometry.capacity() as u64 - model.bytes(&model.queue);
                let fits = len <= geometry.max_len() && geometry.size(len) + geometry.alignment() as u64 <= free;
                assert_eq!(producer.can_push(len), Ok(fits));
            }
            Call::ProducerIsSucceeded => {
                producer = Producer::attach(producer.into_memory(), geometry, pauses).unwrap();
            }
            Call::ProducerIsKilled => {
                producer.memory.tail().store(model.before, Ordering::Relaxed);
                producer = Producer::attach(producer.into_memory(), geometry, pauses).unwrap();
            }
            Call::ConsumerIsSucceeded => {
                detach(&consumer.memory, Role::Consumer, 1, true);
                consumer = Consumer::attach(consumer.into_memory(), geometry, pauses).unwrap();
            }
            Call::ConsumerIsKilled => {
                consumer = Consumer::attach(consumer.into_memory(), geometry, pauses).unwrap();
            }
        }
        assert_eq!(producer.memory.tail().load(Ordering::Relaxed), model.tail);
        assert_eq!(consumer.memory.head().load(Ordering::Relaxed), model.head);
        assert_eq!((producer.position(), consumer.position()), (model.tail, model.head));
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
        power in 0..5_u32, align in align(), pauses in 0..3_u32, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<OnHeap>(Geometry::new(OnHeap::SMALLEST << power, align), pauses, start, calls);
    }

    #[cfg(not(miri))]
    #[test]
    fn random_calls_in_a_segment_agree_with_a_queue(
        power in 0..2_u32, align in align(), pauses in 0..3_u32, start in start(), calls in vec(call(), 0..200),
    ) {
        agrees::<InSegment>(Geometry::new(InSegment::SMALLEST << power, align), pauses, start, calls);
    }
}
