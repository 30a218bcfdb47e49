//! A wait at many rings at once: its turns, as `wait.rs` has those of a wait at one.
//!
//! 1. It takes a **call**, if there is one: rings that always have something do not keep it from being heard. After a
//!    wait that ended by a call it looks at the rings first: calls that always come do not keep those from being seen.
//! 2. It **looks** at each end, and returns all that are ready. An end is ready if a call of its user's that waits for
//!    as much would not wait: because that is there, or because the wait has ended. How the other end has ended takes a
//!    system call for each ring, so that is asked where its own word says so, and of all now and then.
//! 3. Only then it returns that the **time** is over.
//! 4. It **announces** at each ring that it sleeps, makes **one fence** for all of them, and looks at each a last time.
//! 5. It **sleeps** on the `wakes` of all rings, and on the word of calls, unless that look found something.
//! 6. It says at each ring that it is **awake**.
//!
//! No wake is lost, by the argument in `park.rs`, which holds for each ring alone: its `wakes` was loaded and its
//! `parking` stored before the fence, and it is checked behind that. The fence is not that of a ring: it orders all
//! that this thread stored before, and `membarrier` puts one into every process that registered. If one publisher of
//! all makes no fences of its own, all of them get one.

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

/// At how many rings a set can wait. The system takes 128 words at once, and one of them is that of calls.
pub const MOST: usize = 127;

/// How a wait at several rings ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// So many of the list are ready, and which.
    Ready(Ready),
    /// A [`Waker`](crate::Waker) of the set was used. The next wait looks at the rings first.
    Called,
    /// The time is over, and none is ready.
    TimedOut,
}

/// Which ones of a list are ready: an iterator over their places, in the order of the list.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ready(u128);

impl Ready {
    /// Returns whether the one at this place of the list is ready, and was not returned yet.
    #[must_use]
    pub fn contains(&self, at: usize) -> bool {
        at < MOST && self.0 >> at & 1 == 1
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
        (at < MOST).then_some(at)
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

/// What the system is asked about the other end of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing, unless its own word says that it may have ended.
    None,
    /// Whether it lives, if there is a hint that it does not.
    Hints,
    /// The same, and also if nobody gives hints.
    Some,
    /// The same, so closely as is too dear for all rings at once.
    Close,
}

/// An end at which a set waits, whatever its ring holds.
pub trait Member<P> {
    /// Returns what the other end last said of itself, and whether this end is ready. In doubt, the system is asked
    /// whether the other end still lives.
    fn look(&mut self, need: u64, doubt: Doubt) -> (Presence, bool);

    /// Has the waker called, once, when there is a reason to ask how the other end has ended.
    fn watch(&mut self, waker: &Waker) -> Watched;

    /// Says that this end sleeps, and returns how often the other one had woken it by then. It may ask that for a read.
    fn announce(&mut self, need: u64, reads: bool) -> u64;

    /// Returns whether this end is ready, by what lies in the ring, or the other one is not any more what was `seen`.
    fn has_changed(&mut self, need: u64, seen: Presence) -> bool;

    /// Returns where the other end, which has this role, wakes this one.
    fn bed(&self) -> Option<(&P, Role)>;

    /// Says that this end is awake.
    fn rise(&mut self);

