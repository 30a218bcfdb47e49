//! `ringmain-bridge receive`: what comes at a key to ring B.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use zenoh::{Session, Wait};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::metrics::{Metrics, Reporter, Shown, Side};
use crate::mirror::{LARGEST, Mirror, Pushed, Refusal, Wanted};
use crate::network::{self, Network, failed};
use crate::protocol::{Answer, End, LARGEST_BATCH, Query, SenderId};
use crate::say::{Once, say};
use crate::size::{parse_mode, parse_size};
use crate::window::HOLD;

/// How many queries wait for room at most, and how many bytes they have, but for one that is longer by itself.
const MOST_WAITING: usize = 64;
const MOST_BYTES: usize = MOST_WAITING * (LARGEST_BATCH + 1024);

/// How long a sender counts as alive that was asked for.
const ALIVE: Duration = Duration::from_millis(200);

/// How long to wait for what Zenoh knows of a token.
const ASKING: Duration = Duration::from_secs(1);

/// How long a receiver stays after the end, for a sender that did not get its answer.
const LINGER: Duration = Duration::from_secs(2);

/// How long ago a query may be of a sender that is heard of.
const LATELY: Duration = Duration::from_secs(10);

const TICK: Duration = Duration::from_secs(1);

/// The arguments of `receive`.
#[derive(Clone, Debug, Args)]
pub struct Receive {
    /// The name of ring B
    pub name: String,
    /// The key at which senders ask, such as plant/7/ticks; one receiver answers there
    #[arg(long, value_name = "KEY", value_parser = network::parse_key)]
    pub from: String,
    #[command(flatten)]
    network: Network,
    /// How large ring B is made, in bytes with K, M or G [default: as large as ring A, up to 64M]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    capacity: Option<usize>,
    /// The permissions of a ring that is made, and the most that others may have on one that stands
    #[arg(long, default_value = "0600", value_parser = parse_mode)]
    mode: u32,
    /// Use a ring of this user [default: only one's own]
    #[arg(long, value_name = "USER-ID")]
    owner: Option<u32>,
    /// When ring A was made anew, remove ring B and make it anew too, once it is read and its consumer has left
    #[arg(long)]
    follow_new: bool,
    /// End when the producer of ring A has left and all was delivered, instead of waiting for the next one
    #[arg(long)]
    once: bool,
    /// End when no query came for so long [default: never]
    #[arg(long, value_name = "SECONDS")]
    give_up: Option<u64>,
    #[command(flatten)]
    shown: Shown,
}

impl Receive {
    /// Returns how to find the other side.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Receives until it is to end.
    ///
    /// # Errors
    ///
    /// The key cannot be answered at.
    pub fn run(&self, fault: Option<Fault>) -> Result<Exit> {
        // The largest record is smaller than the ring; what comes before it is short.
        let longest = self.capacity.unwrap_or(LARGEST).max(LARGEST_BATCH) + 4096;
        let give_up = self.give_up.map(Duration::from_secs);
        let Some(session) = self.network.open(longest, give_up)? else { return Ok(Exit::GivenUp) };
        let (ended, end) = mpsc::channel();
        let desk = Arc::new(Desk {
            key: self.from.clone(),
            wanted: Wanted {
                name: self.name.clone(),
                capacity: self.capacity,
                mode: self.mode,
                owner: self.owner,
                follows_new: self.follow_new,
            },
            session: session.clone(),
            fault,
            metrics: Metrics::new(Side::Receive, &self.name),
            state: Mutex::new(State::default()),
            came: Condvar::new(),
            ended,
        });
        let keeper = Arc::clone(&desk);
        thread::spawn(move || keeper.keep());
        let taking = Arc::clone(&desk);
        session
            .declare_queryable(format!("{}/*", self.from))
            .complete(true)
            .callback(move |query| taking.take(query))
            .background()
            .wait()
            .map_err(failed("cannot answer at the key"))?;
        say(&format!("listening: {}", self.from));
        let mut reporter = Reporter::new(&self.shown);
        let start = Instant::now();
        let mut exit = None;
        loop {
            match end.recv_timeout(TICK) {
                Ok(end) if self.once => exit = Some(if end == End::Closed { Exit::Done } else { Exit::Crashed }),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Done),
            }
            let silent = desk.lock().last.map_or(start, |at| at).elapsed();
            let is_heard = silent < LATELY && desk.lock().last.is_some();
            desk.metrics.connected.store(is_heard.into(), Relaxed);
            desk.look();
            reporter.show(&desk.metrics);
            if let Some(exit) = exit.filter(|_| silent >= LINGER) {
                return Ok(exit);
            }
            if give_up.is_some_and(|limit| silent >= limit) {
                say(&format!("no query came for {} s: giving up", silent.as_secs()));
                return Ok(Exit::GivenUp);
            }
        }
    }
}

