//! How long a pause of the processor takes here: 10 to 50 ns, depending on the model, so it is measured once per
//! process.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use crossbeam_utils::atomic::AtomicCell;

/// The longest pause before a load of the other side's position.
const LONGEST: Duration = Duration::from_millis(1);

/// Returns how many pauses fit into `limit`.
pub(crate) fn count_within(limit: Duration) -> u32 {
    // No lock, which a fork could leave locked: threads that call this at the same time all measure.
    static NANOSECONDS: AtomicCell<f64> = AtomicCell::new(0.0);
    if NANOSECONDS.load() == 0.0 {
        NANOSECONDS.store(measure());
    }
    let pause = NANOSECONDS.load();
    // A float that is too large for the integer becomes its largest value.
    (limit.min(LONGEST).as_nanos() as f64 / pause) as u32
}

/// Measures one pause in nanoseconds: the shortest of a few tries, since an interruption only makes it longer.
fn measure() -> f64 {
    const PAUSES: u32 = 256;
    let tries = (0..5).map(|_| {
        let start = Instant::now();
        (0..PAUSES).for_each(|_| spin_loop());
        start.elapsed()
    });
    let shortest = tries.min().unwrap_or_default();
    (shortest.as_nanos() as f64 / f64::from(PAUSES)).max(0.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_no_pause() {
        assert_eq!(count_within(Duration::ZERO), 0);
    }

    #[test]
    fn a_longer_time_has_more_pauses_up_to_the_longest() {
        assert!(count_within(Duration::from_nanos(100)) <= count_within(Duration::from_micros(100)));
        assert_eq!(count_within(LONGEST), count_within(Duration::MAX));
    }
}
