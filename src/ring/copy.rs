//! Copies between private and shared bytes that stay defined when the other process writes at the same moment.
//!
//! A plain `memcpy` of bytes that another process may be changing is a data race, whatever the hardware makes of it.
//! Two ways stay defined:
//!
//! - up to eight words: relaxed atomic words, as wide as the alignment of the shared side allows;
//! - above: `rep movsb` in inline assembly on x86_64, which the compiler cannot see into; elsewhere the same words.
//!
//! A torn value is possible and harmless: the bytes are plain data, and a peer that follows the protocol never writes
//! what the other side may read.

#![allow(unsafe_code, reason = "copies through raw pointers")]

use core::mem::{align_of, size_of};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// The longest copy in words that is made word by word where there is a faster way for longer ones.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const FEW: usize = 8;

/// An integer with an atomic twin of the same size.
trait Unit: Copy {
    /// # Safety
    ///
    /// `from` is valid for reads and aligned to the size of `Self`.
    unsafe fn load(from: *const Self) -> Self;
    /// # Safety
    ///
    /// `to` is valid for writes and aligned to the size of `Self`.
    unsafe fn store(to: *mut Self, value: Self);
}

macro_rules! unit {
    ($($integer:ty => $atomic:ty),*) => {$(
        const _: () = assert!(align_of::<$atomic>() == size_of::<$integer>());
        impl Unit for $integer {
            #[inline(always)]
            unsafe fn load(from: *const Self) -> Self {
                // SAFETY: the caller's promise is the one that `from_ptr` asks for; a shared word is only ever accessed
                // through atomics or through assembly that the compiler cannot see into.
                let word = unsafe { <$atomic>::from_ptr(from.cast_mut()) };
                // The payload is ordered by the positions, never by itself.
                word.load(Ordering::Relaxed)
            }

            #[inline(always)]
            unsafe fn store(to: *mut Self, value: Self) {
                // SAFETY: as in `load`.
                let word = unsafe { <$atomic>::from_ptr(to) };
                word.store(value, Ordering::Relaxed);
            }
        }
    )*};
}

unit!(u8 => AtomicU8, u16 => AtomicU16, u32 => AtomicU32, u64 => AtomicU64);

/// Copies bytes between memory of two owners.
type Way = unsafe fn(from: *const u8, to: *mut u8, len: usize);

/// Copies whole words out of shared memory.
///
/// # Safety
///
/// `from` is aligned to the size of `U` and valid for reads of `len` bytes, `to` is private and valid for as many writes.
#[inline(always)]
unsafe fn words_out<U: Unit>(from: *const u8, to: *mut u8, len: usize) {
    for at in (0..len).step_by(size_of::<U>()) {
        // SAFETY: a whole word lies at `at`, and it is aligned, because `at` is a multiple of its size.
        let word = unsafe { U::load(from.wrapping_add(at).cast()) };
        // SAFETY: as many bytes are valid for writes there; no alignment is asked for.
        unsafe { to.wrapping_add(at).cast::<U>().write_unaligned(word) };
    }
}

/// Copies whole words into shared memory.
///
/// # Safety
///
/// `to` is aligned to the size of `U` and valid for writes of `len` bytes, `from` is private and valid for as many reads.
#[inline(always)]
unsafe fn words_in<U: Unit>(from: *const u8, to: *mut u8, len: usize) {
    for at in (0..len).step_by(size_of::<U>()) {
        // SAFETY: as many bytes are valid for reads there; no alignment is asked for.
        let word = unsafe { from.wrapping_add(at).cast::<U>().read_unaligned() };
        // SAFETY: a whole word lies at `at`, and it is aligned, because `at` is a multiple of its size.
        unsafe { U::store(to.wrapping_add(at).cast(), word) };
    }
}

