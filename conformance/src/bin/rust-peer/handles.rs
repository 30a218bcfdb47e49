//! The ends of rings as the protocol sees them, over the public API of the library.

use std::time::Duration;

use conformance::memory::Memory;
use conformance::protocol::{Kind, Refusal};
use ringmain::{Broken, Error, PeerState, PopError, PushError, Wait, WaitError, message, stream};

use crate::die;

/// What is refused, as the protocol says it.
pub(crate) type Refused<T = ()> = Result<T, Refusal>;

/// What both ends can do.
pub(crate) trait Handle {
    fn position(&self) -> u64;
    fn generation(&self) -> u64;
    fn peer_state(&self) -> PeerState;
    fn set_wait(&mut self, strategy: Wait);
    /// Wakes the other end in vain.
    fn wake(&mut self) -> Refused;
    fn close(self: Box<Self>) -> Result<(), Error>;
    fn abandon(self: Box<Self>);
}

/// A producer.
pub(crate) trait Sends: Handle {
    /// Pushes one item.
    fn push(&mut self, bytes: &[u8]) -> Refused;

    /// Pushes one item with the user's word.
    fn push_tagged(&mut self, _word: u64, _bytes: &[u8]) -> Refused {
        Err(Refusal::new(Kind::Usage, "elements have no word of the user's"))
    }

    /// Pushes items in one publication.
    fn push_together(&mut self, items: &[Vec<u8>]) -> Refused;

    /// Writes an item in place, and gives it up, or dies before that.
    fn begin(&mut self, bytes: &[u8], dies: bool) -> Refused;

    /// Waits for room: for elements, or for a message of so many bytes.
    fn wait(&mut self, count: usize, len: usize, limit: Duration) -> Result<(), WaitError>;
}

/// A consumer.
pub(crate) trait Receives: Handle {
    /// Pops one item.
    fn pop(&mut self, bytes: &mut Vec<u8>) -> Refused;

    /// Pops one item with the user's word.
    fn pop_tagged(&mut self, bytes: &mut Vec<u8>) -> Refused<u64> {
        self.pop(bytes).map(|()| 0)
    }

    /// Looks at an item in place, copies it, and gives it back, or dies before that.
    fn peek(&mut self, bytes: &mut Vec<u8>, dies: bool) -> Refused;

    /// Waits for items.
    fn wait(&mut self, count: usize, limit: Duration) -> Result<(), WaitError>;
}

macro_rules! handles {
    ($($handle:ty),*) => {$(
        impl Handle for $handle {
            fn position(&self) -> u64 {
                self.position()
            }

            fn generation(&self) -> u64 {
                self.generation()
            }

            fn peer_state(&self) -> PeerState {
                self.peer_state()
            }

            fn set_wait(&mut self, strategy: Wait) {
                self.set_wait(strategy);
            }

            fn wake(&mut self) -> Refused {
                self.wake_spuriously().map_err(|broken| pop_refused(PopError::Broken(broken)))
            }

            fn close(self: Box<Self>) -> Result<(), Error> {
                (*self).close()
            }

            fn abandon(self: Box<Self>) {
                (*self).abandon();
            }
        }
    )*};
}

handles!(stream::Producer<u64>, stream::Consumer<u64>, stream::Producer<[u8]>, stream::Consumer<[u8]>);
handles!(message::Producer, message::Consumer);

/// Elements of 8 bytes aligned to 8 go by value.
impl Sends for stream::Producer<u64> {
    fn push(&mut self, bytes: &[u8]) -> Refused {
        self.push(element(bytes)?).map_err(|error| push_refused(&error))
    }

    fn push_together(&mut self, items: &[Vec<u8>]) -> Refused {
        let mut claim = self.claim(items.len()).map_err(|error| push_refused(&error))?;
        for (at, item) in items.iter().enumerate() {
            claim.set(at, element(item)?);
        }
        claim.commit();
        Ok(())
    }

    fn begin(&mut self, bytes: &[u8], dies: bool) -> Refused {
        let mut claim = self.claim(1).map_err(|error| push_refused(&error))?;
        claim.set(0, element(bytes)?);
        if dies {
            die();
        }
        claim.abort();
        Ok(())
    }

    fn wait(&mut self, count: usize, _len: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_free(count)
    }
}

impl Receives for stream::Consumer<u64> {
    fn pop(&mut self, bytes: &mut Vec<u8>) -> Refused {
        let value = self.pop().map_err(pop_refused)?;
        *bytes = value.to_ne_bytes().to_vec();
        Ok(())
    }

    fn peek(&mut self, bytes: &mut Vec<u8>, dies: bool) -> Refused {
        let peek = self.peek(1).map_err(pop_refused)?;
        *bytes = peek.iter().flat_map(u64::to_ne_bytes).collect();
        if dies {
            die();
        }
        peek.release();
        Ok(())
    }

    fn wait(&mut self, count: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_available(count)
    }
}

/// All other elements go as bytes.
impl Sends for stream::Producer<[u8]> {
    fn push(&mut self, bytes: &[u8]) -> Refused {
        let size = self.element_size();
        if bytes.len() != size {
            return Err(Refusal::new(Kind::Usage, format!("{} bytes, expected {size}", bytes.len())));
        }
        self.push_slice(bytes).map(drop).map_err(|error| push_refused(&error))
    }

    fn push_together(&mut self, items: &[Vec<u8>]) -> Refused {
        self.claim(items.len()).map_err(|error| push_refused(&error))?.abort();
        self.push_slice(&items.concat()).map(drop).map_err(|error| push_refused(&error))
    }

