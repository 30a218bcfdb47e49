//! `ringmain-bridge receive`: what comes at a key to ring B.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use zenoh::{Session, Wait};

use crate::desk::{Call, Desk, Patience};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::metrics::{Reporter, Shown};
use crate::mirror::{LARGEST, Wanted};
use crate::network::{self, Network, failed};
use crate::protocol::{Answer, End, LARGEST_BATCH};
use crate::say::say;
use crate::size::{parse_mode, parse_size};

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
        let wanted = Wanted {
            name: self.name.clone(),
            capacity: self.capacity,
            mode: self.mode,
            owner: self.owner,
            follows_new: self.follow_new,
        };
        let asking = session.clone();
        let is_alive = Box::new(move |key: &str| is_alive(&asking, key));
        let desk = Arc::new(Desk::new(self.from.clone(), wanted, is_alive, Patience::default(), fault, ended));
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
            let last = desk.last();
            let silent = last.unwrap_or(start).elapsed();
            let is_heard = silent < LATELY && last.is_some();
            desk.metrics().connected.store(is_heard.into(), Relaxed);
            desk.look();
            reporter.show(desk.metrics());
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

impl Call for zenoh::query::Query {
    fn key(&self) -> &str {
        self.key_expr().as_str()
    }

    fn payload(&self) -> Cow<'_, [u8]> {
        zenoh::query::Query::payload(self).map(zenoh::bytes::ZBytes::to_bytes).unwrap_or_default()
    }

    fn answer(&self, answer: &Answer) {
        let _ = self.reply(self.key_expr().clone(), answer.write()).express(true).wait();
    }
}

/// Returns whether a token is there. Where that cannot be known, it is.
fn is_alive(session: &Session, key: &str) -> bool {
    match session.liveliness().get(key).timeout(ASKING).wait() {
        Ok(replies) => replies.iter().any(|reply| reply.result().is_ok()),
        Err(_) => true,
    }
}
