//! Rings between two threads of this process.

use std::error::Error;
use std::mem;
use std::sync::{Arc, Barrier};
use std::thread;

use ringmain_measure::pin;

use crate::values::by_size;
use crate::work::{self, Receiver, Sender, Test, Work};

/// A crate whose rings connect threads.
pub(crate) trait Threads: 'static {
    type Sender<const WORDS: usize>: Sender + Send + 'static;
    type Receiver<const WORDS: usize>: Receiver + Send + 'static;

    /// Makes a ring for `capacity` values.
    fn pair<const WORDS: usize>(capacity: usize) -> (Self::Sender<WORDS>, Self::Receiver<WORDS>);
}

/// Measures once; the other end runs on `processor`.
pub(crate) fn measure<T: Threads>(work: Work, processor: usize) -> Result<f64, Box<dyn Error>> {
    by_size!(work.size, measure_sized::<T>(work, processor))
}

/// Measures once.
///
/// How fast a line moves depends on its physical address. A segment has new pages each time, so a ring here must not
/// reuse the memory of the last one either: each is kept until the end.
fn measure_sized<T: Threads, const WORDS: usize>(work: Work, processor: usize) -> Result<f64, Box<dyn Error>> {
    let (tx, rx) = T::pair::<WORDS>(work.capacity);
    let mut tx = work::apart(tx);
    // The other thread begins on this processor, so nothing may spin here before it has moved.
    let both = Arc::new(Barrier::new(2));
    let moved = Arc::clone(&both);
    let arrive = move || {
        // If that is refused, the figures are only noisier.
        let _ = pin(processor);
        moved.wait();
    };
    // Held by both ends: whoever holds it alone has lost the other one.
    let here = Arc::new(());
    let there = Arc::clone(&here);
    if work.test == Test::Rtt {
        let (back_tx, back_rx) = T::pair::<WORDS>(work.capacity);
        let mut back_rx = work::apart(back_rx);
        let other = thread::spawn(move || {
            arrive();
            let (mut back_tx, mut rx) = (work::apart(back_tx), work::apart(rx));
            let result = work::pong(work, &mut **back_tx, &mut **rx, &|| Arc::strong_count(&there) > 1);
            mem::forget((back_tx, rx));
            result
        });
        both.wait();
        let result = work::ping(work, &mut **tx, &mut **back_rx, &|| Arc::strong_count(&here) > 1);
        drop(here);
        let other = other.join().map_err(|_| "the other thread panicked")?;
        mem::forget((tx, back_rx));
        let result = result?;
        other?;
        return Ok(result);
    }
    let other = thread::spawn(move || {
        arrive();
        let mut rx = work::apart(rx);
        let result = work::receive(work, &mut **rx, &|| Arc::strong_count(&there) > 1);
        mem::forget(rx);
        result
    });
    both.wait();
    let sent = work::send(work, &mut **tx, &|| Arc::strong_count(&here) > 1);
    if sent.is_err() {
        drop(here);
    }
    let result = other.join().map_err(|_| "the other thread panicked")?;
    mem::forget(tx);
    sent?;
    Ok(result?)
}
