//! Copies between private and shared bytes that stay defined when the other process writes at the same moment.
//!
//! A plain `memcpy` of bytes that another process may be changing is a data race, whatever the hardware does. Three
//! ways stay defined:
//!
//! - relaxed atomic words, as wide as the alignment of the shared side allows;
//! - on x86_64, pieces of 16 bytes through a vector register, moved by inline assembly that the compiler cannot see
//!   into;
//! - on x86_64, above 1024 bytes by `rep movsb`, or above 256 by blocks of 128 bytes through wider registers, by inline
//!   assembly too (`copy/assembly.rs`). Up to which length blocks are faster depends on the processor. Elsewhere,
//!   always the words.
//!
//! No sanitizer sees into that assembly either. Under Miri, and with `--cfg portable_copies`, x86_64 copies by words
//! like all others.
//!
//! Which of the first two is faster depends on the next access to the private side: a wide load after narrow stores
//! defeats store forwarding. So what is copied out is stored in pieces, which a reader may load as a whole or word by
//! word. What is copied in is loaded in pieces, unless it is a type of words of up to 64 bytes, such as a struct whose
//! fields were just stored.
//!
//! A torn value is possible and harmless: the bytes are plain data, and a peer that follows the protocol never writes
//! what the other side may read. Accesses of different sizes race only with a peer that breaks the protocol, in another
//! process: there the hardware's rule counts, that each aligned access is whole.

#![allow(unsafe_code, reason = "copies through raw pointers")]

#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
mod assembly;

use core::mem::{align_of, size_of};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
use assembly::{LONGEST_BESIDE_BLOCKS, LONGEST_BY_BLOCKS, Wide, copy_by_assembly};
#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
pub use assembly::{LONGEST_BY_PIECES, set_longest_by_blocks};

/// The largest element or value, in bytes, that a call takes or returns by value: 64 KiB. A build that is not optimised
/// copies it several times on the way, and the stack of a thread has 2 MiB. A larger one does not compile by value:
///
/// ```compile_fail,E0080
/// let mut tx = ringmain::Options::anonymous().capacity(2).stream_producer::<[[u8; 4096]; 17]>().unwrap();
/// tx.push([[0; 4096]; 17]).unwrap();
/// ```
///
/// It is moved by reference, as a slice of one, and need not lie on a stack at all:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::slice;
///
/// use ringmain::Options;
///
/// type Frame = [[u8; 4096]; 17];
/// let ring = Options::anonymous().capacity(2).create_stream(std::alloc::Layout::new::<Frame>())?;
/// let mut tx = Options::from_fd(ring.try_clone()?).stream_producer::<Frame>()?;
/// let mut rx = Options::from_fd(ring).stream_consumer::<Frame>()?;
/// let mut frame = Box::new([[7; 4096]; 17]);
/// assert_eq!(tx.push_slice(slice::from_ref(&*frame))?, 1);
/// rx.blocking().pop_slice(slice::from_mut(&mut *frame))?;
/// # Ok(())
/// # }
/// ```
pub const LARGEST_BY_VALUE: usize = 64 << 10;

/// Refuses, where it is compiled, to move a value that is too large for a stack.
#[inline(always)]
pub const fn by_value<T>() {
    const {
        assert!(
            size_of::<T>() <= LARGEST_BY_VALUE,
            "more than 64 KiB (ringmain::LARGEST_BY_VALUE) is not moved by value, for the sake of the stack: in a \
             stream use push_slice(slice::from_ref(&element)) and pop_slice(slice::from_mut(&mut element)), or a claim \
             and a peek; of messages use push_value(&value), and pop into its bytes"
        );
    }
}

/// The longest type of words, in bytes, that is copied in word by word.
const LONGEST_BY_WORDS: usize = 64;

/// The longest message in bytes that is copied without a call, where its length is known at run time alone.
pub const SHORT: usize = 256;

/// What is moved at once between shared and private memory.
pub trait Unit: Copy {
    /// # Safety
    ///
    /// `from` is valid for reads and, if `Self` is an integer, for writes too, and aligned to its size.
    unsafe fn load(from: *const Self) -> Self;
    /// # Safety
    ///
    /// `to` is valid for writes and, if `Self` is an integer, aligned to its size.
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

/// Which way a copy goes. One side of it is shared, the other is private to this process.
pub trait Direction {
    /// Whether the shared side is the one that is written.
    const IS_IN: bool;

    /// # Safety
    ///
    /// `from` is valid for reads; if it is shared and `U` an integer, for writes too, and aligned to its size; if it is
    /// private, initialised.
    unsafe fn load<U: Unit>(from: *const U) -> U;

