//! Ring A: read ahead of what is given back.

use std::alloc::Layout;
use std::time::Duration;

use ringmain::{Broken, PeerState, PopError, WaitError, Waker, message, stream};

use crate::protocol::End;
use crate::records;

/// How a wait for more ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// There is more, or may be.
    Some,
    /// The time is over, or a waker was used.
    Nothing,
    /// The producer has left, and there is nothing more.
    Ended(End),
    /// There is nobody at the other end, and nobody can come.
    Orphaned,
    /// The whole ring was read, and nothing of it given back.
    Full,
}

/// The consumer of a ring of either kind.
pub trait Ring {
    /// What reads ahead.
    type Ahead<'a>: Ahead
    where
        Self: 'a;

    /// Begins to read at the head.
    fn ahead(&mut self) -> Self::Ahead<'_>;
    /// Returns the head.
    fn position(&self) -> u64;
    /// Returns what ends its waits.
    fn waker(&mut self) -> Waker;
    /// Returns whether nobody else can attach.
    fn is_orphaned(&self) -> bool;
    /// Returns whether a producer is attached.
    fn has_producer(&self) -> bool;
    /// Returns how the producer has ended, if it has and the ring is empty.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used.
    fn ended(&self) -> Result<Option<End>, Broken>;
    /// Returns whether there is nothing to read.
    ///
    /// # Errors
    ///
    /// As [`Ring::ended`].
    fn is_empty(&self) -> Result<bool, Broken>;
    /// Leaves the ring as a process does that is killed.
    fn abandon(self);
}

/// What reads ahead of the head. Nothing is given back but by [`Ahead::release_to`].
pub trait Ahead {
    /// Returns the position of what is read next.
    fn position(&self) -> u64;
    /// Appends what is there, as far as it fits `most` bytes: at least one record, if there is one. Returns how many
    /// bytes that is.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the handle can no longer be used.
    fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<usize, Broken>;
    /// Reads on up to a position, and forgets what it read. Returns whether there is a record that ends there.
    ///
    /// # Errors
    ///
    /// As [`Ahead::read`].
    fn skip_to(&mut self, position: u64) -> Result<bool, Broken>;
    /// Gives back what lies before a position, which was read. Returns whether there is a record that ends there.
    ///
    /// # Errors
    ///
    /// As [`Ahead::read`].
    fn release_to(&mut self, position: u64) -> Result<bool, Broken>;
    /// Begins anew at the head.
    fn rewind(&mut self);
    /// Waits until there is more to read.
    ///
    /// # Errors
    ///
    /// A [`WaitError`] that says why the ring can no longer be used.
    fn wait(&mut self, limit: Duration) -> Result<Waited, WaitError>;
}

macro_rules! ring {
    ($handle:ty, $ahead:ty, |$rx:ident| $begin:expr) => {
        impl Ring for $handle {
            type Ahead<'a> = $ahead;

            fn ahead(&mut self) -> Self::Ahead<'_> {
                let $rx = self;
                $begin
            }

            fn position(&self) -> u64 {
                <$handle>::position(self)
            }

            fn waker(&mut self) -> Waker {
                <$handle>::waker(self)
            }

            fn is_orphaned(&self) -> bool {
                <$handle>::is_orphaned(self)
            }

            fn has_producer(&self) -> bool {
                self.peer_state() == PeerState::Alive
            }

            fn ended(&self) -> Result<Option<End>, Broken> {
                // Asked before the look, so that what a producer pushed before it left is seen.
                let end = match self.peer_state() {
                    PeerState::Closed => End::Closed,
                    PeerState::Crashed => End::Crashed,
                    _ => return Ok(None),
                };
                Ok(<$handle>::is_empty(self)?.then_some(end))
            }

            fn is_empty(&self) -> Result<bool, Broken> {
                <$handle>::is_empty(self)
            }

            fn abandon(self) {
                <$handle>::abandon(self);
            }
        }
    };
}

ring!(message::Consumer, MessagesAhead<'a>, |rx| MessagesAhead {
    align: rx.record_alignment(),
    batch: rx.peek_batch(),
});
ring!(stream::Consumer<[u8]>, ElementsAhead<'a>, |rx| ElementsAhead { rx, passed: 0 });

/// Messages that are read ahead.
#[derive(Debug)]
pub struct MessagesAhead<'a> {
    align: usize,
    batch: message::PeekBatch<'a>,
}

