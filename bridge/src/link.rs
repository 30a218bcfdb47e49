//! The sender's side of the network: queries at the key of its ring, and the token that says that it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Result;
use zenoh::liveliness::LivelinessToken;
use zenoh::qos::CongestionControl;
use zenoh::query::{ConsolidationMode, Querier, QueryTarget};
use zenoh::{Session, Wait};

use crate::inbox::{Event, Inbox};
use crate::network::{PATIENCE, failed};
use crate::protocol::{Answer, SenderId, key_of_ring, key_of_sender};

/// A way to whoever answers.
#[derive(Debug)]
pub struct Link {
    querier: Querier<'static>,
    inbox: Arc<Inbox>,
    _token: LivelinessToken,
}

/// Tells that a query has ended without an answer, when Zenoh forgets it.
struct Ended {
    number: u64,
    inbox: Arc<Inbox>,
    is_answered: AtomicBool,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !*self.is_answered.get_mut() {
            self.inbox.post(Event::Ended(self.number));
        }
    }
}

impl Link {
    /// Declares what a sender of a ring needs. What comes goes to `inbox`.
    ///
    /// # Errors
    ///
    /// The session is closed.
    pub fn open(session: &Session, key: &str, ring_id: u64, sender: &SenderId, inbox: Arc<Inbox>) -> Result<Link> {
        // Before all queries: a receiver that hears of another sender asks for this.
        let token = session
            .liveliness()
            .declare_token(key_of_sender(key, ring_id, sender))
            .wait()
            .map_err(failed("cannot declare a token"))?;
        let querier = session
            .declare_querier(key_of_ring(key, ring_id))
            .target(QueryTarget::BestMatching)
            .consolidation(ConsolidationMode::None)
            .congestion_control(CongestionControl::Block)
            .express(true)
            .timeout(PATIENCE)
            .wait()
            .map_err(failed("cannot declare a querier"))?;
        let matched = Arc::clone(&inbox);
        querier
            .matching_listener()
            .callback(move |status| {
                if status.matching() {
                    matched.post(Event::Matched);
                }
            })
            .background()
            .wait()
            .map_err(failed("cannot listen for receivers"))?;
        Ok(Link { querier, inbox, _token: token })
    }

    /// Returns whether somebody answers at the key.
    #[must_use]
    pub fn is_matched(&self) -> bool {
        self.querier.matching_status().wait().is_ok_and(|status| status.matching())
    }

    /// Makes a query. Its answer comes to the inbox, or that it ended without one.
    pub fn ask(&self, number: u64, payload: Vec<u8>) {
        let ended = Ended { number, inbox: Arc::clone(&self.inbox), is_answered: AtomicBool::new(false) };
        let answered = move |reply: zenoh::query::Reply| {
            // What is no sample is Zenoh's own word that the time is over.
            if let Ok(sample) = reply.result() {
                let answer = Answer::read(&sample.payload().to_bytes());
                ended.is_answered.store(true, Relaxed);
                ended.inbox.post(Event::Answered(ended.number, answer));
            }
        };
        // Where this fails, the query has ended, and the inbox hears of it.
        let _ = self.querier.get().payload(payload).callback(answered).wait();
    }
}