    /// Says that this end pauses.
    fn pause(&mut self);
}

impl<K: Kind, R: Side, M: Memory> Member<M::Parking> for Endpoint<K, R, M>
where
    Self: Waits,
{
    fn look(&mut self, need: u64, doubt: Doubt) -> (Presence, bool) {
        if self.check().is_err() {
            return (Presence::Never, true);
        }
        let seen = self.peer_presence();
        // What has ended stays so until the other end says something else, and need not be asked again.
        let asks = doubt != Doubt::None && self.hinted().unwrap_or(doubt != Doubt::Hints);
        let has_ended = self.waiter.ended == Some(seen)
            || (asks || self.may_have_ended())
                && match self.ended(doubt == Doubt::Close) {
                    Ok(None) => false,
                    Ok(Some(ended)) => {
                        self.waiter.ended = Some(ended.peer);
                        true
                    }
                    // Nothing of the ring must be touched any more.
                    Err(_) => {
                        self.shortened().map(|cause| self.poison(cause));
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

    fn bed(&self) -> Option<(&M::Parking, Role)> {
        Some((self.memory.parking()?, R::ROLE.peer()))
    }

    fn rise(&mut self) {
        self.end_sleep();
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
    /// What was asked for, and the most that there can be.
    asked: (usize, usize),
    /// What the other end had said of itself at the last look.
    seen: Presence,
    /// How often it had woken this one when that said that it sleeps.
    wakes: u64,
}

impl<'a, P> Interest<'a, P> {
    /// Waits until `need` units of positions are there, or free: those of `len` elements, or of a message of `len`
    /// bytes, of `max` at most.
    pub(crate) fn new(end: &'a mut dyn Member<P>, need: u64, len: usize, max: usize) -> Interest<'a, P> {
        Interest { end, need, asked: (len, max), seen: Presence::Never, wakes: 0 }
    }

    /// Returns where the other end wakes this one.
    pub(crate) fn bed(&self) -> Option<(&P, Role)> {
        self.end.bed()
    }

    /// Returns how much was asked for and how much there can be, if the ring can never hold it.
    pub(crate) fn too_long(&self) -> Option<(usize, usize)> {
        Some(self.asked).filter(|(len, max)| len > max)
    }
}

impl<P> fmt::Debug for Interest<'_, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Interest").field("len", &self.asked.0).finish_non_exhaustive()
    }
}

/// What only the system and the clock know of a wait at several rings.
pub trait Sleeps<P> {
    /// Returns what ends a sleep when there is a hint that an end has ended.
    fn waker(&self) -> &Waker;

    /// Takes a call, and returns whether there was one.
    fn was_called(&mut self) -> bool;

    /// Returns whether the last wait ended by a call, and this one has looked at no ring yet. Asked once.
    fn looks_first(&mut self) -> bool;

    /// Returns the number of this round of questions, if it is time to ask the system whether the other ends live. Each
    /// round asks the next ring closely.
    fn doubt(&mut self) -> Option<usize>;

    /// Sleeps until a bed's other end, or somebody who calls, wakes it for the first time since the count of wakes that
    /// is given with the bed, at most for `limit`. May return earlier, and is cut into slices unless it `lasts`.
    fn sleep<'a>(&mut self, beds: impl Iterator<Item = (&'a P, Role, u64)>, limit: Duration, lasts: bool)
    where
        P: 'a;
}

/// Returns how a wait has ended, if it has. It `asks` the system about the other ends, if it is time for that.
pub fn settle<P>(
    interests: &mut [Interest<'_, P>],
    system: &mut impl Sleeps<P>,
    asks: bool,
    is_over: bool,
) -> Option<Woken> {
    let looks_first = system.looks_first();
    if !looks_first && system.was_called() {
        return Some(Woken::Called);
    }
    let mut ready = Ready::default();
    let doubt = if asks { system.doubt() } else { None };
    let close = doubt.map(|round| round % interests.len().max(1));
    for (at, interest) in interests.iter_mut().enumerate() {
        let is_ready;
        let doubt = match close {
            None if asks => Doubt::Hints,
            None => Doubt::None,
            Some(close) if close == at => Doubt::Close,
            Some(_) => Doubt::Some,
        };
        (interest.seen, is_ready) = interest.end.look(interest.need, doubt);
        if is_ready {
            ready.add(at);
        }
    }
    if ready != Ready::default() {
        return Some(Woken::Ready(ready));
    }
    if looks_first && system.was_called() {
        return Some(Woken::Called);
    }
    is_over.then_some(Woken::TimedOut)
}

/// Says at each end of a list that it pauses: the wait begins with polls.
pub fn pause<P>(interests: &mut [Interest<'_, P>]) {
    interests.iter_mut().for_each(|interest| interest.end.pause());
}

/// Sleeps until one end of a list is ready, somebody calls, or the time is over.
pub fn sleep_until_ready<P: Parking>(
    interests: &mut [Interest<'_, P>],
    system: &mut impl Sleeps<P>,
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
fn sleep<P: Parking>(interests: &mut [Interest<'_, P>], system: &mut impl Sleeps<P>, limit: Duration) {
    let mut lasts = true;
    for interest in &mut *interests {
        match interest.end.watch(system.waker()) {
            Watched::Hinted => return,
            Watched::Lasting => {}
            Watched::Sliced => lasts = false,
        }
    }
    let mut all_fence = true;
    for interest in &mut *interests {
        interest.wakes = interest.end.announce(interest.need, false);
        all_fence &= interest.wakes & FENCES != 0;
    }
    let bed = interests.iter().find_map(|interest| interest.end.bed());
    let is_sure = bed.is_none_or(|(parking, _)| parking.fence_to_sleep(all_fence));
    if !interests.iter_mut().any(|interest| interest.end.has_changed(interest.need, interest.seen)) {
        let beds = interests.iter().filter_map(|interest| {
            let (parking, role) = interest.end.bed()?;
            Some((parking, role, interest.wakes))
        });
        system.sleep(beds, if is_sure { limit } else { limit.min(NAP) }, lasts);
    }
    interests.iter_mut().for_each(|interest| interest.end.rise());
}

/// Returns whether an end is ready for which something else sleeps: a driver. If it is not, it clears what an earlier
/// wake has left, and announces that it sleeps; it may ask the other end for a read. The waker is then called once, as
/// soon as the driver finds a wake, or there is a hint that the other end may have ended; or at once, if something has
/// come meanwhile.
pub fn poll<P: Parking>(interest: &mut Interest<'_, P>, waker: &Waker, reads: bool, clear: impl FnOnce()) -> bool {
    let Interest { end, need, .. } = interest;
    let (seen, is_ready) = end.look(*need, Doubt::Hints);
    if is_ready {
        end.rise();
        return true;
    }
    clear();
    if end.watch(waker) == Watched::Hinted {
        waker.wake_by_ref();
        return false;
    }
    let wakes = end.announce(*need, reads);
    if let Some((parking, _)) = end.bed() {
        // A driver naps where neither end can make it.
        parking.fence_to_sleep(wakes & FENCES != 0);
    }
    if end.has_changed(*need, seen) {
        waker.wake_by_ref();
    }
    false
}

/// Loads how often an end was woken, for a driver, and returns it, and whether the other end makes its own fences.
///
/// The driver then locks what the end has left its waker in. Either the waker is there; or the end leaves it later, and
/// then loads this count, or a later one, as it announces itself: so its last look finds what was published.
pub fn woken<W: Word>(wakes: &W) -> (u64, bool) {
    // That load is an Acquire, and so is the one of whoever is woken, before it sleeps again.
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
        assert!(ready.contains(7) && !ready.contains(8) && !ready.contains(MOST) && !ready.contains(usize::MAX));
        assert_eq!(ready.next(), Some(0));
        assert!(!ready.contains(0));
        assert!(ready.by_ref().eq([7, 64, 126]));
        assert_eq!((ready.next(), ready.len()), (None, 0));
    }
}
