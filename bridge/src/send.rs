//! `ringmain-bridge send`: ring A to whoever answers at a key.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use ringmain::inspect::{self, Inspection};
use ringmain::{Creation, Error, Options, Wait};
use zenoh::Session;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::flow::Flow;
use crate::inbox::{Event, Inbox};
use crate::link::Link;
use crate::metrics::{Metrics, Reporter, Shown, Side};
use crate::network::{self, Network};
use crate::object::Object;
use crate::protocol::{Answer, End, Kind, Malformed, SenderId, Shape};
use crate::say::{Once, say};
use crate::source::{Ahead, Ring, Waited, layout};
use crate::window::Window;

/// How often to look at what tells nobody that it changed.
const TICK: Duration = Duration::from_secs(1);

/// How long what has arrived may stay in ring A while most of it is free.
const SOON: Duration = Duration::from_millis(5);

/// How often to check whether somebody follows a producer that has left, or whether the ring is there.
const NAP: Duration = Duration::from_millis(20);

/// The longest message of Zenoh that a sender takes: an answer is short.
const LONGEST_ANSWER: usize = 1 << 16;

/// The arguments of `send`.
#[derive(Clone, Debug, Args)]
pub struct Send {
    /// The name of ring A
    pub name: String,
    /// The key under which the receiver answers, such as plant/7/ticks
    #[arg(long, value_name = "KEY", value_parser = network::parse_key)]
    pub to: String,
    #[command(flatten)]
    network: Network,
    /// How many batches of up to 252 KiB may be under way
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    window: u8,
    /// End when the producer has left and all was delivered, instead of waiting for the next one
    #[arg(long)]
    once: bool,
    /// End when nothing got through for so long, or there was no ring A [default: never]
    #[arg(long, value_name = "SECONDS")]
    give_up: Option<u64>,
    /// Use a ring of this user [default: only one's own]
    #[arg(long, value_name = "USER-ID")]
    owner: Option<u32>,
    #[command(flatten)]
    shown: Shown,
}

impl Send {
    /// Returns how to find the other side.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Sends until it is to end.
    ///
    /// # Errors
    ///
    /// The ring cannot be used, or the rings do not belong together.
    pub fn run(&self, fault: Option<Fault>) -> Result<Exit> {
        let give_up = self.give_up.map(Duration::from_secs);
        let Some(session) = self.network.open(LONGEST_ANSWER, give_up)? else { return Ok(Exit::GivenUp) };
        let metrics = Arc::new(Metrics::new(Side::Send, &self.name));
        let (reporting, mut reporter) = (Arc::clone(&metrics), Reporter::new(&self.shown));
        thread::spawn(move || {
            loop {
                reporter.show(&reporting);
                thread::sleep(TICK);
            }
        });
        let result = self.follow(&session, fault, &metrics);
        Reporter::new(&self.shown).show(&metrics);
        result
    }

