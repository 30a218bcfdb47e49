//! The bare cache line: how long one word takes from one of the two processors to the other and back, with nothing else
//! of a ring. It tells how near the two are to each other.

use std::error::Error;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use ringmain_measure::{Summary, pin};

/// How long a line takes depends on its address, so pages take turns, and the place within a page varies.
const PAGES: usize = 64;
const PAIRS: usize = 16;

/// Round trips over one page in a row.
const TURN: u64 = 256;

/// The two words of a round trip, each alone on its line.
#[derive(Default)]
struct Pair {
    there: CachePadded<AtomicU64>,
    back: CachePadded<AtomicU64>,
}

#[derive(Default)]
#[repr(align(4096))]
struct Page([Pair; PAIRS]);

/// The lines of a run: the same from one round to the next, so that only the processors can make a difference.
pub(crate) struct Line {
    pages: Arc<[Page]>,
    /// How many round trips there were, of each pair.
    trips: u64,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line { pages: std::iter::repeat_with(Page::default).take(PAGES).collect(), trips: 0 }
    }

    /// Measures a round trip between this processor and another one, in nanoseconds: the median of the pages.
    pub(crate) fn measure(&mut self, other: usize) -> Result<f64, Box<dyn Error>> {
        let (pages, first) = (Arc::clone(&self.pages), self.trips + 1);
        self.trips += TURN;
        let trips = first..=self.trips;
        // The other thread begins on this processor, so nothing may spin here before it has moved.
        let both = Arc::new(Barrier::new(2));
        let answer = {
            let (both, trips) = (Arc::clone(&both), trips.clone());
            move || {
                let pinned = pin(other);
                both.wait();
                for pair in pairs(&pages) {
                    for trip in trips.clone() {
                        await_trip(&pair.there, trip);
                        // Publish: pairs with the Acquire in `await_trip`.
                        pair.back.store(trip, Ordering::Release);
                    }
                }
                pinned
            }
        };
        let other = thread::spawn(answer);
        both.wait();
        let mut turns = Vec::with_capacity(PAGES);
        for pair in pairs(&self.pages) {
            let start = Instant::now();
            for trip in trips.clone() {
                // Publish: pairs with the Acquire in `await_trip`.
                pair.there.store(trip, Ordering::Release);
                await_trip(&pair.back, trip);
            }
            turns.push(start.elapsed().as_nanos() as f64 / TURN as f64);
        }
        other.join().map_err(|_| "the other thread of the bare line panicked")??;
        Ok(Summary::of(&turns).median)
    }
}

/// The pairs that are used: one of each page.
fn pairs(pages: &[Page]) -> impl Iterator<Item = &Pair> {
    pages.iter().enumerate().map(|(at, page)| &page.0[at % PAIRS])
}

/// Waits until the word has the number of this round trip.
#[inline(always)]
fn await_trip(word: &AtomicU64, trip: u64) {
    // Observe: pairs with the Release of the other end.
    while word.load(Ordering::Acquire) != trip {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use ringmain_measure::two;

    use super::*;

    #[test]
    fn every_pair_goes_there_and_back_at_each_measurement() {
        let [first, second] = two().unwrap();
        let mut line = Line::new();
        thread::scope(|scope| {
            let measure = scope.spawn(|| {
                pin(first).unwrap();
                (1..=2).map(|_| line.measure(second).unwrap()).collect::<Vec<_>>()
            });
            assert!(measure.join().unwrap().iter().all(|nanoseconds| *nanoseconds > 0.0));
        });
        for pair in pairs(&line.pages) {
            assert_eq!(pair.there.load(Ordering::Relaxed), 2 * TURN);
            assert_eq!(pair.back.load(Ordering::Relaxed), 2 * TURN);
        }
    }

    #[test]
    fn every_page_is_used_and_no_two_words_share_a_line() {
        let line = Line::new();
        let address = |word: &AtomicU64| std::ptr::from_ref(word).addr();
        let mut words: Vec<usize> =
            pairs(&line.pages).flat_map(|pair| [address(&pair.there), address(&pair.back)]).collect();
        words.sort_unstable();
        assert_eq!(words.len(), 2 * PAGES);
        assert!(words.windows(2).all(|two| two[1] - two[0] >= 64), "{words:x?}");
        let mut pages: Vec<usize> = words.iter().map(|word| word / 4096).collect();
        pages.dedup();
        assert_eq!(pages.len(), PAGES);
    }
}
