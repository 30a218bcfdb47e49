//! A wait at many rings at once: its steps, as `wait.rs` has those of a wait at one.
//!
//! 1. It takes a **call**, if there is one: a ring that is always ready does not starve calls. After a wait that ended
//!    by a call it checks the rings first: frequent calls do not starve the rings.
//! 2. It **checks** each end, and returns all that are ready. An end is ready if a call that waits for as much would
//!    return. Whether the other process is alive takes a system call for each ring: that is checked if the presence
//!    word says that the other end detached, and for all rings now and then.
//! 3. Only then does it return that the **time** is over.
//! 4. It **announces** at each ring that it sleeps, makes **one fence** for all of them, and checks each a last time.
//! 5. It **sleeps** on the `wakes` of all rings, and on the word of calls, unless that check found something.
//! 6. It says at each ring that it is **awake**.
//!
//! No wake is lost, by the argument in `park.rs`, which holds for each ring alone: its `wakes` is loaded and its
//! `parking` stored before the fence, and the ring is checked after it. The fence belongs to no ring: it orders all
//! earlier stores of this thread, and `membarrier` makes one in every registered process. It is called if at least one
//! of the publishers makes no fences of its own.

use core::fmt;
use core::iter::FusedIterator;
use core::sync::atomic::Ordering;
use core::task::Waker;
use core::time::Duration;

use super::endpoint::{Endpoint, Kind, Side};
use super::memory::{Memory, Parking, Role, Word};
use super::park::{FENCES, NAP};
use super::presence::Presence;
use super::wait::{Limit, Waits, Watched};

/// How many rings a set can wait for: `futex_waitv` takes 128 words, and one is the word of calls.
pub const MAX_RINGS: usize = 127;

/// How a wait at several rings ended.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use ringmain::{Options, WaitSet, Woken};
///
/// let mut rx = Options::anonymous().capacity(64).stream_consumer::<u64>()?;
/// let mut set = WaitSet::new();
/// assert_eq!(set.wait(&mut [rx.readable()], Duration::from_millis(1))?, Woken::TimedOut);
///
/// // From another thread, to end the loop of this one:
/// set.waker().wake();
/// while set.wait(&mut [rx.readable()], None)? != Woken::Called {
///     rx.pop()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The interests of the list that are ready.
    Ready(Ready),
    /// A [`Waker`](crate::Waker) of the set was used. The next wait checks the rings first.
    Called,
    /// The time is over, and none is ready.
    TimedOut,
}

/// Which interests of a list are ready: an iterator over their indices, in ascending order.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use ringmain::{Options, WaitSet, Woken};
///
/// let ring = Options::anonymous().capacity(1);
/// let mut ends = [ring.stream_producer()?, ring.stream_producer()?, ring.stream_producer()?];
/// ends[1].push(7_u64)?;
/// let mut interests = ends.each_mut().map(|tx| tx.writable(1));
/// if let Woken::Ready(ready) = WaitSet::new().wait(&mut interests, Duration::ZERO)? {
///     assert_eq!(ready.len(), 2);
///     assert!(!ready.contains(1));
///     for at in ready {
///         ends[at].push(8)?;
///     }
/// }
/// # assert!(ends.iter_mut().all(|tx| tx.free() == Ok(0)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ready(u128);

impl Ready {
    /// Returns whether the interest at this index is ready and was not returned yet.
    #[must_use]
    pub fn contains(&self, at: usize) -> bool {
        at < MAX_RINGS && self.0 >> at & 1 == 1
    }

    fn add(&mut self, at: usize) {
        self.0 |= 1 << at;
    }
}

impl Iterator for Ready {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let at = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (at < MAX_RINGS).then_some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.count_ones() as usize;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Ready {}
impl FusedIterator for Ready {}

impl fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.clone()).finish()
    }
}

/// How closely a wait checks by system calls whether the other end is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerCheck {
    /// Not at all, unless the presence word says that it may have ended.
    None,
    /// If there is a hint that it is not.
    IfHinted,
    /// The same, and also if there is no source of hints.
    Quick,
    /// The same, and reads `/proc`: too slow to do for all rings at once.
    Thorough,
}

/// An end at which a set waits, whatever its ring holds.
pub trait Member<P> {
    /// Loads the presence of the other end, and returns it with whether this end is ready. Checks by system calls
    /// whether the other end is alive, as closely as asked.
    fn check_ready(&mut self, need: u64, peer_check: PeerCheck) -> (Presence, bool);

    /// Registers a waker, which is called once when the other end may have ended.
    fn watch(&mut self, waker: &Waker) -> Watched;

    /// Announces that this end sleeps, and returns the count of wakes that it loaded before. With `reads` it asks to be
    /// woken by a read.
    fn announce(&mut self, need: u64, reads: bool) -> u64;

    /// Returns whether this end is ready, or the presence of the other one is no longer what was `seen`.
    fn has_changed(&mut self, need: u64, seen: Presence) -> bool;

