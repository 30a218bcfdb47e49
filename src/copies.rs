//! Which way long copies go on this processor: measured once per process, in some microseconds.

#![allow(unsafe_code, reason = "copies through raw pointers")]

#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
use crossbeam_utils::atomic::AtomicCell;

/// Chooses the way of long copies, unless that is done.
pub(crate) fn choose() {
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    {
        // No lock, which a fork could leave locked. Whoever comes meanwhile copies in one way or the other.
        static CHOSEN: AtomicCell<bool> = AtomicCell::new(false);
        if !CHOSEN.swap(true) {
            x86::choose();
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
mod x86 {
    use std::arch::is_x86_feature_detected;
    use std::time::{Duration, Instant};

    use crate::ring::copy::{FEW, bytes_out, go_by_blocks};

    /// Bytes of a long copy that is measured.
    const LONG: usize = 4096;
    const TRIES: usize = 8;

    pub(super) fn choose() {
        if !is_x86_feature_detected!("avx") {
            return;
        }
        let longest = [FEW, LONG].into_iter().take_while(|&len| blocks_are_faster(len)).last();
        // SAFETY: the processor has AVX.
        unsafe { go_by_blocks(longest.map_or(0, |len| if len == LONG { usize::MAX } else { len })) };
    }

    fn blocks_are_faster(len: usize) -> bool {
        let [mut without, mut with] = [Duration::MAX; 2];
        // By turns: an interruption, or a processor that wakes up, makes some of them longer.
        for _ in 0..TRIES {
            without = without.min(time(len, 0));
            with = with.min(time(len, usize::MAX));
        }
        // What is long was often stored a moment ago, in words that blocks wait for, and here it was not.
        with < if len == LONG { without - without / 4 } else { without }
    }

    /// Measures a few copies, by blocks up to a length, of memory that this processor has at hand.
    fn time(len: usize, longest: usize) -> Duration {
        let (from, mut to) = ([1_u64; LONG / 8], [0_u64; LONG / 8]);
        // SAFETY: the processor has AVX.
        unsafe { go_by_blocks(longest) };
        let start = Instant::now();
        for _ in 0..LONG / len * 4 {
            // SAFETY: both have as many bytes, begin at a word, and do not overlap.
            unsafe { bytes_out(from.as_ptr().cast(), to.as_mut_ptr().cast(), len) };
        }
        start.elapsed()
    }
}
