//! What is under way between the rings: which batches were sent, what was answered, when to send again. It knows no
//! ring and no network, and is told the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long to wait before the next query where none was answered, or none was taken: doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause where the receiver's ring is full: it keeps a query waiting by itself, for as long.
pub const HOLD: Duration = Duration::from_millis(500);

/// A batch that was sent, and has no answer yet.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    end: u64,
    /// What the receiver was known to have when it was sent.
    head: u64,
    at: Instant,
    /// How often the sender had gone back before.
    round: u64,
}

/// The receiver's ring lacks what this side gave back long ago: it is another ring than before, or was one from the
/// start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where the receiver's ring ends.
    pub tail: u64,
    /// Where it ended before.
    pub head: u64,
}

/// The batches under way.
#[derive(Debug)]
pub struct Window {
    size: usize,
    /// What the receiver has.
    head: u64,
    /// What is sent next.
    next: u64,
    /// How far it was sent ever.
    furthest: u64,
    sent: VecDeque<Sent>,
    number: u64,
    round: u64,
    /// Whether one batch at a time is sent, until one has arrived as a whole.
    is_narrow: bool,
    pause: Duration,
    resume: Option<Instant>,
}

/// Returns whether a position lies before another one.
fn is_before(position: u64, other: u64) -> bool {
    (position.wrapping_sub(other) as i64) < 0
}

impl Window {
    /// Nothing is under way, and all before `head` has arrived. At most `size` batches will be.
    #[must_use]
    pub fn new(size: usize, head: u64) -> Window {
        Window {
            size,
            head,
            next: head,
            furthest: head,
            sent: VecDeque::new(),
            number: 0,
            round: 0,
            is_narrow: true,
            pause: Duration::ZERO,
            resume: None,
        }
    }

