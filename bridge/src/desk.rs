//! What a receiver does with the queries that come: it knows ring B, and no network.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender as Channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::metrics::{Metrics, Side};
use crate::mirror::{Mirror, Pushed, Refusal, Wanted};
use crate::protocol::{Answer, End, LARGEST_BATCH, Query, SenderId, key_of_ring, key_of_sender};
use crate::say::{Once, say};
use crate::window::HOLD;

/// How many queries wait for room at most, and how many bytes they have, but for one that is longer by itself.
const MOST_WAITING: usize = 64;
const MOST_BYTES: usize = MOST_WAITING * (LARGEST_BATCH + 1024);

/// How long a desk waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For how long a query may wait for room.
    pub hold: Duration,
    /// For how long a sender counts as alive that was asked for.
    pub alive: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { hold: HOLD, alive: Duration::from_millis(200) }
    }
}

/// A query that came, as whatever brought it knows it.
pub trait Call: Clone {
    /// Returns the key at which it was made.
    fn key(&self) -> &str;
    /// Returns what it has.
    fn payload(&self) -> Cow<'_, [u8]>;
    /// Answers it. Where this fails, the sender is gone, or asks again.
    fn answer(&self, answer: &Answer);
}

/// A query that is not answered yet.
#[derive(Clone, Debug)]
struct Waiting<C> {
    call: C,
    came: Instant,
    len: usize,
    /// How many bytes of its records are pushed.
    done: usize,
}

/// Where the producer of ring B is.
#[derive(Default)]
enum Place {
    /// It is attached to none.
    #[default]
    Away,
    /// It may be used.
    Here(Box<Mirror>),
    /// The keeper has it.
    Lent,
}

/// A sender whose queries are taken.
struct Sender {
    id: SenderId,
    name: String,
    ring_id: u64,
    /// When it was last known to live.
    seen: Instant,
}

impl Sender {
    fn is_of(&self, asked: &Query<'_>) -> bool {
        self.id == asked.sender && self.ring_id == asked.shape.ring_id
    }
}

struct State<C> {
    place: Place,
    sender: Option<Sender>,
    waiting: VecDeque<Waiting<C>>,
    bytes: usize,
    /// When the last query came.
    last: Option<Instant>,
}

/// Returns whether there is a token at a key. Where that cannot be known, it is there.
pub type IsAlive = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Takes queries. What can be done at once is done by the thread that brings them; the keeper, a thread of its own,
/// does what may take long: attaching, waiting for room, asking whether a sender lives.
pub struct Desk<C> {
    key: String,
    wanted: Wanted,
    is_alive: IsAlive,
    patience: Patience,
    fault: Option<Fault>,
    metrics: Metrics,
    state: Mutex<State<C>>,
    came: Condvar,
    ended: Channel<End>,
}

/// What the keeper remembers from one query to the next.
#[derive(Debug, Default)]
pub struct Kept {
    refused: Once,
    /// Which end of which ring was told, at which position.
    told: Option<(u64, u64, End)>,
}

impl<C: Call> Desk<C> {
    /// Makes the desk of the queries at a key. The end of ring A's producer goes to `ended`.
    #[must_use]
    pub fn new(
        key: String,
        wanted: Wanted,
        is_alive: IsAlive,
        patience: Patience,
        fault: Option<Fault>,
        ended: Channel<End>,
    ) -> Desk<C> {
        Desk {
            metrics: Metrics::new(Side::Receive, &wanted.name),
            key,
            wanted,
            is_alive,
            patience,
            fault,
            state: Mutex::new(State {
                place: Place::Away,
                sender: None,
                waiting: VecDeque::new(),
                bytes: 0,
                last: None,
            }),
            came: Condvar::new(),
            ended,
        }
    }

    /// Returns what is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns when the last query came.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.lock().last
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the ring if its name was removed: while nothing comes, nobody else looks.
    pub fn look(&self) {
        let mut state = self.lock();
        match mem::take(&mut state.place) {
            Place::Here(mirror) if mirror.is_orphaned() => {
                drop(state);
                mirror.abandon();
                say(&format!("the name of ring {} was removed: what comes goes to a new one", self.wanted.name));
            }
            place => state.place = place,
        }
    }