/// A query that is not answered yet.
#[derive(Clone)]
struct Waiting {
    query: zenoh::query::Query,
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

#[derive(Default)]
struct State {
    place: Place,
    sender: Option<Sender>,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// When the last query came.
    last: Option<Instant>,
}

/// Takes queries. What can be done at once is done by the thread of Zenoh that brings them; the keeper, a thread of its
/// own, does what may take long: attaching, waiting for room, asking whether a sender lives.
struct Desk {
    key: String,
    wanted: Wanted,
    session: Session,
    fault: Option<Fault>,
    metrics: Metrics,
    state: Mutex<State>,
    came: Condvar,
    ended: mpsc::Sender<End>,
}

/// Which end of which ring was told, at which position.
type Told = (u64, u64, End);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the ring if its name was removed: while nothing comes, nobody else looks.
    fn look(&self) {
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
    fn answer(&self, query: &zenoh::query::Query, answer: &Answer) {
        if let Answer::Refused(_) | Answer::Itself = answer {
            self.metrics.refusals.fetch_add(1, Relaxed);
        }
        // Where this fails, the sender is gone, or asks again.
        let _ = query.reply(query.key_expr().clone(), answer.write()).express(true).wait();
    }

    /// Takes a query that has come.
    fn take(&self, query: zenoh::query::Query) {
        let came = Instant::now();
        let bytes = query.payload().map(zenoh::bytes::ZBytes::to_bytes).unwrap_or_default();
        let asked = match Query::read(&bytes) {
            // By its key, who may ask is controlled.
            Ok(asked) if *query.key_expr().as_str() == network::key_of_ring(&self.key, asked.shape.ring_id) => asked,
            Ok(_) => return self.answer(&query, &Answer::Refused("the key is not that of the ring".into())),
            Err(malformed) => return self.answer(&query, &Answer::Refused(format!("the query is none: {malformed}"))),
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
            let answer = match self.push(mirror, &asked, &query) {
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
                return self.answer(&query, &answer);
            }
        }
        let len = bytes.len();
        drop(asked);
        drop(bytes);
        if !is_first && (state.waiting.len() >= MOST_WAITING || state.bytes + len > MOST_BYTES) {
            drop(state);
            return self.answer(&query, &Answer::Refused("too many queries wait for room".into()));
        }
        state.bytes += len;
        state.waiting.push_back(Waiting { query, came, len, done });
        self.metrics.waiting.store(state.waiting.len() as u64, Relaxed);
        drop(state);
        self.came.notify_one();
    }

    /// Pushes a batch, and counts it.
    fn push(&self, mirror: &mut Mirror, asked: &Query<'_>, query: &zenoh::query::Query) -> Result<Pushed, Refusal> {
        if self.fault == Some(Fault::AnswerEarly) && asked.first == mirror.tail() {
            let units = (asked.records.len() / asked.shape.kind.unit()) as u64;
            self.answer(query, &Answer::At { tail: mirror.tail().wrapping_add(units), free: 0 });
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
    fn keep(&self) {
        let mut refused = Once::default();
        let mut told: Option<Told> = None;
        loop {
            let waiting = {
                let mut state = self.lock();
                loop {
                    // It stays the first: what comes meanwhile waits behind it.
                    if let Some(waiting) = state.waiting.front() {
                        break waiting.clone();
                    }
                    state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let bytes = waiting.query.payload().map(zenoh::bytes::ZBytes::to_bytes).unwrap_or_default();
            let answer = match Query::read(&bytes) {
                Ok(asked) => self.accept(&asked).map(|()| {
                    let answer = self.lend(&mut told, &asked, &waiting);
                    if let Answer::At { .. } = answer {
                        self.admit(&asked);
                    }
                    answer
                }),
                Err(malformed) => Err(malformed.to_string()),
            };
            let answer = answer.unwrap_or_else(Answer::Refused);
            match &answer {
                Answer::Refused(text) => refused.say(format!("refused: {text}")),
                Answer::Itself => refused.say(itself(&self.wanted.name)),
                Answer::At { .. } => {
                    refused.forget();
                }
            }
            let mut state = self.lock();
            state.waiting.pop_front();
            state.bytes -= waiting.len;
            self.metrics.waiting.store(state.waiting.len() as u64, Relaxed);
            drop(state);
            self.answer(&waiting.query, &answer);
        }
    }

    /// Serves a query with the producer of the ring, which nobody else can use meanwhile.
    fn lend(&self, told: &mut Option<Told>, asked: &Query<'_>, waiting: &Waiting) -> Answer {
        let mut mirror = match mem::replace(&mut self.lock().place, Place::Lent) {
            Place::Here(mirror) => Some(*mirror),
            Place::Away | Place::Lent => None,
        };
        let answer = self.serve(&mut mirror, told, asked, waiting);
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
                if sender.seen.elapsed() < ALIVE {
                    return Err(refusal);
                }
                (Some(network::key_of_sender(&self.key, sender.ring_id, &sender.id)), refusal)
            }
            None => (None, String::new()),
        };
        if key.is_some_and(|key| self.is_alive(&key)) {
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

    /// Returns whether a token is there. Where that cannot be known, it is.
    fn is_alive(&self, key: &str) -> bool {
        match self.session.liveliness().get(key).timeout(ASKING).wait() {
            Ok(replies) => replies.iter().any(|reply| reply.result().is_ok()),
            Err(_) => true,
        }
    }

    /// Answers that there is no copy of a ring: its sender makes way for another one, if it was the one.
    fn not_taken(&self, asked: &Query<'_>, answer: Answer) -> Answer {
        let mut state = self.lock();
        state.sender = state.sender.take().filter(|sender| sender.id != asked.sender);
        answer
    }

    /// Does what a query asks for, and waits for room as long as it may.
    fn serve(
        &self,
        place: &mut Option<Mirror>,
        told: &mut Option<Told>,
        asked: &Query<'_>,
        waiting: &Waiting,
    ) -> Answer {
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
            && *told == Some((asked.shape.ring_id, asked.first, end))
        {
            // Its sender did not hear the answer, or was followed by another one.
            return Answer::At { tail: asked.first, free: 0 };
        }
        if let (Some(end), None) = (asked.end, &place)
            && Mirror::ended(&self.wanted, asked.shape.ring_id, asked.first) == Some(end)
        {
            // The receiver before this one was killed, or stopped, after it had told that.
            say(&format!("end: the producer {end}, at position {}, as the ring says already", asked.first));
            *told = Some((asked.shape.ring_id, asked.first, end));
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
            *told = Some((asked.shape.ring_id, tail, end));
            let _ = self.ended.send(end);
        }
        answer
    }

    /// Pushes a batch piece by piece as there is room, until its time is over.
    fn push_in_time(&self, mirror: &mut Mirror, asked: &Query<'_>, waiting: &Waiting) -> Result<(), Refusal> {
        let mut done = match waiting.done {
            0 => match self.push(mirror, asked, &waiting.query)? {
                Pushed::Part(bytes) => bytes,
                _ => return Ok(()),
            },
            done => done,
        };
        loop {
            let left = HOLD.saturating_sub(waiting.came.elapsed());
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

/// Says that the name of a copy stands for the ring itself.
fn itself(name: &str) -> String {
    format!("ring {name} is the sender's ring itself, which is on this machine: start the receiver with another name")
}

/// Says why a sender is not taken.
fn refusal_of(asked: &Query<'_>, other: &str) -> String {
    format!("ring {:#018x} asks, and the sender {other} is alive: one at a time", asked.shape.ring_id)
}
