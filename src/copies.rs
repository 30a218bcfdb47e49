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

    use crate::ring::copy::{go_by_blocks, opaque};

    /// Bytes of a copy that is measured.
    const LEN: usize = 4096;
    const TRIES: usize = 8;

    pub(super) fn choose() {
        if !is_x86_feature_detected!("avx") {
            return;
        }
        let [mut string, mut blocks] = [Duration::MAX; 2];
        // By turns: an interruption, or a processor that wakes up, makes some of them longer.
        for _ in 0..TRIES {
            string = string.min(time(false));
            blocks = blocks.min(time(true));
        }
        // SAFETY: the processor has AVX.
        unsafe { go_by_blocks(blocks < string) };
    }

    /// Measures a few copies in one of the two ways, of memory that this processor has at hand.
    fn time(by_blocks: bool) -> Duration {
        let (from, mut to) = ([1_u8; LEN], [0_u8; LEN]);
        // SAFETY: the processor has AVX.
        unsafe { go_by_blocks(by_blocks) };
        let start = Instant::now();
        for _ in 0..4 {
            // SAFETY: both have as many bytes, and do not overlap.
            unsafe { opaque(from.as_ptr(), to.as_mut_ptr(), LEN) };
        }
        start.elapsed()
    }
}