    /// Answers a query.
    fn answer(&self, call: &C, answer: &Answer) {
        if let Answer::Refused(_) | Answer::Itself = answer {
            self.metrics.refusals.fetch_add(1, Relaxed);
        }
        call.answer(answer);
    }

    /// Takes a query that has come.
    pub fn take(&self, call: C) {
        let came = Instant::now();
        let bytes = call.payload();
        let asked = match Query::read(&bytes) {
            // By its key, who may ask is controlled.
            Ok(asked) if call.key() == key_of_ring(&self.key, asked.shape.ring_id) => asked,
            Ok(_) => return self.answer(&call, &Answer::Refused("the key is not that of the ring".into())),
            Err(malformed) => return self.answer(&call, &Answer::Refused(format!("the query is none: {malformed}"))),
        };
        let mut state = self.lock();
        state.last = Some(came);
        let is_taken = state.sender.as_ref().is_some_and(|sender| sender.id == asked.sender);
        let is_first = state.waiting.is_empty();
        let mut done = 0;
        if let Place::Here(mirror) = &mut state.place
            && is_taken
            && is_first
            && asked.end.is_none()
            && mirror.ring_id() == asked.shape.ring_id
        {
            let answer = match self.push(mirror, &asked, &call) {
                Ok(Pushed::Part(bytes)) => {
                    done = bytes;
                    None
                }
                Ok(_) => Some(Answer::At { tail: mirror.tail(), free: mirror.free() }),
                Err(Refusal::Damaged(text)) => Some(Answer::Refused(text)),
                // The keeper finds that again, and leaves the ring.
                Err(Refusal::Unusable(_)) => None,
            };
            if let Some(answer) = answer {
                drop(state);
                return self.answer(&call, &answer);
            }
        }
        let len = bytes.len();
        drop(asked);
        drop(bytes);
        if !is_first && (state.waiting.len() >= MOST_WAITING || state.bytes + len > MOST_BYTES) {
            drop(state);
            return self.answer(&call, &Answer::Refused("too many queries wait for room".into()));
        }
        state.bytes += len;
        state.waiting.push_back(Waiting { call, came, len, done });
        self.metrics.waiting.store(state.waiting.len() as u64, Relaxed);
        drop(state);
        self.came.notify_one();
    }

    /// Pushes a batch, and counts it.
    fn push(&self, mirror: &mut Mirror, asked: &Query<'_>, call: &C) -> Result<Pushed, Refusal> {
        if self.fault == Some(Fault::AnswerEarly) && asked.first == mirror.tail() {
            let units = (asked.records.len() / asked.shape.kind.unit()) as u64;
            self.answer(call, &Answer::At { tail: mirror.tail().wrapping_add(units), free: 0 });
            thread::sleep(Duration::from_millis(1));
        }
        let pushed = match self.fault {
            Some(Fault::NoPositionCheck) => mirror.push_here(asked.records)?,
            _ => mirror.push(asked.first, asked.records)?,
        };
        self.count(mirror, asked.records.len(), pushed);
        Ok(pushed)
    }

    fn count(&self, mirror: &Mirror, len: usize, pushed: Pushed) {
        match pushed {
            Pushed::All if len > 0 => self.metrics.moved(len),
            Pushed::All => {}
            Pushed::Part(bytes) => {
                self.metrics.bytes.fetch_add(bytes as u64, Relaxed);
            }
            Pushed::Duplicate => {
                self.metrics.duplicates.fetch_add(1, Relaxed);
            }
            Pushed::Gap => {
                self.metrics.gaps.fetch_add(1, Relaxed);
            }
        }
        self.metrics.position.store(mirror.tail(), Relaxed);
    }