    fn begin(&mut self, bytes: &[u8], dies: bool) -> Refused {
        let (name, index) = (self.name().to_owned(), self.position().wrapping_mul(self.element_size() as u64));
        let claim = self.claim(1).map_err(|error| push_refused(&error))?;
        // A claim of elements whose size is known at run time gives no access to its slots.
        let written = Memory::open(&name).and_then(|memory| memory.write_data(index, bytes));
        written.map_err(|error| Refusal::new(Kind::Other, error))?;
        if dies {
            die();
        }
        claim.abort();
        Ok(())
    }

    fn wait(&mut self, count: usize, _len: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_free(count)
    }
}

impl Receives for stream::Consumer<[u8]> {
    fn pop(&mut self, bytes: &mut Vec<u8>) -> Refused {
        bytes.resize(self.element_size(), 0);
        self.pop_slice(bytes).map(drop).map_err(pop_refused)
    }

    fn peek(&mut self, bytes: &mut Vec<u8>, dies: bool) -> Refused {
        bytes.resize(self.element_size(), 0);
        let peek = self.peek(1).map_err(pop_refused)?;
        peek.copy_to_slice(0, bytes);
        if dies {
            die();
        }
        peek.release();
        Ok(())
    }

    fn wait(&mut self, count: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_available(count)
    }
}

impl Sends for message::Producer {
    fn push(&mut self, bytes: &[u8]) -> Refused {
        self.push(bytes).map_err(|error| push_refused(&error))
    }

    fn push_tagged(&mut self, word: u64, bytes: &[u8]) -> Refused {
        self.push_tagged(word, bytes).map_err(|error| push_refused(&error))
    }

    fn push_together(&mut self, items: &[Vec<u8>]) -> Refused {
        let mut batch = self.batch();
        for item in items {
            batch.push(item).map_err(|error| push_refused(&error))?;
        }
        batch.commit();
        Ok(())
    }

    fn begin(&mut self, bytes: &[u8], dies: bool) -> Refused {
        let mut claim = self.claim(bytes.len()).map_err(|error| push_refused(&error))?;
        claim.write_at(0, bytes);
        if dies {
            die();
        }
        claim.abort();
        Ok(())
    }

    fn wait(&mut self, _count: usize, len: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_free(len)
    }
}

impl Receives for message::Consumer {
    fn pop(&mut self, bytes: &mut Vec<u8>) -> Refused {
        self.pop_into(bytes).map(drop).map_err(pop_refused)
    }

    fn pop_tagged(&mut self, bytes: &mut Vec<u8>) -> Refused<u64> {
        let record = self.peek().map_err(pop_refused)?;
        let word = record.word();
        *bytes = record.to_vec();
        record.release();
        Ok(word)
    }

    fn peek(&mut self, bytes: &mut Vec<u8>, dies: bool) -> Refused {
        let record = self.peek().map_err(pop_refused)?;
        *bytes = record.to_vec();
        if dies {
            die();
        }
        record.release();
        Ok(())
    }

    fn wait(&mut self, _count: usize, limit: Duration) -> Result<(), WaitError> {
        self.within(limit).until_available()
    }
}

fn element(bytes: &[u8]) -> Refused<u64> {
    let bytes = bytes.try_into();
    bytes.map(u64::from_ne_bytes).map_err(|_| Refusal::new(Kind::Usage, "an element that has not 8 bytes"))
}

fn push_refused<T>(error: &PushError<T>) -> Refusal {
    match error {
        PushError::Full(_) => Refusal::new(Kind::Full, ""),
        PushError::TooLong { .. } => Refusal::new(Kind::TooLong, error),
        PushError::NoWord { .. } => Refusal::new(Kind::Usage, error),
        PushError::Broken { cause: Broken::Corrupted(_), .. } => Refusal::new(Kind::Corrupted, error),
        _ => Refusal::new(Kind::Other, error),
    }
}

fn pop_refused(error: PopError) -> Refusal {
    let kind = match error {
        PopError::Empty | PopError::Short { .. } => Kind::Empty,
        PopError::TooLong { .. } => Kind::TooLong,
        PopError::Broken(Broken::Corrupted(_)) => Kind::Corrupted,
        _ => Kind::Other,
    };
    Refusal::new(kind, if kind == Kind::Empty { String::new() } else { error.to_string() })
}

/// Refuses a wait, with a number behind the kind where one is known.
pub(crate) fn wait_refused(error: WaitError, number: Option<u64>) -> Refusal {
    let (kind, number) = match error {
        WaitError::TimedOut => (Kind::Timeout, number),
        WaitError::Closed => (Kind::Closed, number),
        WaitError::Crashed => (Kind::Crashed, number),
        WaitError::Short { left, crashed, .. } => {
            (if crashed { Kind::Crashed } else { Kind::Closed }, Some(left as u64))
        }
        WaitError::TooLong { .. } => (Kind::TooLong, None),
        WaitError::Broken(Broken::Corrupted(_)) | WaitError::Truncated { .. } => (Kind::Corrupted, None),
        _ => (Kind::Other, None),
    };
    Refusal::new(kind, number.map_or_else(|| error.to_string(), |number| format!("{number} {error}")))
}

/// Refuses an attach.
pub(crate) fn attach_refused(error: &Error) -> Refusal {
    let kind = match error {
        Error::Busy { .. } | Error::HolderGone { .. } | Error::ReadLocked { .. } => Kind::Busy,
        Error::NotFound { .. } | Error::NotReady { .. } => Kind::NotFound,
        Error::Mismatch { .. } | Error::OtherTypeTag { .. } | Error::UnknownFeatures { .. } => Kind::Mismatch,
        Error::Corrupted { .. } => Kind::Corrupted,
        Error::InvalidName { .. } | Error::InvalidOption { .. } => Kind::Usage,
        _ => Kind::Other,
    };
    Refusal::new(kind, error)
}