    /// Sends ring after ring of the name.
    fn follow(&self, session: &Session, fault: Option<Fault>, metrics: &Arc<Metrics>) -> Result<Exit> {
        let mut once = Once::default();
        let give_up = self.give_up.map(Duration::from_secs);
        // Since when there was no ring to send.
        let mut since = Instant::now();
        loop {
            let ring = match Inspection::open(&self.name) {
                Ok(ring) => ring,
                Err(error) if may_come(&error) => {
                    once.say(format!("waiting: there is no ring {} yet", self.name));
                    if give_up.is_some_and(|limit| since.elapsed() >= limit) {
                        let seconds = since.elapsed().as_secs();
                        say(&format!("there was no ring {} for {seconds} s: giving up", self.name));
                        return Ok(Exit::GivenUp);
                    }
                    thread::sleep(NAP);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let shape = Shape {
                ring_id: ring.ring_id(),
                kind: match ring.kind() {
                    inspect::Kind::Stream { element_size, element_align } => {
                        Kind::Stream(layout(element_size, element_align))
                    }
                    inspect::Kind::Message { record_alignment } => Kind::Message(record_alignment),
                    kind => bail!("ring {:?} carries {kind:?}, which this version does not know", self.name),
                },
                capacity: ring.capacity() as u64,
                tag: ring.type_tag().to_owned(),
            };
            // Whose name still stands after the look is what was looked at.
            let object = Object::of(&self.name);
            if ring.is_orphaned()? {
                continue;
            }
            let found = Looked { shape, object: object?, ring };
            // What comes goes through the network: a spin before a sleep saves little of that, and takes the processor
            // from the threads that move it.
            let mut options = Options::new(&self.name).any_type(true).create(Creation::Never).close_on_exit(false);
            options = options.wait(Wait::Park);
            if let Some(owner) = self.owner {
                options = options.owner(owner);
            }
            let ring_id = found.shape.ring_id;
            let ended = match found.shape.kind {
                Kind::Stream(element) => match options.sized_stream_consumer(element) {
                    Ok(rx) if rx.ring_id() == ring_id => self.bridge(session, rx, found, fault, metrics),
                    Ok(_) => continue,
                    Err(error) => Err(error.into()),
                },
                Kind::Message(_) => match options.message_consumer() {
                    Ok(rx) if rx.ring_id() == ring_id => self.bridge(session, rx, found, fault, metrics),
                    Ok(_) => continue,
                    Err(error) => Err(error.into()),
                },
            };
            match ended {
                Ok(Some(exit)) => return Ok(exit),
                Ok(None) => {
                    metrics.watch(None);
                    say(&format!("the name of ring {} was removed: waiting for a new one", self.name));
                    since = Instant::now();
                }
                // Removed, or made anew, between the look and the attach.
                Err(error) if error.downcast_ref().is_some_and(may_come) => thread::sleep(NAP),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one ring; `None` if nobody can attach to it any more, and all was delivered.
    fn bridge<R: Ring>(
        &self,
        session: &Session,
        mut rx: R,
        Looked { shape, object, ring }: Looked,
        fault: Option<Fault>,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Exit>> {
        say(&format!("attached: ring {}, id {:#018x}, at position {}", self.name, shape.ring_id, rx.position()));
        let sender: SenderId = session.zid().to_le_bytes();
        let inbox = Arc::new(Inbox::new(rx.waker()));
        let link = Link::open(session, &self.to, shape.ring_id, &sender, Arc::clone(&inbox))?;
        let name = network::own_name(session);
        let window = Window::new(self.window.into(), rx.position());
        let flow = Flow::new(shape, sender, name, object, window, fault, Arc::clone(metrics));
        metrics.watch(Some(ring));
        let mut pump = Pump {
            flow,
            metrics: Arc::clone(metrics),
            link,
            inbox,
            key: self.to.clone(),
            refused: Once::default(),
            silent: Once::default(),
            is_connected: false,
            give_up: self.give_up.map(Duration::from_secs),
            wanting: None,
        };
        let result = self.serve(&mut rx, &mut pump);
        if !matches!(result, Ok(Some(Exit::Done | Exit::Crashed) | None)) {
            // That this side stops is no end of the ring.
            rx.abandon();
        }
        result
    }

    fn serve<R: Ring>(&self, rx: &mut R, pump: &mut Pump) -> Result<Option<Exit>> {
        let mut ended = rx.ended()?;
        loop {
            let end = match ended {
                Some(end) => end,
                None => match pump.run(&mut rx.ahead(), None)? {
                    Pumped::Ended(end) => end,
                    Pumped::Orphaned => return Ok(None),
                    Pumped::GivenUp => return Ok(Some(Exit::GivenUp)),
                },
            };
            if let Pumped::GivenUp = pump.run(&mut rx.ahead(), Some(end))? {
                return Ok(Some(Exit::GivenUp));
            }
            say(&format!("end: the producer {end}, at position {}", rx.position()));
            if self.once {
                return Ok(Some(if end == End::Closed { Exit::Done } else { Exit::Crashed }));
            }
            while !rx.has_producer() && rx.is_empty()? {
                if rx.is_orphaned() {
                    return Ok(None);
                }
                thread::sleep(NAP);
            }
            ended = None;
        }
    }
}

/// What the name of ring A stands for.
struct Looked {
    shape: Shape,
    object: Object,
    ring: Inspection,
}

/// Returns whether a ring that cannot be had may be one in a moment.
fn may_come(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::NotReady { .. } | Error::Unfinished { .. } | Error::Changing { .. })
}

/// How a flow ended that did not fail.
enum Pumped {
    Ended(End),
    Orphaned,
    GivenUp,
}

/// Moves batches between a ring and the network.
struct Pump {
    flow: Flow,
    metrics: Arc<Metrics>,
    link: Link,
    inbox: Arc<Inbox>,
    key: String,
    refused: Once,
    silent: Once,
    is_connected: bool,
    give_up: Option<Duration>,
    /// Since when nothing was answered that was asked, or would have been.
    wanting: Option<Instant>,
}

impl Pump {
    /// Says at which position this side is, then sends what comes, until the producer has ended and all has arrived.
    /// With `end` it says that the producer has, and no more.
    fn run(&mut self, source: &mut impl Ahead, end: Option<End>) -> Result<Pumped> {
        let (mut is_greeted, mut ended) = (false, None);
        // Which query was the last one, and after which one a receiver may have come that knows nothing of this ring.
        let (mut last, mut stranger) = (0, None);
        let mut is_matched = self.link.is_matched();
        loop {
            while let Some(event) = self.inbox.take() {
                match event {
                    Event::Answered(number, Ok(Answer::At { tail, .. })) => {
                        self.connected(tail);
                        self.flow.answered(source, number, tail, Instant::now())?;
                        is_greeted = true;
                        stranger = stranger.filter(|&before| number <= before);
                    }
                    Event::Answered(number, Ok(Answer::Refused(text))) => self.refused(source, number, text),
                    Event::Answered(_, Ok(Answer::Itself)) => bail!(
                        "ring {0} is both sides of the bridge: the receiver at {1} is on this machine, and its ring \
                         is this one. Start the receiver with another name than {0}",
                        self.metrics.ring(),
                        self.key
                    ),
                    Event::Answered(number, Err(malformed)) => self.malformed(source, number, malformed),
                    Event::Ended(number) => {
                        if self.flow.failed(source, number, Instant::now()) {
                            self.metrics.timeouts.fetch_add(1, Relaxed);
                            self.disconnected();
                            is_matched = self.link.is_matched();
                        }
                    }
                    Event::Matched => {
                        is_matched = true;
                        stranger = Some(last);
                        self.flow.hurry();
                    }
                }
            }
            if let (true, Some(end)) = (is_greeted, end) {
                return Ok(Pumped::Ended(end));
            }
            let now = Instant::now();
            let is_idle = self.flow.window().is_empty();
            if !is_matched {
                is_matched = self.link.is_matched();
            }
            if !is_matched && is_idle {
                self.disconnected();
            }
            let mut asks = !is_greeted || !is_idle;
            if is_matched && self.flow.window().can_send(now) && (is_greeted || is_idle) {
                let mut next = self.flow.next(source, !is_greeted, end, now)?;
                if next.is_none() && is_idle && stranger.is_some() {
                    next = self.flow.next(source, true, end, now)?;
                }
                if let Some((number, payload)) = next {
                    (ended, last) = (None, number);
                    self.link.ask(number, payload);
                    continue;
                }
                if let (true, Some(end)) = (is_idle, ended) {
                    return Ok(Pumped::Ended(end));
                }
                if ended.is_none() {
                    // A message that waits behind the wake of an answer would be late: while most of the ring is free,
                    // what arrived is given back a little later, or with the next message.
                    let is_patient = !is_idle && self.flow.is_ring_free();
                    let limit = if is_patient { SOON } else { TICK };
                    match self.inbox.wait_at(is_patient, || source.wait(limit)).transpose()? {
                        None | Some(Waited::Some) => {}
                        Some(Waited::Ended(how)) => ended = Some(how),
                        Some(Waited::Orphaned) if is_idle => return Ok(Pumped::Orphaned),
                        Some(Waited::Orphaned | Waited::Full) => self.inbox.wait(TICK),
                        Some(Waited::Nothing) if is_patient => {}
                        Some(Waited::Nothing) => is_matched = self.link.is_matched(),
                    }
                } else {
                    self.inbox.wait(TICK);
                }
            } else {
                asks = true;
                let pause = self.flow.window().resume(now).map_or(TICK, |resume| (resume - now).min(TICK));
                self.inbox.wait(pause);
            }
            self.wanting = if asks { self.wanting.or(Some(now)) } else { None };
            let waits = self.wanting.map_or(Duration::ZERO, |since| since.elapsed());
            if self.give_up.is_some_and(|limit| waits >= limit) {
                say(&format!("nothing got through for {} s: giving up", waits.as_secs()));
                return Ok(Pumped::GivenUp);
            }
        }
    }

    fn connected(&mut self, tail: u64) {
        self.wanting = None;
        self.refused.forget();
        self.silent.forget();
        if !self.is_connected {
            self.is_connected = true;
            self.metrics.connected.store(1, Relaxed);
            say(&format!("connected: the receiver is at position {tail}"));
        }
    }

    fn disconnected(&mut self) {
        self.is_connected = false;
        self.metrics.connected.store(0, Relaxed);
        self.silent.say(format!("waiting: nobody answers at {}", self.key));
    }

    fn refused(&mut self, source: &mut impl Ahead, number: u64, text: String) {
        if self.flow.failed(source, number, Instant::now()) {
            self.metrics.refusals.fetch_add(1, Relaxed);
            self.is_connected = false;
            self.metrics.connected.store(0, Relaxed);
            self.refused.say(format!("refused: {text}"));
        }
    }

    fn malformed(&mut self, source: &mut impl Ahead, number: u64, malformed: Malformed) {
        self.refused(source, number, format!("what came from {} is no answer: {malformed}", self.key));
    }
}

/// Returns the error of a name that no ring can have, before anything else is done.
///
/// # Errors
///
/// The name cannot be one.
pub fn check_name(name: &str) -> Result<()> {
    match Inspection::open(name) {
        Err(error @ Error::InvalidName { .. }) => Err(error).context("no ring can have this name"),
        _ => Ok(()),
    }
}
