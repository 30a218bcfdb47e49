//! Memory as a process sees it that is killed.

#![allow(unsafe_code, reason = "implements the unsafe trait Memory by passing it on")]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::access::TestAccess;
use crate::awake::Awake;
use crate::checked::UNIT;
use crate::ring::memory::{Access, Memory, Role, Word};
use crate::words::Words;

/// The memory of a process that is killed after some of its writes, be they of words or of payload: all later ones are
/// lost.
///
/// What the process does from then on, nobody sees, so a model may let it run to its end.
pub struct Killed<M: Memory> {
    memory: M,
    words: Words<KilledWord<M::Word>>,
    life: Life,
    /// Its own: a successor does not have these.
    own: Box<[UnsafeCell<[u64; 2]>; 2]>,
}

/// How many writes a process does before it is killed.
#[derive(Clone, Debug)]
struct Life(Rc<Cell<usize>>);

impl Life {
    /// Spends one write; returns whether the process still came to it.
    fn lasts(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

impl<M: Memory> Killed<M>
where
    M::Word: Clone,
{
    /// Wraps the memory of a process that is killed after so many writes.
    pub fn after(writes: usize, memory: M) -> Killed<M> {
        let life = Life(Rc::new(Cell::new(writes)));
        let words = Words::of(&memory, |_, word| KilledWord { word: word.clone(), life: life.clone() });
        Killed { memory, words, life, own: Default::default() }
    }
}

/// A word the later stores of which are lost.
#[derive(Clone, Debug)]
pub struct KilledWord<W> {
    word: W,
    life: Life,
}

impl<W: Word> Word for KilledWord<W> {
    #[track_caller]
    fn load(&self, ordering: Ordering) -> u64 {
        self.word.load(ordering)
    }

    #[track_caller]
    fn store(&self, value: u64, ordering: Ordering) {
        if self.life.lasts() {
            self.word.store(value, ordering);
        }
    }
}

// SAFETY: every address is one of the wrapped memory, or for a write that is lost that of as many private bytes.
unsafe impl<M: Memory> Memory for Killed<M> {
    type Word = KilledWord<M::Word>;
    type Parking = Awake;
    type Read<'a>
        = TestAccess<'a, *const u8>
    where
        Self: 'a;
    type Write<'a>
        = TestAccess<'a, *mut u8>
    where
        Self: 'a;

    fn tail(&self) -> &Self::Word {
        &self.words.tail
    }

    fn head(&self) -> &Self::Word {
        &self.words.head
    }

    fn presence(&self, role: Role) -> &Self::Word {
        self.words.presence(role)
    }

    fn told(&self) -> &Self::Word {
        &self.words.told
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn len(&self) -> usize {
        self.memory.len()
    }

    fn is_mirrored(&self) -> bool {
        self.memory.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        NonNull::new(self.own[usize::from(role == Role::Consumer)].get()).expect("a cell has an address")
    }

    unsafe fn header(&self, offset: usize) -> &Self::Word {
        self.words.header(offset)
    }

    #[track_caller]
    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        // SAFETY: the same promise.
        let access = unsafe { self.memory.read(offset, len) };
        TestAccess::new(access.address(), || drop(access))
    }

    #[track_caller]
    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        if self.life.lasts() {
            // SAFETY: the same promise.
            let access = unsafe { self.memory.write(offset, len) };
            return TestAccess::new(access.address(), || drop(access));
        }
        let mut words = vec![0_u64; len / UNIT];
        TestAccess::new(words.as_mut_ptr().cast(), || drop(words))
    }
}

impl<M: Memory + fmt::Debug> fmt::Debug for Killed<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Killed").field("memory", &self.memory).field("life", &self.life).finish_non_exhaustive()
    }
}
