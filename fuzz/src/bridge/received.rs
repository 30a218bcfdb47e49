//! What any senders can do to the receiver of a bridge, against a model of ring B.

use std::alloc::Layout;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ringmain::inspect::{self, Inspection};
use ringmain::{Options, PeerState, Role};
use ringmain_bridge::desk::{Call, Desk, Kept, Patience};
use ringmain_bridge::mirror::{LARGEST, Wanted};
use ringmain_bridge::object::Object;
use ringmain_bridge::protocol::{Answer, End, Kind, Query, SenderId, Shape, key_of_ring};
use ringmain_bridge::records;

use super::{KINDS, append, begin, one, remove, sizes, step};
use crate::choices::Bytes;
use crate::hostile::Choices;
use crate::names;

const KEY: &str = "fuzz/key";

/// How many senders there are, and how many rings they may name.
const SENDERS: u8 = 3;
const RINGS: u64 = 2;

/// How many things happen in a round at most.
const STEPS: u64 = 40;

/// The longest message that is popped: one more than all that a batch has.
const LONGEST_MESSAGE: usize = 1 << 17;

/// A query waits for room for so long: room never comes meanwhile.
const HOLD: Duration = Duration::from_micros(20);

/// A name for the ring that inputs make and fill.
pub struct Receiving {
    name: String,
}

impl Default for Receiving {
    fn default() -> Receiving {
        Receiving { name: names::new() }
    }
}

/// A query, and what was answered.
#[derive(Clone)]
struct Asking {
    key: String,
    payload: Rc<[u8]>,
    answers: Rc<RefCell<Vec<Answer>>>,
}

impl Call for Asking {
    fn key(&self) -> &str {
        &self.key
    }

    fn payload(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.payload)
    }

    fn answer(&self, answer: &Answer) {
        self.answers.borrow_mut().push(answer.clone());
    }
}

/// Ring B as anybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    ring_id: u64,
    kind: Kind,
    capacity: u64,
    head: u64,
    tail: u64,
}

impl Seen {
    fn of(name: &str) -> Option<Seen> {
        let ring = Inspection::open(name).ok()?;
        let positions = ring.positions().expect("possible positions");
        let kind = match ring.kind() {
            inspect::Kind::Stream { element_size, element_align } => {
                Kind::Stream(Layout::from_size_align(element_size, element_align).unwrap())
            }
            inspect::Kind::Message { record_alignment } => Kind::Message(record_alignment),
            kind => panic!("nobody asks for {kind:?}"),
        };
        let [ring_id, capacity] = [ring.ring_id(), ring.capacity() as u64];
        Some(Seen { ring_id, kind, capacity, head: positions.head, tail: positions.tail })
    }

    /// Returns the free room. Behind the last record there is always room for the header of another one.
    fn free(&self) -> u64 {
        let kept = if let Kind::Message(align) = self.kind { align as u64 } else { 0 };
        (self.capacity - self.tail.wrapping_sub(self.head)).saturating_sub(kept)
    }
}

/// A receiver, and what must be true of it.
struct Model<'a> {
    choices: &'a Bytes<'a>,
    name: &'a str,
    wanted: Wanted,
    shapes: Vec<Shape>,
    heads: Vec<u64>,
    /// The senders that live, a bit for each.
    alive: Arc<AtomicU8>,
    desk: Desk<Asking>,
    kept: Kept,
    /// Whose queries are taken, if that is certain, and of which ring.
    sender: Option<(SenderId, u64)>,
    /// The records in ring B.
    content: VecDeque<Vec<u8>>,
}

