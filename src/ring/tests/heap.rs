//! Heap memory behind the seam: for unit and property tests, sanitizers and Miri.
//!
//! The copies of a payload are atomic or assembly, so that no sanitizer calls two of them at once a race. So this
//! memory touches each range by plain accesses before it hands it out: where an end reads what the other one may still
//! write, Miri and ThreadSanitizer see that.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::access::TestAccess;
use super::awake::Awake;
use crate::ring::memory::{DATA_ALIGN, Memory, Role};

/// One allocation, shared by the handles of both roles. It is mirrored: a range that passes its end goes on at its
/// start.
#[derive(Clone, Debug)]
pub(super) struct Heap(Arc<Words>);

#[derive(Debug)]
struct Words {
    tail: AtomicU64,
    head: AtomicU64,
    producer: AtomicU64,
    consumer: AtomicU64,
    told: AtomicU64,
    /// What the producer and the consumer keep for themselves.
    own: [UnsafeCell<[u64; 2]>; 2],
    data: NonNull<u8>,
    len: usize,
}

// SAFETY: the data is owned by this value, and the protocol decides which thread touches which byte.
unsafe impl Send for Words {}
// SAFETY: as above; the words are atomics, and what an end keeps for itself is touched by that end alone.
unsafe impl Sync for Words {}

impl Heap {
    pub(super) fn new(len: usize) -> Heap {
        let layout = layout(len);
        // SAFETY: the layout has a size of at least one page.
        let data = unsafe { alloc_zeroed(layout) };
        let Some(data) = NonNull::new(data) else { handle_alloc_error(layout) };
        let word = || AtomicU64::new(0);
        let (tail, head, producer, consumer, told) = (word(), word(), word(), word(), word());
        Heap(Arc::new(Words { tail, head, producer, consumer, told, own: Default::default(), data, len }))
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and nobody else has it any more.
        unsafe { dealloc(self.data.as_ptr(), layout(self.len)) };
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len.max(1), DATA_ALIGN).expect("a test's ring fits the address space")
}

// SAFETY: the allocation is fixed for as long as a handle lives, page-aligned and `len` bytes long.
unsafe impl Memory for Heap {
    type Word = AtomicU64;
    type Parking = Awake;
    type Access<'a> = TestAccess<'a>;

    fn tail(&self) -> &AtomicU64 {
        &self.0.tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.0.head
    }

    fn presence(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Producer => &self.0.producer,
            Role::Consumer => &self.0.consumer,
        }
    }

    fn told(&self) -> &AtomicU64 {
        &self.0.told
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.0.len
    }

    fn is_mirrored(&self) -> bool {
        self.0.len.is_multiple_of(size_of::<u64>())
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        // `UnsafeCell::get` never returns null.
        NonNull::new(self.0.own[usize::from(role == Role::Consumer)].get()).expect("a cell has an address")
    }

    unsafe fn header(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(size_of::<u64>()) && offset < self.0.len,
            "a header at {offset} of {}",
            self.0.len
        );
        // SAFETY: just checked.
        let word = unsafe { self.0.data.add(offset) };
        // SAFETY: an aligned word of the allocation, which no reference but such ones refers to.
        unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) }
    }

    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_> {
        match self.0.parts(offset, len) {
            (first, None) => {
                // SAFETY: the caller's promise: the bytes are committed, so nobody writes them.
                unsafe { touch_to_read(first, len) };
                TestAccess::new(first, || ())
            }
            (first, Some((second, cut))) => {
                let mut bytes = Bounce::new(len);
                // SAFETY: the first part is as long, and so is the copy.
                unsafe { bytes.address().copy_from_nonoverlapping(first, cut) };
                // SAFETY: as above, the second part.
                unsafe { bytes.address().wrapping_add(cut).copy_from_nonoverlapping(second, len - cut) };
                TestAccess::new(bytes.address(), || drop(bytes))
            }
        }
    }

    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_> {
        match self.0.parts(offset, len) {
            (first, None) => {
                // SAFETY: the caller's promise: the bytes are free, so nobody reads or writes them.
                unsafe { touch_to_write(first, len) };
                TestAccess::new(first, || ())
            }
            (first, Some((second, cut))) => {
                let mut bytes = Bounce::new(len);
                TestAccess::new(bytes.address(), move || {
                    // SAFETY: the first part is as long, and so is the copy.
                    unsafe { first.copy_from_nonoverlapping(bytes.address(), cut) };
                    // SAFETY: as above, the second part.
                    unsafe { second.copy_from_nonoverlapping(bytes.address().wrapping_add(cut), len - cut) };
                })
            }
        }
    }
}

impl Words {
    /// Returns the address of a range, and where the end of the data cuts it, that of the second part and the length of
    /// the first.
    fn parts(&self, offset: usize, len: usize) -> (*mut u8, Option<(*mut u8, usize)>) {
        let end = if self.len.is_multiple_of(size_of::<u64>()) { 2 * self.len } else { self.len };
        assert!(offset + len <= end && len <= self.len, "{len} bytes at {offset} of {}", self.len);
        let start = if offset < self.len { offset } else { offset - self.len };
        // SAFETY: at most the length of the data.
        let first = unsafe { self.data.add(start) }.as_ptr();
        let cut = self.len - start;
        (first, (len > cut).then_some((self.data.as_ptr(), cut)))
    }
}

/// Reads a range by plain accesses, and returns what is there.
///
/// # Safety
///
/// `from` is valid for reads of `len` bytes, which nobody writes meanwhile.
unsafe fn touch_to_read(from: *const u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    // SAFETY: the caller's promise, and the vector is as long.
    unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
    std::hint::black_box(bytes)
}

/// Writes to a range, by plain accesses, what is there already.
///
/// # Safety
///
/// `to` is valid for reads and writes of `len` bytes, which nobody else touches meanwhile.
unsafe fn touch_to_write(to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    let bytes = unsafe { touch_to_read(to, len) };
    // SAFETY: the caller's promise, and the vector is as long.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), len) };
}

/// Private bytes that stand in for a range that is cut, aligned like a payload.
struct Bounce(Vec<u128>);

impl Bounce {
    fn new(len: usize) -> Bounce {
        Bounce(vec![0; len.div_ceil(size_of::<u128>())])
    }

    fn address(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}
