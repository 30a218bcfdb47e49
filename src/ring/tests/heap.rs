//! Heap memory behind the seam: for unit and property tests, sanitizers and Miri.
//!
//! The copies of a payload are atomic or assembly, so that no sanitizer calls two of them at once a race. So this
//! memory reads and writes each range by plain accesses, and hands out a copy of it: where an end reads what the other
//! one may still write, Miri and ThreadSanitizer see that.

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
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

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

    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        let mut bytes = StandIn::of(self.0.parts(offset, len));
        TestAccess::new(bytes.address().cast_const(), || drop(bytes))
    }

    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        let mut bytes = StandIn::of(self.0.parts(offset, len));
        TestAccess::new(bytes.address(), || bytes.write_back())
    }
}

impl Words {
    /// Returns the addresses and the lengths of the two parts of a range: the second one has 0 bytes unless the end of
    /// the data cuts it.
    fn parts(&self, offset: usize, len: usize) -> [(*mut u8, usize); 2] {
        let end = if self.len.is_multiple_of(size_of::<u64>()) { 2 * self.len } else { self.len };
        assert!(offset + len <= end && len <= self.len, "{len} bytes at {offset} of {}", self.len);
        let start = if offset < self.len { offset } else { offset - self.len };
        let cut = len.min(self.len - start);
        // SAFETY: at most the length of the data.
        let first = unsafe { self.data.add(start) }.as_ptr();
        [(first, cut), (self.data.as_ptr(), len - cut)]
    }
}

/// Private bytes that stand in for a range while it is accessed, so that an access that is used after its end is seen.
struct StandIn {
    /// As aligned as a payload.
    bytes: Vec<u128>,
    parts: [(*mut u8, usize); 2],
}

impl StandIn {
    /// Reads a range by plain accesses. The caller has been promised that nobody writes it meanwhile.
    fn of(parts: [(*mut u8, usize); 2]) -> StandIn {
        let len = parts[0].1 + parts[1].1;
        let mut stand_in = StandIn { bytes: vec![0; len.div_ceil(size_of::<u128>())], parts };
        let mut to: *mut u8 = stand_in.bytes.as_mut_ptr().cast();
        for (from, len) in parts {
            // SAFETY: the parts lie in the data, and the vector has room for both.
            unsafe { to.copy_from_nonoverlapping(from, len) };
            to = to.wrapping_add(len);
        }
        stand_in
    }

    /// Returns its address, or where a range of 0 bytes lies.
    fn address(&mut self) -> *mut u8 {
        if self.bytes.is_empty() { self.parts[0].0 } else { self.bytes.as_mut_ptr().cast() }
    }

    /// Writes the range by plain accesses. The caller has been promised that nobody else touches it meanwhile.
    fn write_back(self) {
        let mut from: *const u8 = self.bytes.as_ptr().cast();
        for (to, len) in self.parts {
            // SAFETY: as in `of`.
            unsafe { to.copy_from_nonoverlapping(from, len) };
            from = from.wrapping_add(len);
        }
    }
}