    /// Returns the words on which this end sleeps, and the role of the other end, which wakes it.
    fn wake_word(&self) -> Option<(&P, Role)>;

    /// Announces that this end is awake.
    fn end_sleep(&mut self);

    /// Announces that this end pauses.
    fn pause(&mut self);
}

impl<K: Kind, R: Side, M: Memory> Member<M::Parking> for Endpoint<K, R, M>
where
    Self: Waits,
{
    fn check_ready(&mut self, need: u64, peer_check: PeerCheck) -> (Presence, bool) {
        if self.check().is_err() {
            return (Presence::Never, true);
        }
        let seen = self.peer_presence();
        // An end that has ended stays so until its presence changes, and need not be checked again.
        let asks = peer_check != PeerCheck::None && self.take_hint().unwrap_or(peer_check != PeerCheck::IfHinted);
        let has_ended = self.waiter.ended == Some(seen)
            || (asks || self.may_have_ended())
                && match self.ended(peer_check == PeerCheck::Thorough) {
                    Ok(None) => false,
                    Ok(Some(ended)) => {
                        self.waiter.ended = Some(ended.peer);
                        true
                    }
                    // The ring must not be accessed any more.
                    Err(_) => {
                        self.truncated().map(|cause| self.poison(cause));
                        true
                    }
                };
        (seen, has_ended || self.is_ready(need) != Ok(false))
    }

    fn watch(&mut self, waker: &Waker) -> Watched {
        Waits::watch(self, waker)
    }

    fn announce(&mut self, need: u64, reads: bool) -> u64 {
        self.announce_sleep(need, reads)
    }

    fn has_changed(&mut self, need: u64, seen: Presence) -> bool {
        self.is_ready(need) != Ok(false) || self.peer_presence() != seen
    }

    fn wake_word(&self) -> Option<(&M::Parking, Role)> {
        Some((self.memory.parking()?, R::ROLE.peer()))
    }

    fn end_sleep(&mut self) {
        Endpoint::end_sleep(self);
    }

    fn pause(&mut self) {
        Endpoint::pause(self);
    }
}

/// What a set waits for at one end.
#[must_use = "a set waits for it"]
pub struct Interest<'a, P> {
    end: &'a mut dyn Member<P>,
    need: u64,
    /// What was asked for, and the most that the ring can hold.
    asked: (usize, usize),
    /// The presence of the other end at the last check.
    seen: Presence,
    /// The count of wakes that was loaded when this end announced its sleep.
    wakes: u64,
}

impl<'a, P> Interest<'a, P> {
    /// Waits until `need` units of positions can be read, or are free: those of `len` elements, or of a message of
    /// `len` bytes, of `max` at most.
    pub(crate) fn new(end: &'a mut dyn Member<P>, need: u64, len: usize, max: usize) -> Interest<'a, P> {
        Interest { end, need, asked: (len, max), seen: Presence::Never, wakes: 0 }
    }

    /// Returns the words on which this end sleeps, and the role of the other end.
    pub(crate) fn wake_word(&self) -> Option<(&P, Role)> {
        self.end.wake_word()
    }

    /// Returns how much was asked for and the most that the ring can hold, if that is less.
    pub(crate) fn too_long(&self) -> Option<(usize, usize)> {
        Some(self.asked).filter(|(len, max)| len > max)
    }
}

impl<P> fmt::Debug for Interest<'_, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Interest").field("len", &self.asked.0).finish_non_exhaustive()
    }
}

/// What a wait at several rings needs of the operating system and the clock.
pub trait SetSystem<P> {
    /// Returns the waker that ends a sleep if there is a hint that another end has ended.
    fn waker(&self) -> &Waker;

    /// Takes a call, and returns whether there was one.
    fn was_called(&mut self) -> bool;

    /// Returns whether the last wait ended by a call and this one has not checked the rings yet; once per wait.
    fn rings_first(&mut self) -> bool;

    /// Returns the number of this round of checks, if it is time to check whether the other ends are alive. Each round
    /// checks the next ring thoroughly.
    fn check_round(&mut self) -> Option<usize>;

    /// Sleeps for as long as each count of wakes is what is given with its words and there is no call, at most for
    /// `limit`. May return earlier, and is cut into slices unless `is_unbounded`.
    fn sleep<'a>(&mut self, wake_words: impl Iterator<Item = (&'a P, Role, u64)>, limit: Duration, is_unbounded: bool)
    where
        P: 'a;
}

