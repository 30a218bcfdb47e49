//! How long copies are made on this processor, by blocks or by `rep movsb`: measured once per process, in some
//! microseconds.

#![allow(unsafe_code, reason = "copies through raw pointers")]

#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
use crossbeam_utils::atomic::AtomicCell;

/// Chooses how long copies are made, unless that is done.
pub(crate) fn choose() {
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    {
        // No lock, which a fork could leave locked. A thread that copies meanwhile does it in either way.
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

    use crate::ring::copy::{LONGEST_BY_PIECES, Out, copy_bytes, set_longest_by_blocks};

    /// Bytes of a long copy that is measured.
    const LONG: usize = 4096;
    const TRIES: usize = 8;

    pub(super) fn choose() {
        if !is_x86_feature_detected!("avx") {
            return;
        }
        // A long value was often stored a moment ago, word by word, which defeats store forwarding of wide loads; here
        // it was not. So blocks have to be a quarter faster.
        let longest = match (share_of_blocks(LONGEST_BY_PIECES) < 1.0, share_of_blocks(LONG) < 0.75) {
            (true, true) => usize::MAX,
            (true, false) => LONGEST_BY_PIECES,
            (false, _) => 0,
        };
        // SAFETY: the processor has AVX.
        unsafe { set_longest_by_blocks(longest) };
    }

    /// Returns the time of a copy by blocks, divided by that of the same copy in the other way.
    fn share_of_blocks(len: usize) -> f64 {
        let [mut others, mut blocks] = [Duration::MAX; 2];
        // By turns: an interruption, or a processor that wakes up, makes some of them longer.
        for _ in 0..TRIES {
            others = others.min(time(len, 0));
            blocks = blocks.min(time(len, usize::MAX));
        }
        blocks.as_secs_f64() / others.as_secs_f64()
    }

    /// Measures a few copies, by blocks up to a length, of memory in the cache of this processor.
    fn time(len: usize, longest: usize) -> Duration {
        let (from, mut to) = ([1_u64; LONG / 8], [0_u64; LONG / 8]);
        // SAFETY: the processor has AVX.
        unsafe { set_longest_by_blocks(longest) };
        let start = Instant::now();
        for _ in 0..LONG / len * 4 {
            // SAFETY: both have that many bytes, begin at a word, and do not overlap.
            unsafe { copy_bytes::<Out>(from.as_ptr().cast(), to.as_mut_ptr().cast(), len) };
        }
        start.elapsed()
    }
}
