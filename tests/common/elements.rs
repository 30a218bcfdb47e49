//! Elements that are made of their position, calls of every kind that move them, and the check of what arrives.

use std::fmt::Debug;
use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};
use ringmain::stream::{Consumer, Element, Producer};
use ringmain::{PopError, PushError};

use super::{Random, Wait};

/// How many elements a call of [`Writer`] or [`Reader`] moves at most.
pub(crate) const LONGEST_CALL: usize = 100;

/// How many calls of one kind follow each other at most.
const LONGEST_RUN: u64 = 1000;

/// An element that is made of its position, so that one that is lost, repeated, swapped or torn is seen.
pub(crate) trait Numbered: Element + PartialEq + Debug {
    fn at(position: u64) -> Self;
}

impl Numbered for u64 {
    fn at(position: u64) -> u64 {
        position
    }
}

/// A struct of several words, none of which is zero in all elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Tick {
    number: u64,
    price: u64,
    sizes: [u32; 4],
    check: u64,
}

impl Numbered for Tick {
    fn at(position: u64) -> Tick {
        let mixed = (position ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd129_0669_0c1b_6ead) | 1;
        let (low, high) = (mixed as u32, (mixed >> 32) as u32);
        Tick { number: position, price: mixed, sizes: [low, high, !low, !high], check: !mixed }
    }
}

/// The order in which elements must arrive: every one once.
pub(crate) struct Order<T> {
    next: u64,
    element: PhantomData<T>,
}

impl<T: Numbered> Order<T> {
    pub(crate) fn starting_at(position: u64) -> Order<T> {
        Order { next: position, element: PhantomData }
    }

    /// Returns the position of the next element.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Checks that this is the next element.
    #[track_caller]
    pub(crate) fn check(&mut self, element: T) {
        let expected = T::at(self.next);
        assert!(element == expected, "{element:?} came, expected {expected:?}");
        self.next = self.next.wrapping_add(1);
    }
}

/// The kinds of calls, chosen at random and each kept up for a while.
pub(super) struct Kinds {
    pub(super) random: Random,
    count: u64,
    kind: u64,
    left: u64,
}

impl Kinds {
    /// So many kinds, numbered from 0 on.
    pub(super) fn new(count: u64, seed: u64) -> Kinds {
        Kinds { random: Random::seeded(seed), count, kind: 0, left: 0 }
    }

    pub(super) fn choose(&mut self) -> u64 {
        if self.left == 0 {
            self.kind = self.random.below(self.count);
            self.left = 1 + self.random.below(LONGEST_RUN);
        }
        self.left -= 1;
        self.kind
    }

    fn len(&self, most: u64) -> usize {
        1 + self.random.below(most.min(LONGEST_CALL as u64)) as usize
    }
}

/// Pushes the elements from a position on, by every call that there is.
pub(crate) struct Writer<T> {
    next: u64,
    kinds: Kinds,
    element: PhantomData<T>,
}

impl<T: Numbered> Writer<T> {
    pub(crate) fn starting_at(position: u64, seed: u64) -> Writer<T> {
        Writer { next: position, kinds: Kinds::new(5, seed), element: PhantomData }
    }

