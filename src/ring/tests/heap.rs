//! Heap memory behind the seam: for unit and property tests, sanitizers and Miri.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::ring::memory::{DATA_ALIGN, Memory, Role};

/// One allocation, shared by the handles of both roles.
#[derive(Clone, Debug)]
pub(super) struct Heap(Arc<Words>);

#[derive(Debug)]
struct Words {
    tail: AtomicU64,
    head: AtomicU64,
    producer: AtomicU64,
    consumer: AtomicU64,
    data: NonNull<u8>,
    len: usize,
}

// SAFETY: the data is owned by this value, and the protocol decides which thread touches which byte.
unsafe impl Send for Words {}
// SAFETY: as above; the words are atomics.
unsafe impl Sync for Words {}

impl Heap {
    pub(super) fn new(len: usize) -> Heap {
        let layout = layout(len);
        // SAFETY: the layout has a size of at least one page.
        let data = unsafe { alloc_zeroed(layout) };
        let Some(data) = NonNull::new(data) else { handle_alloc_error(layout) };
        let word = || AtomicU64::new(0);
        Heap(Arc::new(Words { tail: word(), head: word(), producer: word(), consumer: word(), data, len }))
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

    fn len(&self) -> usize {
        self.0.len
    }

    unsafe fn read<R>(&self, offset: usize, len: usize, access: impl FnOnce(*const u8) -> R) -> R {
        assert!(offset + len <= self.0.len, "{len} bytes at {offset} of {}", self.0.len);
        // SAFETY: just checked.
        access(unsafe { self.0.data.add(offset) }.as_ptr())
    }

    unsafe fn write<R>(&self, offset: usize, len: usize, access: impl FnOnce(*mut u8) -> R) -> R {
        assert!(offset + len <= self.0.len, "{len} bytes at {offset} of {}", self.0.len);
        // SAFETY: just checked.
        access(unsafe { self.0.data.add(offset) }.as_ptr())
    }
}
