//! The shared words of another memory, each in a wrapper.

#![allow(unsafe_code, reason = "asks for the headers of records")]

use std::rc::Rc;

use crate::checked::UNIT;
use crate::ring::memory::{Memory, Role};

/// What a shared word is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Tail,
    Head,
    Presence,
    Told,
    Header,
}

/// All shared words of a memory.
#[derive(Clone, Debug)]
pub(crate) struct Words<W> {
    pub(crate) tail: W,
    pub(crate) head: W,
    producer: W,
    consumer: W,
    pub(crate) told: W,
    pub(crate) headers: Rc<[W]>,
}

impl<W> Words<W> {
    /// Wraps each word of a memory.
    pub(crate) fn of<M: Memory>(memory: &M, wrap: impl Fn(Purpose, &M::Word) -> W) -> Words<W> {
        let count = if memory.is_mirrored() { memory.len() / UNIT } else { 0 };
        // SAFETY: the offset is that of a whole unit below the length.
        let header = |at| wrap(Purpose::Header, unsafe { memory.header(at * UNIT) });
        Words {
            tail: wrap(Purpose::Tail, memory.tail()),
            head: wrap(Purpose::Head, memory.head()),
            producer: wrap(Purpose::Presence, memory.presence(Role::Producer)),
            consumer: wrap(Purpose::Presence, memory.presence(Role::Consumer)),
            told: wrap(Purpose::Told, memory.told()),
            headers: (0..count).map(header).collect(),
        }
    }

    pub(crate) fn presence(&self, role: Role) -> &W {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    pub(crate) fn header(&self, offset: usize) -> &W {
        assert!(offset.is_multiple_of(UNIT), "a header at {offset}");
        &self.headers[offset / UNIT]
    }
}