impl Receiving {
    /// Sends what an input chooses to a new receiver.
    ///
    /// # Panics
    ///
    /// If ring B has anything but what was taken in order from one sender at a time, or an answer does not say so.
    pub fn round(&self, input: &[u8]) {
        remove(&self.name);
        let choices = &Bytes::new(input);
        let shape = |id| {
            let kind = one(choices, &KINDS);
            let units = if let Kind::Stream(_) = kind { 16 } else { 4096 };
            let capacity = [units, units, 2 * units, 1 << 50][choices.below(4) as usize];
            Shape { ring_id: 7 + id, kind, capacity, tag: ["", "order"][choices.below(2) as usize].into() }
        };
        let shapes: Vec<Shape> = (0..RINGS).map(shape).collect();
        let wanted = Wanted {
            name: self.name.clone(),
            capacity: one(choices, &[None, Some(4096), Some(1 << 13)]),
            mode: 0o600,
            owner: None,
            follows_new: choices.below(2) == 1,
        };
        let alive = Arc::new(AtomicU8::new(u8::MAX));
        let mut model = Model {
            choices,
            name: &self.name,
            heads: shapes.iter().map(|shape| begin(choices, shape.kind)).collect(),
            shapes,
            desk: desk(&wanted, &alive),
            wanted,
            alive,
            kept: Kept::default(),
            sender: None,
            content: VecDeque::new(),
        };
        for _ in 0..choices.below(STEPS) {
            match choices.below(16) {
                0 => {
                    let sender = choices.below(SENDERS.into());
                    model.alive.fetch_and(!(1 << sender), Ordering::Relaxed);
                }
                // Another receiver, which knows nothing.
                1 => {
                    model.desk = desk(&model.wanted, &model.alive);
                    (model.kept, model.sender) = (Kept::default(), None);
                }
                2 => {
                    remove(&self.name);
                    model.content.clear();
                    model.desk.look();
                }
                3..=5 => model.pop(choices.below(4)),
                _ => model.ask(),
            }
        }
        model.pop(u64::MAX);
        remove(&self.name);
    }
}

/// Returns whether a sender lives: those that are none do.
fn lives(alive: &AtomicU8, id: SenderId) -> bool {
    let sender = (0..SENDERS).find(|&sender| id == id_of(sender.into()));
    sender.is_none_or(|sender| alive.load(Ordering::Relaxed) & 1 << sender != 0)
}

fn id_of(sender: u64) -> SenderId {
    [sender as u8; 16]
}

fn desk(wanted: &Wanted, alive: &Arc<AtomicU8>) -> Desk<Asking> {
    let alive = Arc::clone(alive);
    let is_alive = move |key: &str| {
        let (_, digits) = key.rsplit_once("/sender/").expect("the key of a token");
        lives(&alive, u128::from_str_radix(digits, 16).expect("an id").to_be_bytes())
    };
    let patience = Patience { hold: HOLD, alive: Duration::ZERO };
    // That nobody hears of an end is no matter of the desk's.
    Desk::new(KEY.into(), wanted.clone(), Box::new(is_alive), patience, None, mpsc::channel().0)
}

