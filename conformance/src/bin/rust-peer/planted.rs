//! Faults that a peer can have, and that the kit has to find. They are made from outside the library: by words and
//! bytes of the ring that are written behind its back.

use std::time::Duration;
use std::{io, thread};

use conformance::memory::{Memory, slot, word};
use conformance::ring::Role;

use crate::handles::{Refused, Sends};

macro_rules! faults {
    ($($fault:ident $name:literal $does:literal,)*) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) enum Fault {
            $(#[doc = $does] $fault,)*
        }

        /// All faults, by their names.
        pub(crate) const FAULTS: &[(&str, Fault, &str)] = &[$(($name, Fault::$fault, $does),)*];
    };
}

faults! {
    Early "early" "publishes an item before it is written",
    NoWake "no-wake" "leaves every fourth sleeper asleep",
    ToldTwice "told-twice" "does not store whose end it was told",
    Repeat "repeat" "begins one element earlier than a consumer that was killed",
    NoZero "no-zero" "leaves what stood in the header behind a record",
    Wrap "wrap" "is off by one where the data area begins again",
    Narrow "narrow" "has positions of 32 bits",
    NoWalk "no-walk" "does not walk over records that are not counted",
    Trusting "trusting" "takes an impossible position for an empty or a full ring",
    VainWake "vain-wake" "takes the end of a sleep for an item",
    Tag "tag" "gives a type tag where there is none",
    Unsaid "unsaid" "leaves without saying so",
    Silent "silent" "says that it left when it is told to leave without saying so",
    Piecemeal "piecemeal" "sends a batch one by one",
    NoWord "no-word" "leaves the user's word as it stood",
    Padded "padded" "gives room for one item more than is free",
    Stretched "stretched" "takes any alignment for 8",
}

/// Returns the memory word of the record or slot at a position, relative to the data area.
fn index(memory: &Memory, position: u64) -> io::Result<u64> {
    let (capacity, size) = (memory.word(word::CAPACITY)?, memory.word(word::ELEMENT_SIZE)?);
    Ok(position % capacity * size)
}

/// The bytes in front of a payload; 0 of an element.
fn header(memory: &Memory) -> io::Result<u64> {
    Ok(match memory.word(word::RECORD_ALIGN)? {
        0 => 0,
        8 => 8,
        _ => 16,
    })
}

impl Fault {
    /// What is done before a role is taken.
    pub(crate) fn before_attach(self, role: Role, memory: &Memory) -> io::Result<()> {
        let is_stream = memory.word(word::RECORD_ALIGN)? == 0;
        let was_killed = memory.word(role.slot() + slot::PRESENCE)? % 2 == 1;
        match (self, role) {
            (Fault::Repeat, Role::Consumer) if is_stream && was_killed => {
                memory.set_word(word::HEAD, memory.word(word::HEAD)?.wrapping_sub(1))
            }
            (Fault::NoWalk, Role::Producer) if !is_stream => {
                let tail = index(memory, memory.word(word::TAIL)?)?;
                memory.write_data(tail, &[0; 8])
            }
            _ => Ok(()),
        }
    }

    /// Pushes an item.
    pub(crate) fn push(self, sender: &mut dyn Sends, memory: &Memory, bytes: &[u8]) -> Refused<io::Result<()>> {
        let at = sender.position();
        match self {
            Fault::Early => sender.push(&vec![0; bytes.len()])?,
            Fault::NoZero => return no_zero(sender, memory, bytes),
            Fault::NoWord => return no_word(sender, memory, bytes),
            Fault::NoWake => {
                return quietly(memory, Role::Consumer, at, || sender.push(bytes));
            }
            _ => sender.push(bytes)?,
        }
        Ok(self.after_push(memory, at, sender.position(), bytes))
    }

    fn after_push(self, memory: &Memory, at: u64, tail: u64, bytes: &[u8]) -> io::Result<()> {
        let (index, header) = (index(memory, at)?, header(memory)?);
        let len = memory.word(word::CAPACITY)? * memory.word(word::ELEMENT_SIZE)?;
        match self {
            Fault::Early => {
                thread::sleep(Duration::from_micros(20));
                memory.write_data(index + header, bytes)
            }
            Fault::Wrap => {
                let behind = (index + header + bytes.len() as u64).saturating_sub(len);
                let lap = at != memory.word(word::FIRST)? && index == 0 && header == 0;
                // What lies behind the end of the data area, or in its first slot, has gone elsewhere.
                memory.write_data(0, &vec![0xee; if lap { bytes.len() } else { behind as usize }])
            }
            Fault::Narrow if at <= u64::from(u32::MAX) && tail > u64::from(u32::MAX) => {
                memory.set_word(word::TAIL, tail % (1 << 32))
            }
            _ => Ok(()),
        }
    }
}

/// Puts back what stood in the header behind a record.
fn no_zero(sender: &mut dyn Sends, memory: &Memory, bytes: &[u8]) -> Refused<io::Result<()>> {
    let read = |at| index(memory, at).and_then(|index| memory.data_word(index));
    let header = header(memory).unwrap_or(0);
    let align = memory.word(word::RECORD_ALIGN).unwrap_or(8).max(1);
    let behind = sender.position().wrapping_add((header + bytes.len() as u64).next_multiple_of(align));
    let stood = read(behind);
    sender.push(bytes)?;
    if header == 0 {
        return Ok(Ok(()));
    }
    Ok(stood.and_then(|stood| memory.write_data(index(memory, behind)?, &stood.to_ne_bytes())))
}

/// Puts back what stood in the user's word.
fn no_word(sender: &mut dyn Sends, memory: &Memory, bytes: &[u8]) -> Refused<io::Result<()>> {
    let at = index(memory, sender.position()).unwrap_or(0);
    let stood = memory.data_word(at + 8);
    sender.push(bytes)?;
    match header(memory) {
        Ok(16) => Ok(stood.and_then(|stood| memory.write_data(at + 8, &stood.to_ne_bytes()))),
        _ => Ok(Ok(())),
    }
}

/// Publishes while the sleeper at the other end seems to be awake: every fourth position.
pub(crate) fn quietly(
    memory: &Memory,
    sleeper: Role,
    position: u64,
    publish: impl FnOnce() -> Refused,
) -> Refused<io::Result<()>> {
    let at = sleeper.slot() + slot::PARKING;
    let parking = memory.word(at).unwrap_or(0);
    let hides = parking & 2 != 0 && (position / 8).is_multiple_of(4);
    if hides {
        _ = memory.set_word(at, parking - 2);
    }
    let published = publish();
    let shows = hides && memory.word(at).ok() == Some(parking - 2);
    let shown = if shows { memory.set_word(at, parking) } else { Ok(()) };
    published.map(|()| shown)
}