/// Returns how a wait has ended, if it has. If it `asks`, it checks whether the other ends are alive when that is due.
pub fn settle<P>(
    interests: &mut [Interest<'_, P>],
    system: &mut impl SetSystem<P>,
    asks: bool,
    is_over: bool,
) -> Option<Woken> {
    let rings_first = system.rings_first();
    if !rings_first && system.was_called() {
        return Some(Woken::Called);
    }
    let mut ready = Ready::default();
    let peer_check = if asks { system.check_round() } else { None };
    let thorough_at = peer_check.map(|round| round % interests.len().max(1));
    for (at, interest) in interests.iter_mut().enumerate() {
        let is_ready;
        let peer_check = match thorough_at {
            None if asks => PeerCheck::IfHinted,
            None => PeerCheck::None,
            Some(thorough_at) if thorough_at == at => PeerCheck::Thorough,
            Some(_) => PeerCheck::Quick,
        };
        (interest.seen, is_ready) = interest.end.check_ready(interest.need, peer_check);
        if is_ready {
            ready.add(at);
        }
    }
    if ready != Ready::default() {
        return Some(Woken::Ready(ready));
    }
    if rings_first && system.was_called() {
        return Some(Woken::Called);
    }
    is_over.then_some(Woken::TimedOut)
}

/// Announces at each end of a list that it pauses: the wait begins with polls.
pub fn pause<P>(interests: &mut [Interest<'_, P>]) {
    interests.iter_mut().for_each(|interest| interest.end.pause());
}

/// Sleeps until an end of a list is ready, a waker is called, or the time is over.
pub fn sleep_until_ready<P: Parking>(
    interests: &mut [Interest<'_, P>],
    system: &mut impl SetSystem<P>,
    limit: impl Limit,
) -> Woken {
    loop {
        if let Some(woken) = settle(interests, system, true, limit.is_over()) {
            return woken;
        }
        sleep(interests, system, limit.rest());
    }
}

/// Sleeps once.
fn sleep<P: Parking>(interests: &mut [Interest<'_, P>], system: &mut impl SetSystem<P>, limit: Duration) {
    let mut is_unbounded = true;
    for interest in &mut *interests {
        match interest.end.watch(system.waker()) {
            Watched::Hinted => return,
            Watched::Unbounded => {}
            Watched::Bounded => is_unbounded = false,
        }
    }
    let mut all_fence = true;
    for interest in &mut *interests {
        interest.wakes = interest.end.announce(interest.need, false);
        all_fence &= interest.wakes & FENCES != 0;
    }
    let wake_word = interests.iter().find_map(|interest| interest.end.wake_word());
    let is_fenced = wake_word.is_none_or(|(parking, _)| parking.fence_to_sleep(all_fence));
    if !interests.iter_mut().any(|interest| interest.end.has_changed(interest.need, interest.seen)) {
        let wake_words = interests.iter().filter_map(|interest| {
            let (parking, role) = interest.end.wake_word()?;
            Some((parking, role, interest.wakes))
        });
        system.sleep(wake_words, if is_fenced { limit } else { limit.min(NAP) }, is_unbounded);
    }
    interests.iter_mut().for_each(|interest| interest.end.end_sleep());
}

/// Returns whether an end is ready, if a driver sleeps for it. If it is not, it clears the event of an earlier wake,
/// and announces that it sleeps; with `reads` it asks to be woken by a read. The waker is then called once: when the
/// driver finds a wake, when the other end may have ended, or at once, if something was published in between.
pub fn poll<P: Parking>(interest: &mut Interest<'_, P>, waker: &Waker, reads: bool, clear: impl FnOnce()) -> bool {
    let Interest { end, need, .. } = interest;
    let (seen, is_ready) = end.check_ready(*need, PeerCheck::IfHinted);
    if is_ready {
        end.end_sleep();
        return true;
    }
    clear();
    if end.watch(waker) == Watched::Hinted {
        waker.wake_by_ref();
        return false;
    }
    let wakes = end.announce(*need, reads);
    if let Some((parking, _)) = end.wake_word() {
        // If neither end can make the fence, the driver polls.
        parking.fence_to_sleep(wakes & FENCES != 0);
    }
    if end.has_changed(*need, seen) {
        waker.wake_by_ref();
    }
    false
}

/// Loads the count of wakes of an end, for a driver. Returns it and whether the other end makes its own fences.
///
/// The driver then locks the cell of the waker. Either the waker is registered; or the end registers it later, and then
/// loads this count, or a later one, when it announces its sleep: so its last check finds what was published.
pub fn load_wakes<W: Word>(wakes: &W) -> (u64, bool) {
    // That load is an Acquire, and so is the one that a woken end makes before it sleeps again.
    let wakes = wakes.load(Ordering::Relaxed);
    (wakes, wakes & FENCES != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_is_returned_once_in_the_order_of_the_list() {
        let mut ready = Ready::default();
        [126, 0, 64, 7].iter().for_each(|&at| ready.add(at));
        assert_eq!((ready.len(), format!("{ready:?}")), (4, "[0, 7, 64, 126]".to_owned()));
        assert!(ready.contains(7) && !ready.contains(8) && !ready.contains(MAX_RINGS) && !ready.contains(usize::MAX));
        assert_eq!(ready.next(), Some(0));
        assert!(!ready.contains(0));
        assert!(ready.by_ref().eq([7, 64, 126]));
        assert_eq!((ready.next(), ready.len()), (None, 0));
    }
}
