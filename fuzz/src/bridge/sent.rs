//! What whoever answers can do to the sender of a bridge: ring A gives back nothing but what was answered.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain::inspect::Inspection;
use ringmain::{Options, message, stream};
use ringmain_bridge::flow::Flow;
use ringmain_bridge::metrics::{Metrics, Side};
use ringmain_bridge::object::Object;
use ringmain_bridge::protocol::{Answer, Kind, Query, Shape};
use ringmain_bridge::source::{Ahead, Ring};
use ringmain_bridge::window::Window;

use super::{KINDS, append, begin, one, remove};
use crate::choices::Bytes;
use crate::hostile::Choices;
use crate::names;

/// How many things happen in a round at most.
const STEPS: u64 = 60;

/// A name for the rings that inputs send.
pub struct Sending {
    name: String,
}

impl Default for Sending {
    fn default() -> Sending {
        Sending { name: names::new() }
    }
}

/// The producer of ring A.
enum Tx {
    Messages(message::Producer, usize),
    Elements(stream::Producer<[u8]>, Layout),
}

/// What is in ring A, from position to position.
type Content = BTreeMap<u64, Vec<u8>>;

impl Sending {
    /// Sends from a ring, and answers what an input chooses.
    ///
    /// # Panics
    ///
    /// If a batch is not what lies in the ring at its position, or something is given back that was not answered.
    pub fn round(&self, input: &[u8]) {
        remove(&self.name);
        let choices = &Bytes::new(input);
        let kind = one(choices, &KINDS);
        let options = Options::new(&self.name).start_at(begin(choices, kind)).await_successor(true);
        match kind {
            Kind::Message(align) => {
                let options = options.capacity(4096).record_alignment(align);
                let tx = Tx::Messages(options.message_producer().unwrap(), align);
                send(choices, &self.name, tx, kind, options.message_consumer().unwrap());
            }
            Kind::Stream(element) => {
                let options = options.capacity(16);
                let tx = Tx::Elements(options.sized_stream_producer(element).unwrap(), element);
                send(choices, &self.name, tx, kind, options.sized_stream_consumer(element).unwrap());
            }
        }
        remove(&self.name);
    }
}

impl Tx {
    /// Pushes something, if it fits. Returns it as it lies in the ring.
    fn push(&mut self, choices: &Bytes<'_>) -> Option<Vec<u8>> {
        let filler = choices.below(256) as u8;
        match self {
            Tx::Messages(tx, align) => {
                let len = [choices.below(30), choices.below(3000)][choices.below(2) as usize];
                let message = vec![filler; len as usize];
                let word = if *align == 8 { 0 } else { choices.below(3) };
                let pushed = if *align == 8 { tx.push(&message) } else { tx.push_tagged(word, &message) };
                let mut record = Vec::new();
                append(&mut record, *align, word, &message);
                pushed.is_ok().then_some(record)
            }
            Tx::Elements(tx, element) => {
                let element = vec![filler; element.size()];
                tx.push_slice(&element).is_ok().then_some(element)
            }
        }
    }

    fn position(&self) -> u64 {
        match self {
            Tx::Messages(tx, _) => tx.position(),
            Tx::Elements(tx, _) => tx.position(),
        }
    }

    fn ring_id(&self) -> u64 {
        match self {
            Tx::Messages(tx, _) => tx.ring_id(),
            Tx::Elements(tx, _) => tx.ring_id(),
        }
    }
}

fn send<R: Ring>(choices: &Bytes<'_>, name: &str, mut tx: Tx, kind: Kind, mut rx: R) {
    let ring = Inspection::open(name).unwrap();
    let shape = Shape { ring_id: tx.ring_id(), kind, capacity: ring.capacity() as u64, tag: String::new() };
    let window = Window::new(1 + choices.below(4) as usize, rx.position());
    let metrics = Arc::new(Metrics::new(Side::Send, name));
    let mut flow = Flow::new(shape.clone(), [7; 16], "fuzz".into(), Object::default(), window, None, metrics);
    let start = tx.position();
    // Positions from the start, which do not wrap: where each record lies, and where it ends.
    let (mut content, mut ends) = (Content::new(), vec![0]);
    let mut sent: Vec<(u64, u64)> = Vec::new();
    let (mut head, mut now) = (0, Instant::now());
    let mut source = rx.ahead();
    for _ in 0..choices.below(STEPS) {
        now += Duration::from_millis(choices.below(300));
        match choices.below(8) {
            0..=2 => {
                let at = tx.position().wrapping_sub(start);
                if let Some(record) = tx.push(choices) {
                    content.insert(at, record);
                    ends.push(tx.position().wrapping_sub(start));
                }
            }
            3 | 4 if flow.window().can_send(now) => {
                let (greets, first) = (choices.below(4) == 3, flow.window().next());
                let Some((number, payload)) = flow.next(&mut source, greets, None, now).expect("a sound ring") else {
                    assert_eq!(first, tx.position(), "there is more to send");
                    continue;
                };
                let asked = Query::read(&payload).expect("a query");
                assert_eq!((&asked.shape, asked.first, asked.head), (&shape, first, start.wrapping_add(head)));
                check_content(&asked, first.wrapping_sub(start), &content);
                assert!(greets || !asked.records.is_empty(), "a batch of nothing");
                let units = (asked.records.len() / kind.unit()) as u64;
                sent.push((number, first.wrapping_sub(start) + units));
            }
            5 => {
                // One that is under way, one that was, or none of ours.
                let number = sent.get(choices.below(8) as usize).map_or(choices.any(), |(number, _)| *number);
                flow.failed(&mut source, number, now);
            }
            _ => {
                let at = choices.below(1 + sent.len() as u64) as usize;
                let (number, end) = sent.get(at).copied().unwrap_or((choices.any(), 0));
                let said = match choices.below(8) {
                    0 => choices.any(),
                    1 => one(choices, &ends),
                    2 => end + 1,
                    3 => end.wrapping_sub(1),
                    4 => head,
                    _ => end,
                };
                let bytes = Answer::At { tail: start.wrapping_add(said), free: choices.any() }.write();
                let Ok(Answer::At { tail, .. }) = Answer::read(&bytes) else { panic!("an answer is one") };
                let answered = flow.answered(&mut source, number, tail, now);
                let found = ring.positions().expect("possible positions").head.wrapping_sub(start);
                if found != head {
                    assert_eq!(found, said, "what was given back was not answered");
                    assert!(ends.contains(&found) && found > head, "{found} of {ends:?}");
                    head = found;
                }
                if let Err(failure) = answered {
                    // The sender ends, and ring A keeps the rest.
                    assert!(!failure.to_string().is_empty());
                    break;
                }
            }
        }
        let found = ring.positions().expect("possible positions");
        assert_eq!(found.head, start.wrapping_add(head), "given back without an answer");
        assert_eq!(found.tail, tx.position());
    }
}

/// Checks that a batch has what lies in the ring from there on.
fn check_content(asked: &Query<'_>, first: u64, content: &Content) {
    let mut rest = asked.records;
    for record in content.range(first..).map(|(_, record)| record) {
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(record.as_slice()).expect("the records of the ring, whole and in order");
    }
    assert!(rest.is_empty(), "more than the ring has");
}
