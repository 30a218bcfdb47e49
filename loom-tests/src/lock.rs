//! The lock of a role, by which it passes from one holder to the next.

use std::sync::atomic::Ordering;

use loom::thread::{self, JoinHandle};

use crate::checked::CheckedWord;
use crate::model::until;
use crate::ring::memory::Word;

/// The lock of a role.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    /// As the kernel gives it: who takes it comes after everything that the holder before did, even a killed one.
    Kernel,
    /// It excludes but orders nothing. No lock is so weak; what rests on the order of a lock fails with it.
    Unordered,
}

impl Lock {
    /// Runs two holders, the second when the first has given the lock back, and returns what both returned.
    ///
    /// # Panics
    ///
    /// If one of them does.
    #[must_use]
    pub fn pass<A: 'static, B: 'static>(
        self,
        first: impl FnOnce() -> A + 'static,
        second: impl FnOnce() -> B + 'static,
    ) -> JoinHandle<(A, B)> {
        let free = CheckedWord::default();
        let freed = free.clone();
        let first = thread::spawn(move || {
            let result = first();
            if let Lock::Unordered = self {
                freed.store(1, Ordering::Relaxed);
            }
            result
        });
        thread::spawn(move || match self {
            Lock::Kernel => (first.join().unwrap(), second()),
            Lock::Unordered => {
                until(|| (free.load(Ordering::Relaxed) == 1).then_some(()));
                let result = second();
                (first.join().unwrap(), result)
            }
        })
    }
}