    /// Returns up to where all has arrived.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Returns the position of the batch to send next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Returns how many batches are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Returns whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Returns when the oldest of those under way was sent.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.sent.iter().map(|sent| sent.at).min()
    }

    /// Returns whether a batch may be sent.
    #[must_use]
    pub fn can_send(&self, now: Instant) -> bool {
        let limit = if self.is_narrow { 1 } else { self.size };
        let current = self.sent.iter().filter(|sent| sent.round == self.round).count();
        // Queries of earlier rounds may stay without an answer for long, and their payloads in memory with them.
        self.resume.is_none_or(|resume| resume <= now) && current < limit && self.sent.len() < 2 * self.size
    }

    /// Returns until when nothing is sent; `None` if an answer, or something to send, is waited for.
    #[must_use]
    pub fn resume(&self, now: Instant) -> Option<Instant> {
        self.resume.filter(|&resume| now < resume)
    }

    /// Notes a batch up to `end` as sent. Returns its number, and whether it had been sent before.
    pub fn send(&mut self, end: u64, now: Instant) -> (u64, bool) {
        self.number += 1;
        let is_again = end != self.next && is_before(self.next, self.furthest);
        self.sent.push_back(Sent { number: self.number, end, head: self.head, at: now, round: self.round });
        self.next = end;
        if is_before(self.furthest, end) {
            self.furthest = end;
        }
        (self.number, is_again)
    }

    /// Notes the answer to a batch: the receiver has all before `tail`. Returns whether to go back to the head.
    ///
    /// # Errors
    ///
    /// [`Lost`]: it has less than it had when the batch was sent.
    pub fn answered(&mut self, number: u64, tail: u64, now: Instant) -> Result<bool, Lost> {
        let Some(sent) = self.take(number) else { return Ok(false) };
        if is_before(tail, sent.head) {
            return Err(Lost { tail, head: sent.head });
        }
        let has_moved = is_before(self.head, tail);
        if has_moved {
            self.head = tail;
            if is_before(self.next, tail) {
                // A batch of the sender before this one has arrived meanwhile.
                self.next = tail;
            }
        }
        if !is_before(tail, sent.end) {
            self.is_narrow = false;
            (self.pause, self.resume) = (Duration::ZERO, None);
            return Ok(false);
        }
        if sent.round != self.round {
            return Ok(false);
        }
        if has_moved {
            (self.pause, self.resume) = (Duration::ZERO, None);
        } else {
            // From when it was sent: the receiver let it wait for room already.
            self.rest(sent.at, HOLD);
        }
        // `now` counts only where the answer came at once.
        self.resume = self.resume.filter(|&resume| now < resume);
        self.go_back();
        Ok(true)
    }

    /// Notes that a batch was refused, or that its query ended without an answer. Returns whether to go back to the
    /// head; `None` if it had its answer.
    pub fn failed(&mut self, number: u64, now: Instant) -> Option<bool> {
        let sent = self.take(number)?;
        if sent.round != self.round {
            return Some(false);
        }
        self.rest(now, LONGEST_PAUSE);
        self.go_back();
        Some(true)
    }

    /// Sends at once: somebody is there who was not before.
    pub fn hurry(&mut self) {
        self.resume = None;
    }

    fn take(&mut self, number: u64) -> Option<Sent> {
        let at = self.sent.iter().position(|sent| sent.number == number)?;
        self.sent.remove(at)
    }

    fn rest(&mut self, from: Instant, longest: Duration) {
        self.pause = (2 * self.pause).clamp(SHORTEST_PAUSE, longest);
        self.resume = Some(from + self.pause);
    }

    fn go_back(&mut self) {
        self.round += 1;
        self.next = self.head;
        self.is_narrow = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A window of 4 after a batch up to 100 has arrived.
    fn open(now: Instant) -> Window {
        let mut window = Window::new(4, 0);
        let (number, is_again) = window.send(100, now);
        assert!(!window.can_send(now) && !is_again, "one at a time at first");
        assert_eq!(window.answered(number, 100, now), Ok(false));
        window
    }

    /// Sends batches of 100 as long as that can be done.
    fn fill(window: &mut Window, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| window.can_send(now).then(|| window.send(window.next() + 100, now).0)).collect()
    }

    #[test]
    fn so_many_batches_are_under_way() {
        let now = Instant::now();
        let mut window = open(now);
        let sent = fill(&mut window, now);
        assert_eq!((sent.len(), window.next(), window.head()), (4, 500, 100));
        assert_eq!(window.answered(sent[0], 200, now), Ok(false));
        assert!(window.can_send(now));
        // One answer may tell of several, and a late one of less.
        assert_eq!(window.answered(sent[2], 400, now), Ok(false));
        assert_eq!(window.answered(sent[1], 300, now), Ok(false));
        assert_eq!((window.head(), window.len()), (400, 1));
    }

    #[test]
    fn a_gap_sends_it_back_once() {
        let now = Instant::now();
        let mut window = open(now);
        let sent = fill(&mut window, now);
        assert_eq!(window.answered(sent[1], 100, now), Ok(true));
        assert_eq!(window.next(), 100);
        for &late in &sent[2..] {
            assert_eq!(window.answered(late, 100, now), Ok(false));
        }
        assert!(!window.can_send(now) && window.can_send(now + 10 * MS));
        let (number, is_again) = window.send(200, now + 10 * MS);
        assert!(is_again && !window.can_send(now + 10 * MS));
        assert_eq!(window.answered(number, 200, now), Ok(false));
        // The first one of all is under way still, and takes no place from those.
        assert_eq!((fill(&mut window, now).len(), window.len()), (4, 5));
    }

    #[test]
    fn what_did_not_fit_is_sent_again_at_once_while_some_of_it_does() {
        let now = Instant::now();
        let mut window = open(now);
        let sent = fill(&mut window, now);
        assert_eq!(window.answered(sent[0], 150, now), Ok(true));
        assert_eq!((window.head(), window.next()), (150, 150));
        assert!(window.can_send(now));
        let (number, _) = window.send(250, now);
        // Nothing fitted for as long as the receiver let it wait.
        assert_eq!(window.answered(number, 150, now + HOLD), Ok(true));
        assert!(window.can_send(now + HOLD));
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_not_asked_without_a_pause() {
        let mut now = Instant::now();
        let mut window = Window::new(4, 0);
        let mut asked = 0;
        let start = now;
        while now < start + Duration::from_secs(10) {
            if window.can_send(now) {
                let (number, _) = window.send(100, now);
                asked += 1;
                assert_eq!(window.answered(number, 0, now), Ok(true));
            }
            now += MS;
        }
        assert!((20..30).contains(&asked), "{asked}");
    }

    #[test]
    fn queries_without_an_answer_are_made_again_more_and_more_slowly() {
        let mut now = Instant::now();
        let mut window = Window::new(4, 0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let (number, _) = window.send(100, now);
            assert_eq!(window.failed(number, now), Some(true));
            assert_eq!(window.failed(number, now), None);
            let resume = window.resume(now).unwrap();
            pauses.push((resume - now).as_millis());
            now = resume;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        window.hurry();
        assert!(window.can_send(now));
    }

    #[test]
    fn what_stays_without_an_answer_is_bounded() {
        let mut now = Instant::now();
        let mut window = open(now);
        let mut sent = fill(&mut window, now);
        for _ in 0..20 {
            now += 2 * LONGEST_PAUSE;
            if let Some(number) = sent.pop() {
                window.failed(number, now);
                now += 2 * LONGEST_PAUSE;
            }
            sent.splice(0..0, fill(&mut window, now));
            assert!(window.len() <= 8);
        }
    }

    #[test]
    fn a_tail_behind_what_was_given_back_is_a_loss() {
        let now = Instant::now();
        let mut window = open(now);
        let sent = fill(&mut window, now);
        assert_eq!(window.answered(sent[0], 99, now), Err(Lost { tail: 99, head: 100 }));
    }

    #[test]
    fn batches_of_an_earlier_sender_may_arrive_late() {
        let now = Instant::now();
        let mut window = Window::new(4, 0);
        let (number, _) = window.send(0, now);
        assert_eq!(window.answered(number, 700, now), Ok(false));
        assert_eq!((window.head(), window.next()), (700, 700));
    }

    #[test]
    fn positions_may_wrap() {
        let now = Instant::now();
        let mut window = Window::new(4, u64::MAX - 49);
        let (number, _) = window.send(50, now);
        assert_eq!(window.answered(number, 50, now), Ok(false));
        assert_eq!((window.head(), window.next()), (50, 50));
    }
}
