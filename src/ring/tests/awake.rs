//! Memory in which nobody sleeps: for tests, and for models, of all else.

use core::sync::atomic::AtomicU64;
use core::time::Duration;

use crate::ring::memory::{Parking, Role};

/// The parking of such a memory: there is none.
#[derive(Clone, Copy, Debug)]
pub enum Awake {}

impl Parking for Awake {
    type Word = AtomicU64;

    fn parking(&self, _role: Role) -> &AtomicU64 {
        match *self {}
    }

    fn wakes(&self, _role: Role) -> &AtomicU64 {
        match *self {}
    }

    fn wanted(&self, _role: Role) -> &AtomicU64 {
        match *self {}
    }

    fn needed(&self) -> &AtomicU64 {
        match *self {}
    }

    fn wake(&self, _role: Role, _reads: bool) {}

    fn sleep(&self, _role: Role, _wakes: u64, _limit: Duration) {}

    fn is_registered(&self) -> bool {
        match *self {}
    }

    fn asks_for_fences(&self) -> bool {
        match *self {}
    }

    fn fence_to_publish(&self, _full: bool) {}

    fn fence_to_sleep(&self, _publisher_fences: bool) -> bool {
        match *self {}
    }
}