/// Returns what was read, or that there is nothing.
fn found<R>(result: Result<R, PopError>) -> Result<Option<R>, Broken> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(PopError::Broken(broken)) => Err(broken),
        Err(_) => Ok(None),
    }
}

/// Tells how a wait ended.
fn waited(result: Result<(), WaitError>) -> Result<Waited, WaitError> {
    Ok(match result {
        Ok(()) => Waited::Some,
        Err(WaitError::TimedOut | WaitError::Called) => Waited::Nothing,
        Err(WaitError::Closed | WaitError::Short { crashed: false, .. }) => Waited::Ended(End::Closed),
        Err(WaitError::Crashed | WaitError::Short { crashed: true, .. }) => Waited::Ended(End::Crashed),
        Err(WaitError::Orphaned) => Waited::Orphaned,
        Err(WaitError::TooLong { .. }) => Waited::Full,
        Err(error) => return Err(error),
    })
}

impl Ahead for MessagesAhead<'_> {
    fn position(&self) -> u64 {
        self.batch.position()
    }

    fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<usize, Broken> {
        let start = buffer.len();
        while let Some(len) = found(self.batch.next_len())? {
            let read = buffer.len() - start;
            if read > 0 && read + records::size(len, self.align) > most {
                break;
            }
            let word = if self.align > 8 { found(self.batch.next_word())?.unwrap_or(0) } else { 0 };
            if found(records::write(buffer, self.align, word, |buffer| self.batch.append_next(buffer)))?.is_none() {
                break;
            }
        }
        Ok(buffer.len() - start)
    }

    fn skip_to(&mut self, position: u64) -> Result<bool, Broken> {
        let mut skipped = Vec::new();
        while (self.position().wrapping_sub(position) as i64) < 0 {
            skipped.clear();
            if found(self.batch.append_next(&mut skipped))?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.position() == position)
    }

    fn release_to(&mut self, position: u64) -> Result<bool, Broken> {
        Ok(found(self.batch.release_to(position))?.flatten().is_some())
    }

    fn rewind(&mut self) {
        self.batch.rewind();
    }

    fn wait(&mut self, limit: Duration) -> Result<Waited, WaitError> {
        waited(self.batch.within(limit).next_len().map(|_| ()))
    }
}

/// Elements that are read ahead.
#[derive(Debug)]
pub struct ElementsAhead<'a> {
    rx: &'a mut stream::Consumer<[u8]>,
    /// How many elements after the head were read.
    passed: usize,
}

impl Ahead for ElementsAhead<'_> {
    fn position(&self) -> u64 {
        self.rx.position().wrapping_add(self.passed as u64)
    }

    fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<usize, Broken> {
        let size = self.rx.element_size();
        let most = self.passed.saturating_add((most / size).max(1));
        let Some(peek) = found(self.rx.peek_up_to(most))? else { return Ok(0) };
        let read = peek.len().saturating_sub(self.passed);
        let start = buffer.len();
        buffer.resize(start + read * size, 0);
        peek.copy_to_slice(self.passed, &mut buffer[start..]);
        self.passed += read;
        Ok(read * size)
    }

    fn skip_to(&mut self, position: u64) -> Result<bool, Broken> {
        let Ok(wanted) = usize::try_from(position.wrapping_sub(self.rx.position())) else { return Ok(false) };
        let there = found(self.rx.peek_up_to(wanted))?.map_or(0, |peek| peek.len());
        if there == wanted {
            self.passed = wanted;
        }
        Ok(there == wanted)
    }

    fn release_to(&mut self, position: u64) -> Result<bool, Broken> {
        let len = position.wrapping_sub(self.rx.position());
        if len > self.passed as u64 {
            return Ok(false);
        }
        let Some(peek) = found(self.rx.peek(len as usize))? else { return Ok(false) };
        peek.release();
        self.passed -= len as usize;
        Ok(true)
    }

    fn rewind(&mut self) {
        self.passed = 0;
    }

    fn wait(&mut self, limit: Duration) -> Result<Waited, WaitError> {
        waited(self.rx.within(limit).until_available(self.passed + 1))
    }
}

/// Describes elements of so many bytes; an alignment that is none becomes 1, which has no effect on bytes.
#[must_use]
pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap_or(Layout::new::<u8>())
}