    /// Does what may take long, for one query after the other.
    pub fn keep(&self) {
        let mut kept = Kept::default();
        loop {
            let waits = |state: &mut State<C>| state.waiting.is_empty();
            drop(self.came.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner));
            self.serve_first(&mut kept);
        }
    }

    /// Serves the query that has waited for longest. Returns whether there was one.
    pub fn serve_first(&self, kept: &mut Kept) -> bool {
        // It stays the first: what comes meanwhile waits behind it.
        let Some(waiting) = self.lock().waiting.front().cloned() else { return false };
        let answer = match Query::read(&waiting.call.payload()) {
            Ok(asked) => self.accept(&asked).map(|()| {
                let answer = self.lend(kept, &asked, &waiting);
                if let Answer::At { .. } = answer {
                    self.admit(&asked);
                }
                answer
            }),
            Err(malformed) => Err(malformed.to_string()),
        };
        let answer = answer.unwrap_or_else(Answer::Refused);
        match &answer {
            Answer::Refused(text) => kept.refused.say(format!("refused: {text}")),
            Answer::Itself => kept.refused.say(itself(&self.wanted.name)),
            Answer::At { .. } => {
                kept.refused.forget();
            }
        }
        let mut state = self.lock();
        state.waiting.pop_front();
        state.bytes -= waiting.len;
        self.metrics.waiting.store(state.waiting.len() as u64, Relaxed);
        drop(state);
        self.answer(&waiting.call, &answer);
        true
    }

    /// Serves a query with the producer of the ring, which nobody else can use meanwhile.
    fn lend(&self, kept: &mut Kept, asked: &Query<'_>, waiting: &Waiting<C>) -> Answer {
        let mut mirror = match mem::replace(&mut self.lock().place, Place::Lent) {
            Place::Here(mirror) => Some(*mirror),
            Place::Away | Place::Lent => None,
        };
        let answer = self.serve(&mut mirror, kept, asked, waiting);
        self.lock().place = mirror.map_or(Place::Away, |mirror| Place::Here(Box::new(mirror)));
        answer
    }

    /// Makes sure that no other sender's queries are taken: the first one's, until it is gone.
    fn accept(&self, asked: &Query<'_>) -> Result<(), String> {
        let (key, name) = match &self.lock().sender {
            Some(sender) if sender.is_of(asked) => return Ok(()),
            // The same process has another ring, since the one before is gone.
            Some(sender) if sender.id == asked.sender => (None, String::new()),
            Some(sender) => {
                let refusal = refusal_of(asked, &sender.name);
                if sender.seen.elapsed() < self.patience.alive {
                    return Err(refusal);
                }
                (Some(key_of_sender(&self.key, sender.ring_id, &sender.id)), refusal)
            }
            None => (None, String::new()),
        };
        if key.is_some_and(|key| (self.is_alive)(&key)) {
            if let Some(sender) = &mut self.lock().sender {
                sender.seen = Instant::now();
            }
            return Err(name);
        }
        Ok(())
    }

    /// Takes a sender's queries from here on: its ring and this one belong together.
    fn admit(&self, asked: &Query<'_>) {
        let (id, ring_id) = (asked.sender, asked.shape.ring_id);
        let mut state = self.lock();
        if !state.sender.as_ref().is_some_and(|sender| sender.is_of(asked)) {
            state.sender = Some(Sender { id, name: asked.name.clone(), ring_id, seen: Instant::now() });
            drop(state);
            say(&format!("sender: {}", asked.name));
        }
    }

    /// Answers that there is no copy of a ring: its sender makes way for another one, if it was the one.
    fn not_taken(&self, asked: &Query<'_>, answer: Answer) -> Answer {
        let mut state = self.lock();
        state.sender = state.sender.take().filter(|sender| sender.id != asked.sender);
        answer
    }

    /// Does what a query asks for, and waits for room as long as it may.
    fn serve(&self, place: &mut Option<Mirror>, kept: &mut Kept, asked: &Query<'_>, waiting: &Waiting<C>) -> Answer {
        let is_known = self.lock().sender.as_ref().is_some_and(|sender| sender.is_of(asked));
        if place.is_none() || !is_known {
            // Before all else: nothing of that ring may be taken for a copy's.
            match Mirror::is_itself(&self.wanted, asked.shape.ring_id, asked.object) {
                Ok(false) => {}
                Ok(true) => return self.not_taken(asked, Answer::Itself),
                Err(error) => return self.not_taken(asked, Answer::Refused(format!("{error:#}"))),
            }
        }
        if let (Some(end), None) = (asked.end, &place)
            && kept.told == Some((asked.shape.ring_id, asked.first, end))
        {
            // Its sender did not hear the answer, or was followed by another one.
            return Answer::At { tail: asked.first, free: 0 };
        }
        if let (Some(end), None) = (asked.end, &place)
            && Mirror::ended(&self.wanted, asked.shape.ring_id, asked.first) == Some(end)
        {
            // The receiver before this one was killed, or stopped, after it had told that.
            say(&format!("end: the producer {end}, at position {}, as the ring says already", asked.first));
            kept.told = Some((asked.shape.ring_id, asked.first, end));
            let _ = self.ended.send(end);
            return Answer::At { tail: asked.first, free: 0 };
        }
        if place.as_ref().is_some_and(|mirror| mirror.ring_id() != asked.shape.ring_id) {
            // The sender was accepted: that of the other ring is gone. Whether this one may follow, the attach says.
            if self.wanted.follows_new {
                place.take().into_iter().for_each(Mirror::abandon);
            }
        }
        if place.is_none() && asked.first != asked.head && Mirror::is_missing(&self.wanted) {
            // What had been sent before ring B was removed: by now the sender may have given back more.
            return Answer::Refused(format!(
                "there is no ring {} that goes on there: begin at the head",
                self.wanted.name
            ));
        }
        let mirror = match place {
            Some(mirror) if mirror.ring_id() == asked.shape.ring_id => mirror,
            Some(mirror) => {
                return Answer::Refused(format!(
                    "ring {} is a copy of ring {:#018x}, and ring {:#018x} asks: start the receiver with --follow-new",
                    self.wanted.name,
                    mirror.ring_id(),
                    asked.shape.ring_id
                ));
            }
            None => match Mirror::attach(&self.wanted, &asked.shape, asked.head) {
                Ok((mirror, was_made)) => {
                    let what = format!(
                        "ring {}, id {:#018x}, at position {}",
                        self.wanted.name,
                        mirror.ring_id(),
                        mirror.tail()
                    );
                    if was_made {
                        say(&format!("made: {what}"));
                    }
                    say(&format!("attached: {what}"));
                    self.metrics.position.store(mirror.tail(), Relaxed);
                    // It has a producer again, which may come to another end.
                    kept.told = None;
                    place.insert(mirror)
                }
                Err(error) => return self.not_taken(asked, Answer::Refused(format!("{error:#}"))),
            },
        };
        if let Err(refusal) = self.push_in_time(mirror, asked, waiting) {
            if let (Refusal::Unusable(_), Some(mirror)) = (&refusal, place.take()) {
                mirror.abandon();
            }
            return Answer::Refused(refusal.to_string());
        }
        let answer = Answer::At { tail: mirror.tail(), free: mirror.free() };
        if let Some(end) = asked.end.filter(|_| mirror.tail() == asked.first)
            && let Some(mirror) = place.take()
        {
            let tail = mirror.tail();
            match end {
                // It is left also where its name cannot be removed, which nobody asked for.
                End::Closed => drop(mirror.close()),
                End::Crashed => mirror.abandon(),
            }
            say(&format!("end: the producer {end}, at position {tail}"));
            kept.told = Some((asked.shape.ring_id, tail, end));
            let _ = self.ended.send(end);
        }
        answer
    }

    /// Pushes a batch piece by piece as there is room, until its time is over.
    fn push_in_time(&self, mirror: &mut Mirror, asked: &Query<'_>, waiting: &Waiting<C>) -> Result<(), Refusal> {
        let mut done = match waiting.done {
            0 => match self.push(mirror, asked, &waiting.call)? {
                Pushed::Part(bytes) => bytes,
                _ => return Ok(()),
            },
            done => done,
        };
        loop {
            let left = self.patience.hold.saturating_sub(waiting.came.elapsed());
            if left.is_zero() {
                self.metrics.partial.fetch_add(1, Relaxed);
                return Ok(());
            }
            let rest = &asked.records[done..];
            if mirror.tail() != asked.first.wrapping_add((done / asked.shape.kind.unit()) as u64) {
                return Ok(());
            }
            if mirror.wait(rest, left)? {
                let pushed = mirror.push_here(rest)?;
                self.count(mirror, rest.len(), pushed);
                match pushed {
                    Pushed::Part(bytes) => done += bytes,
                    _ => return Ok(()),
                }
            }
        }
    }
}

impl<C> fmt::Debug for Desk<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Desk").field("key", &self.key).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Says that the name of a copy stands for the ring itself.
fn itself(name: &str) -> String {
    format!("ring {name} is the sender's ring itself, which is on this machine: start the receiver with another name")
}

/// Says why a sender is not taken.
fn refusal_of(asked: &Query<'_>, other: &str) -> String {
    format!("ring {:#018x} asks, and the sender {other} is alive: one at a time", asked.shape.ring_id)
}