    /// # Safety
    ///
    /// `to` is valid for writes and, if it is shared and `U` an integer, aligned to its size.
    unsafe fn store<U: Unit>(to: *mut U, unit: U);

    /// Copies the `len` bytes, fewer than a word, after the last whole word, in at most three pieces.
    ///
    /// # Safety
    ///
    /// Both sides are valid for that many bytes; the shared one is aligned to a word and valid for a whole one. What is
    /// copied in is initialised.
    unsafe fn copy_rest(from: *const u8, to: *mut u8, len: usize);
}

/// Out of shared memory.
#[derive(Debug)]
pub enum Out {}

/// Into shared memory.
#[derive(Debug)]
pub enum In {}

impl Direction for Out {
    const IS_IN: bool = false;

    #[inline(always)]
    unsafe fn load<U: Unit>(from: *const U) -> U {
        // SAFETY: the caller's promise.
        unsafe { U::load(from) }
    }

    #[inline(always)]
    unsafe fn store<U: Unit>(to: *mut U, unit: U) {
        // SAFETY: the caller's promise; no alignment is asked for.
        unsafe { to.write_unaligned(unit) };
    }

    #[inline(always)]
    unsafe fn copy_rest(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: the word is valid for reads as a whole.
        let (mut bytes, mut at) = (u64::from_le(unsafe { u64::load(from.cast()) }), 0);
        if len & 4 != 0 {
            // SAFETY: four bytes are valid for writes there; no alignment is asked for.
            unsafe { to.cast::<u32>().write_unaligned((bytes as u32).to_le()) };
            (bytes, at) = (bytes >> 32, 4);
        }
        if len & 2 != 0 {
            // SAFETY: as above, two bytes.
            unsafe { to.wrapping_add(at).cast::<u16>().write_unaligned((bytes as u16).to_le()) };
            (bytes, at) = (bytes >> 16, at + 2);
        }
        if len & 1 != 0 {
            // SAFETY: as above, one byte.
            unsafe { to.wrapping_add(at).write(bytes as u8) };
        }
    }
}

impl Direction for In {
    const IS_IN: bool = true;

    #[inline(always)]
    unsafe fn load<U: Unit>(from: *const U) -> U {
        // SAFETY: the caller's promise; no alignment is asked for.
        unsafe { from.read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store<U: Unit>(to: *mut U, unit: U) {
        // SAFETY: the caller's promise.
        unsafe { U::store(to, unit) };
    }

    #[inline(always)]
    unsafe fn copy_rest(from: *const u8, to: *mut u8, len: usize) {
        let (mut bytes, mut at) = (0, 0);
        if len & 4 != 0 {
            // SAFETY: four bytes are valid for reads there; no alignment is asked for.
            bytes = u64::from(u32::from_le(unsafe { from.cast::<u32>().read_unaligned() }));
            at = 4;
        }
        if len & 2 != 0 {
            // SAFETY: as above, two bytes.
            let piece = u16::from_le(unsafe { from.wrapping_add(at).cast::<u16>().read_unaligned() });
            bytes |= u64::from(piece) << (8 * at);
            at += 2;
        }
        if len & 1 != 0 {
            // SAFETY: as above, one byte.
            let piece = unsafe { from.wrapping_add(at).read() };
            bytes |= u64::from(piece) << (8 * at);
        }
        // SAFETY: the word is valid for writes as a whole.
        unsafe { u64::store(to.cast(), bytes.to_le()) };
    }
}

/// Copies as many whole units as `len` bytes have, and returns how many bytes these are.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, `to` for that many writes; the shared one is aligned as `U` needs it. What
/// is copied in is initialised.
#[inline(always)]
pub unsafe fn units<D: Direction, U: Unit>(from: *const u8, to: *mut u8, len: usize) -> usize {
    let whole = len & !(size_of::<U>() - 1);
    for at in (0..whole).step_by(size_of::<U>()) {
        // SAFETY: a whole unit lies at `at`, aligned like the first, because `at` is a multiple of its size.
        let unit = unsafe { D::load::<U>(from.wrapping_add(at).cast()) };
        // SAFETY: the same.
        unsafe { D::store::<U>(to.wrapping_add(at).cast(), unit) };
    }
    whole
}

/// Copies `len` bytes by wide pieces, then by words of type `U`.
///
/// # Safety
///
/// As [`units`], and `len` is a multiple of the size of `U`.
#[inline(always)]
unsafe fn pieces<D: Direction, U: Unit>(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    // SAFETY: the caller's promise; wide pieces need no alignment.
    let wide = unsafe { units::<D, Wide>(from, to, len) };
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, portable_copies)))))]
    let wide = 0;
    // SAFETY: the caller's promise; the pieces are multiples of the words.
    unsafe { units::<D, U>(from.wrapping_add(wide), to.wrapping_add(wide), len - wide) };
}