impl Model<'_> {
    /// Makes a query, and checks what comes of it.
    fn ask(&mut self) {
        let before = Seen::of(self.name);
        let payload = self.payload(before.as_ref());
        let asked = Query::read(&payload);
        let right = asked.as_ref().map(|asked| key_of_ring(KEY, asked.shape.ring_id));
        let has_key = self.choices.below(16) != 15;
        let key = right.ok().filter(|_| has_key).unwrap_or_else(|| key_of_ring("fuzz/other", 7));
        let asking = Asking { key, payload: payload.as_slice().into(), answers: Rc::default() };
        self.desk.take(asking.clone());
        while self.desk.serve_first(&mut self.kept) {}
        let answers = asking.answers.take();
        let [answer] = answers.as_slice() else { panic!("one answer to each query: {answers:?}") };
        let after = Seen::of(self.name);
        match asked {
            Ok(asked) if has_key => self.check(&asked, answer, before, after),
            _ => {
                assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
                assert_eq!(before, after, "it was none");
            }
        }
    }

    /// Chooses a query: mostly one that goes on where ring B ends.
    fn payload(&self, seen: Option<&Seen>) -> Vec<u8> {
        let choices = self.choices;
        let ring = choices.below(RINGS) as usize;
        let (mut shape, head) = (self.shapes[ring].clone(), self.heads[ring]);
        let unit = step(shape.kind);
        let first = seen.filter(|seen| seen.ring_id == shape.ring_id).map_or(head, |seen| seen.tail);
        let first = match choices.below(16) {
            0 => first.wrapping_sub(unit),
            1 => first.wrapping_add(unit),
            2 => choices.any() / unit * unit,
            3 => head,
            _ => first,
        };
        if choices.below(16) == 15 {
            shape.kind = one(choices, &KINDS);
        }
        let mut bytes = Vec::new();
        let query = Query {
            sender: id_of(choices.below(SENDERS.into())),
            name: "fuzz".into(),
            object: match choices.below(16) {
                15 => Object::of(self.name).unwrap_or_default(),
                _ => Object::default(),
            },
            first,
            head: if choices.below(8) == 7 { head } else { first },
            end: match choices.below(16) {
                0 => Some(End::Closed),
                1 => Some(End::Crashed),
                _ => None,
            },
            records: &[],
            shape: shape.clone(),
        };
        query.begin(&mut bytes);
        let start = bytes.len();
        for number in 0..choices.below(5) {
            match shape.kind {
                Kind::Message(align) => {
                    let len = [choices.below(40), choices.below(5000)][usize::from(choices.below(4) == 3)];
                    append(&mut bytes, align, choices.below(3), &vec![number as u8; len as usize]);
                }
                Kind::Stream(element) => {
                    bytes.extend(vec![number as u8; element.size() * choices.below(8) as usize]);
                }
            }
        }
        if choices.below(4) == 3 {
            // What is nearly right is what may be taken for right: a bit of the records, or of all.
            let from = [0, start.min(bytes.len() - 1)][choices.below(2) as usize];
            let at = from + choices.below((bytes.len() - from) as u64) as usize;
            bytes[at] ^= 1 << choices.below(8);
        }
        if choices.below(16) == 15 {
            bytes.truncate(choices.below(bytes.len() as u64) as usize);
        }
        bytes
    }

    fn check(&mut self, asked: &Query<'_>, answer: &Answer, before: Option<Seen>, after: Option<Seen>) {
        let ring_id = asked.shape.ring_id;
        let is_at = matches!(answer, Answer::At { .. });
        if let Some((id, of)) = self.sender
            && id != asked.sender
            && lives(&self.alive, id)
        {
            assert!(!is_at, "{answer:?}: the sender of ring {of} lives");
            assert_eq!(before, after, "another sender's ring");
        }
        match (&before, &after) {
            (None, None) => {
                // An end that was told before its ring was removed.
                assert!(!is_at || asked.end.is_some(), "{answer:?} without a ring");
            }
            (Some(_), None) => panic!("the ring is gone: {answer:?}"),
            (None, Some(made)) => self.check_made(asked, made),
            (Some(old), Some(made)) if old.ring_id != made.ring_id => {
                assert!(self.wanted.follows_new && old.head == old.tail, "{old:?} made way for {made:?}");
                self.check_made(asked, made);
            }
            (Some(before), Some(after)) => self.check_moved(asked, before, after),
        }
        if let (Answer::At { tail, free }, Some(seen)) = (answer, &after) {
            assert_eq!((seen.ring_id, seen.tail), (ring_id, *tail), "{answer:?}");
            let is_told = asked.end.is_some() && asked.first == *tail;
            assert!(*free == seen.free() || is_told && *free == 0, "{answer:?} of {seen:?}");
            if let Some(end) = asked.end.filter(|_| is_told) {
                let left = Inspection::open(self.name).unwrap().end(Role::Producer).unwrap().state;
                assert_eq!(left, if end == End::Closed { PeerState::Closed } else { PeerState::Crashed });
            }
            if !is_told {
                self.check_all_that_fits(asked, before.as_ref(), seen);
            }
        }
        match answer {
            Answer::At { .. } => self.sender = Some((asked.sender, ring_id)),
            // It may have made way for others.
            _ => self.sender = self.sender.filter(|(id, _)| *id != asked.sender),
        }
    }

    fn check_made(&mut self, asked: &Query<'_>, made: &Seen) {
        assert_eq!((made.ring_id, made.kind, made.head), (asked.shape.ring_id, asked.shape.kind, asked.head));
        let bytes = made.capacity * made.kind.unit() as u64;
        let most = self.wanted.capacity.unwrap_or(LARGEST);
        // Elements are rounded up to a power of two of them.
        assert!(bytes <= 2 * most as u64, "{bytes} bytes, of {most} at most");
        self.content.clear();
        let head = made.head;
        self.check_moved(asked, &Seen { tail: head, ..made.clone() }, made);
    }

    /// Checks that what has come is the beginning of what was sent.
    fn check_moved(&mut self, asked: &Query<'_>, before: &Seen, after: &Seen) {
        let Seen { kind, .. } = *after;
        assert_eq!(*before, Seen { tail: before.tail, ..after.clone() }, "what is no query's to change");
        let mut left = after.tail.wrapping_sub(before.tail) * kind.unit() as u64;
        if left == 0 {
            return;
        }
        assert_eq!((asked.shape.ring_id, asked.first), (after.ring_id, before.tail), "it does not go on there");
        let mut rest = asked.records;
        while left > 0 {
            let (size, pushed) = match kind {
                Kind::Stream(element) => (element.size(), rest[..element.size()].to_vec()),
                // What lies in the padding is not taken over.
                Kind::Message(align) => {
                    let found = records::read(rest, 0, align).expect("a record that was pushed");
                    (found.size, record(align, found.word, found.message))
                }
            };
            self.content.push_back(pushed);
            rest = &rest[size..];
            left = left.checked_sub(size as u64).expect("whole records");
        }
    }

    /// Checks that no record that would have fitted was left out.
    fn check_all_that_fits(&self, asked: &Query<'_>, before: Option<&Seen>, after: &Seen) {
        let tail = before.filter(|before| before.ring_id == after.ring_id).map_or(asked.head, |before| before.tail);
        if asked.first != tail {
            return;
        }
        let Some(sizes) = sizes(after.kind, asked.records) else { return };
        let (mut left, unit) = (after.tail.wrapping_sub(tail) * after.kind.unit() as u64, after.kind.unit() as u64);
        for size in sizes {
            match left.checked_sub(size as u64) {
                Some(rest) => left = rest,
                None => return assert!(after.free() * unit < size as u64, "{size} bytes would fit {after:?}"),
            }
        }
    }

    /// Pops some of ring B, and compares it with what was taken.
    fn pop(&mut self, most: u64) {
        let Some(seen) = Seen::of(self.name) else { return };
        let options = Options::new(self.name).any_type(true);
        let mut bytes = vec![0; LONGEST_MESSAGE];
        let mut pop: Box<dyn FnMut() -> Option<Vec<u8>>> = match seen.kind {
            Kind::Stream(element) => {
                let mut rx = options.sized_stream_consumer(element).expect("a ring");
                bytes.resize(element.size(), 0);
                Box::new(move || rx.pop_slice(&mut bytes).is_ok().then(|| bytes.clone()))
            }
            Kind::Message(align) => {
                let mut rx = options.message_consumer().expect("a ring");
                Box::new(move || {
                    let (word, len) = rx.pop_tagged(&mut bytes).ok()?;
                    Some(record(align, word, &bytes[..len]))
                })
            }
        };
        for _ in 0..most {
            let (found, expected) = (pop(), self.content.pop_front());
            let lengths = [&found, &expected].map(|it| it.as_ref().map(Vec::len));
            assert!(found == expected, "popped, and taken, of so many bytes: {lengths:?}");
            if found.is_none() {
                break;
            }
        }
    }
}

/// Returns the record of a message.
fn record(align: usize, word: u64, message: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    append(&mut record, align, word, message);
    record
}
