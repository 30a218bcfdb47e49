//! Copies by assembly that the compiler cannot see into: pieces of 16 bytes, blocks of 128, and `rep movsb`.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::Unit;

/// The longest copy in bytes that is made piece by piece: longer ones have a faster one.
pub const LONGEST_BY_PIECES: usize = 1024;

/// The same, if longer ones go by blocks.
pub(super) const LONGEST_BESIDE_BLOCKS: usize = 256;

/// Sixteen bytes in a vector register.
pub(super) type Wide = core::arch::x86_64::__m128i;

impl Unit for Wide {
    #[inline(always)]
    unsafe fn load(from: *const Self) -> Self {
        let wide;
        // SAFETY: sixteen bytes are valid for reads there, and the instruction asks for no alignment.
        unsafe {
            core::arch::asm!(
                "movups {wide}, [{from}]",
                from = in(reg) from,
                wide = lateout(xmm_reg) wide,
                options(nostack, preserves_flags, readonly),
            );
        }
        wide
    }

    #[inline(always)]
    unsafe fn store(to: *mut Self, value: Self) {
        // SAFETY: sixteen bytes are valid for writes there, and the instruction asks for no alignment.
        unsafe {
            core::arch::asm!(
                "movups [{to}], {value}",
                to = in(reg) to,
                value = in(xmm_reg) value,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// The longest copy in bytes that goes by blocks; 0 if none does.
pub(super) static LONGEST_BY_BLOCKS: AtomicUsize = AtomicUsize::new(0);

/// Makes copies of up to this many bytes go by blocks from now on, but for short ones: at first none does. Longer ones
/// than these and than [`LONGEST_BY_PIECES`] go by `rep movsb`.
///
/// # Safety
///
/// The processor has AVX, or none goes by blocks.
pub unsafe fn set_longest_by_blocks(longest: usize) {
    // It orders nothing: either copy is correct.
    LONGEST_BY_BLOCKS.store(longest, Ordering::Relaxed);
}

/// Copies `len` bytes, more than a block, without the compiler seeing an access.
///
/// # Safety
///
/// `len` is more than 128, `from` is valid for `len` reads, `to` for `len` writes, and they do not overlap.
#[inline(never)]
pub(super) unsafe fn copy_by_assembly(from: *const u8, to: *mut u8, len: usize) {
    if len <= LONGEST_BY_BLOCKS.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise; the caller that chose blocks has checked for AVX.
        return unsafe { blocks(from, to, len) };
    }
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

/// Copies `len` bytes by blocks of 128. The last one begins where it ends with the copy, and so overlaps the one before
/// it.
///
/// # Safety
///
/// As [`copy_by_assembly`], and the processor has AVX.
#[inline(always)]
unsafe fn blocks(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!(len > 128);
    // SAFETY: each block lies within the `len` bytes: the loop leaves with 1 to 128 of them, and the last block ends
    // where they do. `vzeroupper` changes the upper halves of all registers, which are clobbered.
    unsafe {
        core::arch::asm!(
            "2:",
            "vmovups ymm0, [{from}]",
            "vmovups ymm1, [{from} + 32]",
            "vmovups ymm2, [{from} + 64]",
            "vmovups ymm3, [{from} + 96]",
            "vmovups [{to}], ymm0",
            "vmovups [{to} + 32], ymm1",
            "vmovups [{to} + 64], ymm2",
            "vmovups [{to} + 96], ymm3",
            "add {from}, 128",
            "add {to}, 128",
            "sub {len}, 128",
            "cmp {len}, 128",
            "ja 2b",
            "vmovups ymm0, [{from} + {len} - 128]",
            "vmovups ymm1, [{from} + {len} - 96]",
            "vmovups ymm2, [{from} + {len} - 64]",
            "vmovups ymm3, [{from} + {len} - 32]",
            "vmovups [{to} + {len} - 128], ymm0",
            "vmovups [{to} + {len} - 96], ymm1",
            "vmovups [{to} + {len} - 64], ymm2",
            "vmovups [{to} + {len} - 32], ymm3",
            "vzeroupper",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            len = inout(reg) len => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
}