/// Copies `len` bytes of a type of words. What is copied in goes word by word, if these are few.
///
/// # Safety
///
/// As [`units`], and `len` is a multiple of the size of a word.
#[inline(always)]
pub unsafe fn copy_words<D: Direction>(from: *const u8, to: *mut u8, len: usize) {
    if D::IS_IN && len <= LONGEST_BY_WORDS {
        // SAFETY: the caller's promise.
        unsafe { units::<D, u64>(from, to, len) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { pieces::<D, u64>(from, to, len) };
    }
}

/// Returns the width in bytes of the words in which elements of `size` bytes are copied: it divides an element, and so
/// the offset of every slot.
const fn width(size: usize) -> usize {
    // A value without bytes is any number of words.
    1 << (size | 8).trailing_zeros()
}

/// Returns whether a copy of `len` bytes is not made piece by piece.
#[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
#[inline(always)]
fn is_long(len: usize) -> bool {
    len > LONGEST_BESIDE_BLOCKS && (len > LONGEST_BY_PIECES || LONGEST_BY_BLOCKS.load(Ordering::Relaxed) != 0)
}

/// Copies `count` elements.
///
/// # Safety
///
/// - The shared side is valid for `count` elements and aligned to the largest power of two up to 8 that divides their
///   size.
/// - The other side is private to this process and valid for as many. If it is copied in, every byte of it is
///   initialised.
#[inline(always)]
pub unsafe fn copy<D: Direction, T>(from: *const u8, to: *mut u8, count: usize) {
    let len = size_of::<T>() * count;
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    if is_long(len) {
        // SAFETY: the caller's promise; a long copy has more than 256 bytes, and private and shared memory do not
        // overlap.
        return unsafe { copy_by_assembly(from, to, len) };
    }
    match const { width(size_of::<T>()) } {
        // SAFETY: the caller's promise, for each of them: in words that divide an element.
        8 if align_of::<T>() >= align_of::<u64>() => unsafe { copy_words::<D>(from, to, len) },
        // SAFETY: the same.
        8 => unsafe { pieces::<D, u64>(from, to, len) },
        // SAFETY: the same.
        4 => unsafe { pieces::<D, u32>(from, to, len) },
        // SAFETY: the same.
        2 => unsafe { pieces::<D, u16>(from, to, len) },
        // SAFETY: the same.
        _ => unsafe { pieces::<D, u8>(from, to, len) },
    }
}

/// Returns whether an element of `size` bytes, known at run time, is a few words, which are copied without a call.
#[inline(always)]
pub fn is_small(size: usize) -> bool {
    size <= LONGEST_BY_WORDS && size & (size_of::<u64>() - 1) == 0
}

/// Copies `len` bytes: whole elements of `size` bytes, which is known at run time.
///
/// # Safety
///
/// As [`copy`] of elements of this size.
#[inline(always)]
pub unsafe fn copy_slots<D: Direction>(from: *const u8, to: *mut u8, len: usize, size: usize) {
    match width(size) {
        // SAFETY: the caller's promise, for each of them: words that divide an element divide all of them.
        8 => unsafe { copy::<D, u64>(from, to, len / 8) },
        // SAFETY: the same.
        4 => unsafe { copy::<D, u32>(from, to, len / 4) },
        // SAFETY: the same.
        2 => unsafe { copy::<D, u16>(from, to, len / 2) },
        // SAFETY: the same.
        _ => unsafe { copy::<D, u8>(from, to, len) },
    }
}

/// Rounds a number of bytes up to whole words.
#[inline(always)]
pub const fn whole_words(len: usize) -> usize {
    len.next_multiple_of(size_of::<u64>())
}

/// Copies `len` bytes, a number known at run time, which start at a word on the shared side. What is copied in fills
/// the rest of the last word with anything.
///
/// # Safety
///
/// - The shared side is aligned to 8 and valid for `len` bytes, rounded up to whole words.
/// - The other side is private to this process and valid for `len` bytes, which are initialised if they are copied in.
#[inline(always)]
pub unsafe fn copy_bytes<D: Direction>(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
    if is_long(len) {
        // SAFETY: the caller's promise; a long copy has more than 256 bytes, and private and shared memory do not
        // overlap.
        return unsafe { copy_by_assembly(from, to, len) };
    }
    let whole = len & !(size_of::<u64>() - 1);
    // SAFETY: the caller's promise.
    unsafe { pieces::<D, u64>(from, to, whole) };
    if whole < len {
        // SAFETY: the caller's promise: the last word is there as a whole.
        unsafe { D::copy_rest(from.wrapping_add(whole), to.wrapping_add(whole), len - whole) };
    }
}

#[cfg(test)]
mod tests {
    use core::ops::RangeInclusive;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Short copies, those around the length at which the way changes, and those with a last block of every length.
    const LENGTHS: [RangeInclusive<usize>; 3] = [0..=LONGEST, 1016..=1040, 1150..=1290];
    const LONGEST: usize = 300;

    /// Bytes of which no two neighbours are equal, so that a misplaced byte is seen.
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
                unsafe { copy::<In, T>(source[private_at..].as_ptr(), slot, count) };
                let mut target = vec![0xee; private_at + len + 2];
                let inner = target[private_at + 1..].as_mut_ptr();
                // SAFETY: as above, and the target has `len` bytes from there on, and one more.
                unsafe { copy::<Out, T>(slot, inner, count) };
                assert_eq!(target[private_at..], expected, "{len} bytes at {shared_at} and {private_at}");
            }
        }
    }

    /// Copies in each way that there is for long copies: one test at a time, or another one would change the way.
    fn in_each_way(copy: impl Fn()) {
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        copy();
        #[cfg(all(target_arch = "x86_64", not(any(miri, portable_copies))))]
        if std::arch::is_x86_feature_detected!("avx") {
            for longest in [LONGEST_BY_PIECES, usize::MAX, 0] {
                // SAFETY: the processor has it. Tests that attach may choose meanwhile: each way is right.
                unsafe { set_longest_by_blocks(longest) };
                copy();
            }
        }
    }

    #[test]
    fn bytes_of_every_length_and_alignment_are_copied_as_they_are() {
        in_each_way(|| LENGTHS.into_iter().flatten().for_each(copies_equal_plain_copies::<u8>));
    }

    #[test]
    fn bytes_that_start_at_a_word_are_copied_as_they_are() {
        in_each_way(bytes_at_words_are_copied);
    }

    fn bytes_at_words_are_copied() {
        let mut words = [0_u64; 162];
        let shared: *mut u8 = words.as_mut_ptr().cast();
        for len in LENGTHS.into_iter().flatten() {
            for private_at in 0..9 {
                let source = pattern(private_at + len);
                // SAFETY: the words are aligned, and as many as the longest copy has.
                unsafe { copy_bytes::<In>(source[private_at..].as_ptr(), shared, len) };
                let mut target = vec![0xee; private_at + len + 2];
                // SAFETY: as above, and the target has `len` bytes from there on, and one more.
                unsafe { copy_bytes::<Out>(shared, target[private_at + 1..].as_mut_ptr(), len) };
                assert_eq!(target[private_at + 1..=private_at + len], source[private_at..], "{len} at {private_at}");
                assert_eq!((target[private_at], target[private_at + len + 1]), (0xee, 0xee), "{len} at {private_at}");
            }
        }
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
    fn elements_whose_size_is_known_at_run_time_are_copied_as_they_are() {
        for size in 1..=LONGEST {
            let (mut words, len) = ([0_u64; 3 * LONGEST / 8 + 1], 3 * size);
            let shared: *mut u8 = words.as_mut_ptr().cast();
            // Slots before the first and after the last are left alone, so it begins at the second.
            let source = pattern(1 + len);
            // SAFETY: the words are aligned and have room for three slots; the second one is as aligned as any.
            unsafe { copy_slots::<In>(source[1..].as_ptr(), shared.wrapping_add(size), 2 * size, size) };
            let mut target = vec![0xee; len + 2];
            // SAFETY: as above, and the target has `len` bytes from there on, and one more.
            unsafe { copy_slots::<Out>(shared, target[1..].as_mut_ptr(), len, size) };
            assert_eq!(target[1..=size], vec![0; size], "{size}");
            assert_eq!((&target[size + 1..=len], target[len + 1]), (&source[1..=2 * size], 0xee), "{size}");
        }
    }

    #[test]
    fn a_copy_in_leaves_its_neighbours_alone() {
        for len in LENGTHS.into_iter().flatten() {
            let mut shared = vec![0xee_u8; len + 2];
            let source = pattern(len);
            // SAFETY: `len` bytes lie after the first one.
            unsafe { copy::<In, u8>(source.as_ptr(), shared.as_mut_ptr().wrapping_add(1), len) };
            assert_eq!((shared[0], &shared[1..=len], shared[len + 1]), (0xee, &source[..], 0xee));
        }
    }

    #[test]
    fn words_are_as_wide_as_an_element_allows() {
        let widths = [0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 4096].map(width);
        assert_eq!(widths, [8, 1, 2, 1, 4, 2, 8, 4, 8, 4, 8, 8]);
    }
}