/// Copies `len` bytes without the compiler seeing an access.
///
/// # Safety
///
/// `from` is valid for `len` reads, `to` for `len` writes, and they do not overlap.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
unsafe fn opaque(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the direction flag is clear on entry to any `asm!` block, so this copies upwards, `len` bytes exactly.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Returns the width in bytes of the words in which elements of `size` bytes are copied: what divides an element, and so
/// the offset of every slot.
const fn width(size: usize) -> usize {
    let width = 1 << size.trailing_zeros();
    if width > 8 { 8 } else { width }
}

/// Chooses how `len` bytes of elements of type `T` are copied, of which `words` is the way word by word.
#[inline(always)]
fn way<T>(len: usize, words: Way) -> Way {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if len > FEW * const { width(size_of::<T>()) } {
        return opaque;
    }
    let _ = len;
    words
}

/// Copies `count` elements out of shared memory.
///
/// # Safety
///
/// - `from` is valid for reads of `count` elements and aligned to the largest power of two up to 8 that divides their size.
/// - `to` is private to this process and valid for as many writes.
#[inline(always)]
pub unsafe fn copy_out<T>(from: *const u8, to: *mut u8, count: usize) {
    let words: Way = const {
        match width(size_of::<T>()) {
            8 => words_out::<u64>,
            4 => words_out::<u32>,
            2 => words_out::<u16>,
            _ => words_out::<u8>,
        }
    };
    let len = size_of::<T>() * count;
    // SAFETY: the caller's promise, in words that divide an element; private and shared memory do not overlap.
    unsafe { way::<T>(len, words)(from, to, len) }
}

/// Copies `count` elements into shared memory.
///
/// # Safety
///
/// - `to` is valid for writes of `count` elements and aligned to the largest power of two up to 8 that divides their size.
/// - `from` is private to this process and valid for as many reads, and every byte of it is initialised.
#[inline(always)]
pub unsafe fn copy_in<T>(from: *const u8, to: *mut u8, count: usize) {
    let words: Way = const {
        match width(size_of::<T>()) {
            8 => words_in::<u64>,
            4 => words_in::<u32>,
            2 => words_in::<u16>,
            _ => words_in::<u8>,
        }
    };
    let len = size_of::<T>() * count;
    // SAFETY: the caller's promise, in words that divide an element; private and shared memory do not overlap.
    unsafe { way::<T>(len, words)(from, to, len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 300;

    /// Bytes of which no two neighbours are equal, so that a byte that went astray is seen.
    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 256 + 1) as u8).collect()
    }

    /// Copies `count` elements between every pair of alignments that can occur, both ways, against a plain copy.
    fn copies_equal_plain_copies<T>(count: usize) {
        let len = count * size_of::<T>();
        // The alignment of the words, on a vector of the largest ones.
        let mut shared = vec![0_u64; len / 8 + 16];
        let shared: *mut u8 = shared.as_mut_ptr().cast();
        for shared_at in (0..64).step_by(width(size_of::<T>())) {
            for private_at in 0..9 {
                let source = pattern(private_at + len);
                let mut expected = vec![0xee; len + 2];
                expected[1..=len].copy_from_slice(&source[private_at..]);
                let slot = shared.wrapping_add(shared_at);
                // SAFETY: the vector has 128 bytes more than `len`, and the offset is a multiple of the width.
                unsafe { copy_in::<T>(source[private_at..].as_ptr(), slot, count) };
                let mut target = vec![0xee; private_at + len + 2];
                let inner = target[private_at + 1..].as_mut_ptr();
                // SAFETY: as above, and the target has `len` bytes from there on, and one more.
                unsafe { copy_out::<T>(slot, inner, count) };
                assert_eq!(target[private_at..], expected, "{len} bytes at {shared_at} and {private_at}");
            }
        }
    }

    #[test]
    fn bytes_of_every_length_and_alignment_are_copied_as_they_are() {
        (0..=LONGEST).for_each(copies_equal_plain_copies::<u8>);
    }

    #[test]
    fn wider_elements_are_copied_as_they_are() {
        (0..=LONGEST / 2).for_each(copies_equal_plain_copies::<u16>);
        (0..=LONGEST / 4).for_each(copies_equal_plain_copies::<u32>);
        (0..=LONGEST / 8).for_each(copies_equal_plain_copies::<u64>);
        (0..=LONGEST / 3).for_each(copies_equal_plain_copies::<[u8; 3]>);
        (0..=LONGEST / 12).for_each(copies_equal_plain_copies::<[u32; 3]>);
        (0..=LONGEST / 24).for_each(copies_equal_plain_copies::<[u8; 24]>);
        (0..=LONGEST / 72).for_each(copies_equal_plain_copies::<[u64; 9]>);
        copies_equal_plain_copies::<[u64; 512]>(3);
    }

    #[test]
    fn a_copy_in_leaves_its_neighbours_alone() {
        for len in 0..=LONGEST {
            let mut shared = vec![0xee_u8; len + 2];
            let source = pattern(len);
            // SAFETY: `len` bytes lie behind the first one.
            unsafe { copy_in::<u8>(source.as_ptr(), shared.as_mut_ptr().wrapping_add(1), len) };
            assert_eq!((shared[0], &shared[1..=len], shared[len + 1]), (0xee, &source[..], 0xee));
        }
    }

    #[test]
    fn words_are_as_wide_as_an_element_allows() {
        let widths = [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 4096].map(width);
        assert_eq!(widths, [1, 2, 1, 4, 2, 8, 4, 8, 4, 8, 8]);
    }
}