    /// Returns the position of the next element.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Pushes at most `most` elements in one call, and returns how many there was room for.
    #[track_caller]
    pub(crate) fn push_some(&mut self, tx: &mut Producer<T>, most: u64) -> u64 {
        let (kind, next) = (self.kinds.choose(), self.next);
        let len = self.kinds.len(most);
        let elements = (0..len as u64).map(|at| T::at(next.wrapping_add(at)));
        let claimed = match kind {
            0 => {
                return match tx.push(T::at(next)) {
                    Ok(()) => self.pushed(1),
                    Err(PushError::Full(element)) => {
                        assert_eq!(element, T::at(next));
                        0
                    }
                    Err(error) => panic!("{error:?}"),
                };
            }
            1 => {
                let elements: Vec<T> = elements.collect();
                return match tx.push_slice(&elements) {
                    Ok(len) => self.pushed(len),
                    Err(PushError::Full(_)) => 0,
                    Err(error) => panic!("{error:?}"),
                };
            }
            2 => tx.claim_up_to(len),
            3 => tx.claim_contiguous(len),
            _ => tx.claim(len.min(tx.capacity())),
        };
        match claimed {
            Ok(mut claim) => {
                let len = claim.fill(elements);
                assert_eq!(len, claim.len());
                // Now and then, part of a claim is given up, and written anew by the next call.
                let kept = if self.kinds.random.below(8) == 0 { len / 2 } else { len };
                claim.commit_first(kept);
                self.pushed(kept)
            }
            Err(PushError::Full(_)) => 0,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn pushed(&mut self, len: usize) -> u64 {
        self.next = self.next.wrapping_add(len as u64);
        len as u64
    }
}

/// Pops elements by every call that there is, and checks their order.
pub(crate) struct Reader<T> {
    order: Order<T>,
    kinds: Kinds,
    values: Vec<T>,
}

impl<T: Numbered> Reader<T> {
    pub(crate) fn starting_at(position: u64, seed: u64) -> Reader<T> {
        let values = vec![T::zeroed(); LONGEST_CALL];
        Reader { order: Order::starting_at(position), kinds: Kinds::new(5, seed), values }
    }

    /// Returns the position of the next element.
    pub(crate) fn next(&self) -> u64 {
        self.order.next()
    }

    /// Pops elements in one call, checks them, and returns how many were there.
    #[track_caller]
    pub(crate) fn pop_some(&mut self, rx: &mut Consumer<T>) -> u64 {
        let len = self.kinds.len(LONGEST_CALL as u64);
        let peeked = match self.kinds.choose() {
            0 => {
                return match rx.pop() {
                    Ok(element) => {
                        self.order.check(element);
                        1
                    }
                    Err(PopError::Empty) => 0,
                    Err(error) => panic!("{error:?}"),
                };
            }
            1 => {
                return match rx.pop_slice(&mut self.values[..len]) {
                    Ok(len) => self.check_values(len),
                    Err(PopError::Empty) => 0,
                    Err(error) => panic!("{error:?}"),
                };
            }
            2 => rx.peek_up_to(len),
            3 => rx.peek_contiguous(len),
            _ => rx.peek(len.min(rx.capacity())),
        };
        match peeked {
            Ok(peek) => {
                let len = peek.len();
                // Now and then, some elements are looked at and left: the next call finds them again.
                let kept = if self.kinds.random.below(8) == 0 { len.div_ceil(2) } else { len };
                peek.copy_to_slice(0, &mut self.values[..len]);
                assert!(peek.iter().eq(self.values[..len].iter().copied()), "an element changed under a peek");
                peek.release_first(kept);
                self.check_values(kept)
            }
            Err(PopError::Empty | PopError::Short { .. }) => 0,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn check_values(&mut self, len: usize) -> u64 {
        for at in 0..len {
            self.order.check(self.values[at]);
        }
        len as u64
    }
}

/// Pushes `count` elements from `position` on, waiting for room.
#[track_caller]
pub(crate) fn send<T: Numbered>(tx: &mut Producer<T>, position: u64, count: u64, seed: u64) {
    let mut writer = Writer::<T>::starting_at(position, seed);
    let (mut left, mut wait) = (count, Wait::default());
    while left > 0 {
        match writer.push_some(tx, left) {
            0 => wait.pause("room in the ring"),
            pushed => (left, wait) = (left - pushed, Wait::default()),
        }
    }
}

/// Pops `count` elements from `position` on, waiting for them.
#[track_caller]
pub(crate) fn receive<T: Numbered>(rx: &mut Consumer<T>, position: u64, count: u64, seed: u64) {
    let mut reader = Reader::<T>::starting_at(position, seed);
    let (mut left, mut wait) = (count, Wait::default());
    while left > 0 {
        match reader.pop_some(rx) {
            0 => wait.pause("elements"),
            popped => {
                left = left.checked_sub(popped).expect("no more elements than were sent");
                wait = Wait::default();
            }
        }
    }
}
