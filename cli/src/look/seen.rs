//! What one look at a ring finds, as plain values.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use ringmain::inspect::{Condition, Features, Found, Inspection, Kind, Permissions, Positions};
use ringmain::{Error, PeerState, Role};

use crate::printable::{printable, unambiguous};
use crate::words;

/// What was seen of one ring.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Seconds since 1970.
    pub(super) time: f64,
    /// As it is, if it is text without a backslash, else as it is shown: no two objects have the same.
    pub(super) name: String,
    /// What it is.
    pub(super) condition: Condition,
    /// What is wrong with it.
    pub(super) reason: Option<String>,
    /// What it is, unless its header cannot be trusted.
    pub(super) ring: Option<Ring>,
}

/// What a ring is, and how it stands.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) is_stream: bool,
    /// The size of an element, 1 for messages.
    pub(super) element_size: usize,
    /// Of elements, or of records.
    pub(super) alignment: usize,
    pub(super) capacity: usize,
    pub(super) length: u64,
    pub(super) layout: u64,
    pub(super) type_id: u64,
    pub(super) type_tag: String,
    pub(super) ring_id: u64,
    /// Seconds since 1970.
    pub(super) created: f64,
    pub(super) first_position: u64,
    pub(super) features: Features,
    /// Nothing where they cannot be.
    pub(super) positions: Option<Positions>,
    pub(super) producer: End,
    pub(super) consumer: End,
    pub(super) permissions: Option<Permissions>,
    pub(super) is_orphaned: bool,
}

/// One end of a ring.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// Nothing where the system does not tell.
    pub(super) state: Option<PeerState>,
    /// The process that holds the role, where it can be known from here.
    pub(super) pid: Option<u32>,
    /// The name of that process's program.
    pub(super) command: Option<String>,
    pub(super) generation: u64,
    pub(super) is_asleep: bool,
    pub(super) sleeps: u64,
    pub(super) wakes: u64,
    pub(super) asks_for_fences: bool,
}

/// How a ring fares, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A role is held.
    Live,
    /// Nobody holds a role, and whoever did left in order.
    Idle,
    /// Nobody holds a role, and the last holder of one crashed.
    Stale,
    /// The system does not tell who holds a role.
    Unknown,
    /// It is no ring that can be looked at.
    Other(Condition),
}

impl State {
    /// All states that a ring can be in, and what cannot be looked at.
    pub(super) const OF_RINGS: [State; 12] = [
        State::Live,
        State::Idle,
        State::Stale,
        State::Unknown,
        State::Other(Condition::OtherVersion),
        State::Other(Condition::Damaged),
        State::Other(Condition::Unfinished),
        State::Other(Condition::BeingMade),
        State::Other(Condition::Changing),
        State::Other(Condition::Gone),
        State::Other(Condition::Unreadable),
        State::Other(Condition::Leased),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            State::Live => "live",
            State::Idle => "idle",
            State::Stale => "stale",
            State::Unknown => "?",
            State::Other(condition) => match condition {
                Condition::OtherVersion => "other version",
                Condition::Damaged => "damaged",
                Condition::Unfinished => "unfinished",
                Condition::BeingMade => "being made",
                Condition::Changing => "changing",
                Condition::Gone => "gone",
                Condition::Unreadable => "not readable",
                Condition::Leased => "leased",
                Condition::NotARing => "not a ring",
                _ => "?",
            },
        }
    }
}

impl Seen {
    /// Looks at a ring that was found.
    pub(super) fn from_found(found: &Found) -> Seen {
        match &found.ring {
            Ok(ring) => Seen::of(ring),
            Err(error) => Seen::from_error(&found.name, error),
        }
    }

    /// Looks at a ring.
    pub(super) fn of(ring: &Inspection) -> Seen {
        match Seen::try_of(ring) {
            Ok(seen) => seen,
            Err(error) => Seen::from_error(ring.name().as_ref(), &error),
        }
    }

    /// Tells of an object that cannot be looked into.
    pub(super) fn from_error(name: &OsStr, error: &Error) -> Seen {
        let reason = Some(match error {
            // Which has lost what is no text.
            Error::InvalidName { reason, .. } => words::invalid_name(name.as_bytes(), reason),
            error => words::of(error),
        });
        let plain = name.to_str().filter(|text| !text.contains('\\'));
        let name = plain.map_or_else(|| unambiguous(name.as_bytes()), str::to_owned);
        Seen { time: now(), name, condition: Condition::of_error(error), reason, ring: None }
    }

    /// Returns whether there is something that could not be read.
    pub(super) fn is_unread(&self) -> bool {
        matches!(self.condition, Condition::Unreadable | Condition::Leased | Condition::Changing)
    }

    fn try_of(ring: &Inspection) -> Result<Seen, Error> {
        let name = ring.name().to_owned();
        let mut seen = Seen { time: now(), name, condition: Condition::Ring, reason: None, ring: None };
        if ring.is_truncated()? {
            (seen.condition, seen.reason) = (Condition::Damaged, Some(truncated(ring.name())));
            return Ok(seen);
        }
        let mut positions = ring.positions();
        if let Err(corrupted) = &positions {
            seen.reason = Some(words::damaged(ring.name(), corrupted));
        }
        let (is_stream, element_size, alignment) = match ring.kind() {
            Kind::Stream { element_size, element_align } => (true, element_size, element_align),
            Kind::Message { record_alignment } => (false, 1, record_alignment),
            // The library knows no others, and refuses them when a ring is opened.
            _ => (false, 1, 1),
        };
        let mut end = |role| {
            End::of(ring, role).unwrap_or_else(|error| {
                seen.reason.get_or_insert_with(|| words::of(&error));
                End::default()
            })
        };
        let (producer, consumer) = (end(Role::Producer), end(Role::Consumer));
        if let (Ok(positions), false, Some(PeerState::Crashed)) = (&mut positions, is_stream, producer.state) {
            let used = positions.used + ring.behind_tail();
            // More than that were not there at one moment.
            positions.used = if used <= ring.capacity() as u64 { used } else { positions.used };
        }
        let positions = positions.ok();
        seen.ring = Some(Ring {
            is_stream,
            element_size,
            alignment,
            capacity: ring.capacity(),
            length: ring.segment_length(),
            layout: ring.layout_version(),
            type_id: ring.type_id(),
            type_tag: ring.type_tag().to_owned(),
            ring_id: ring.ring_id(),
            created: seconds(ring.created()),
            first_position: ring.first_position(),
            features: ring.features(),
            positions,
            producer,
            consumer,
            permissions: ring.permissions().ok(),
            is_orphaned: ring.is_orphaned()?,
        });
        // Whatever was read of a ring that changed meanwhile may be of none.
        ring.check()?;
        Ok(seen)
    }

    /// Returns its name as it is shown.
    pub(super) fn shown_name(&self) -> String {
        // What has a backslash was shown so already.
        if self.name.contains('\\') { self.name.clone() } else { unambiguous(self.name.as_bytes()) }
    }

    pub(super) fn state(&self) -> State {
        // What is gone may have somebody at it all the same.
        let ring = self.ring.as_ref().filter(|_| self.condition != Condition::Gone);
        let Some(ring) = ring else { return State::Other(self.condition) };
        if ring.positions.is_none() {
            return State::Other(Condition::Damaged);
        }
        let states = [ring.producer.state, ring.consumer.state];
        if states.contains(&Some(PeerState::Alive)) {
            State::Live
        } else if states.contains(&None) {
            State::Unknown
        } else if states.contains(&Some(PeerState::Crashed)) {
            State::Stale
        } else {
            State::Idle
        }
    }
}

impl End {
    fn of(ring: &Inspection, role: Role) -> Result<End, Error> {
        let end = ring.end(role)?;
        Ok(End {
            state: Some(end.state),
            pid: end.process,
            command: end.process.and_then(command),
            generation: end.generation,
            is_asleep: end.sleeps.is_asleep,
            sleeps: end.sleeps.count,
            wakes: end.wakes,
            asks_for_fences: end.sleeps.asks_for_fences,
        })
    }

    pub(super) fn state_name(&self) -> &'static str {
        match self.state {
            Some(PeerState::Never) => "never",
            Some(PeerState::Alive) => "alive",
            Some(PeerState::Closed) => "closed",
            Some(PeerState::Crashed) => "crashed",
            None => "?",
        }
    }

    /// Returns whether it sleeps, if it is there.
    pub(super) fn sleep(&self) -> Option<&'static str> {
        let is_here = self.state == Some(PeerState::Alive);
        is_here.then_some(if self.is_asleep { "parked" } else { "awake" })
    }
}

impl Ring {
    /// Returns how many bytes a number of elements is, or of bytes of records.
    pub(super) fn bytes(&self, amount: u64) -> u64 {
        amount.saturating_mul(self.element_size as u64)
    }

    /// Returns how many bytes came to a position since the ring was made.
    pub(super) fn bytes_since_made(&self, position: u64) -> u64 {
        self.bytes(position.wrapping_sub(self.first_position))
    }

    /// Returns where its data begin.
    pub(super) fn data_offset(&self) -> u64 {
        self.length.saturating_sub(self.capacity as u64 * self.element_size as u64)
    }
}

/// Says what is wrong with a ring that became shorter.
pub(super) fn truncated(name: &str) -> String {
    format!("ring {name:?} is shorter than its header says: a process truncated it; {}", words::anew(name))
}

/// Returns the name of a process's program.
fn command(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(printable(name.strip_suffix(b"\n").unwrap_or(&name)))
}

fn now() -> f64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Returns whether something can be told of a ring that is refused by this error.
pub(super) fn is_told(error: &Error) -> bool {
    matches!(
        Condition::of_error(error),
        Condition::OtherVersion
            | Condition::Damaged
            | Condition::Unfinished
            | Condition::BeingMade
            | Condition::Changing
    )
}

/// Says why a ring cannot be looked at, for somebody who only looks.
pub(super) fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::PermissionDenied { name, source } => anyhow!(
            "no permission to read ring {name:?}: {source}; its owner can allow it by the ring's mode, see ls -l \
             /dev/shm/{name}"
        ),
        error => error.into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A stream ring with fixed figures, of which the tests change what they are about.
    pub(crate) fn stream() -> Seen {
        let producer = End {
            state: Some(PeerState::Alive),
            pid: Some(4711),
            command: Some("sampler".to_owned()),
            generation: 1,
            wakes: 9,
            ..End::default()
        };
        let consumer = End { pid: None, command: None, is_asleep: true, sleeps: 12, generation: 2, ..producer.clone() };
        let ring = Ring {
            is_stream: true,
            element_size: 40,
            alignment: 8,
            capacity: 4096,
            length: 167_936,
            layout: 4,
            type_id: 0x1234,
            type_tag: "sample".to_owned(),
            ring_id: 0x77,
            created: 1_000_000_000.25,
            first_position: 40,
            features: Features::default(),
            positions: Some(Positions { head: 1000, tail: 2024, used: 1024 }),
            producer,
            consumer,
            permissions: None,
            is_orphaned: false,
        };
        let name = "samples".to_owned();
        Seen { time: 86_399.5, name, condition: Condition::Ring, reason: None, ring: Some(ring) }
    }

    /// A message ring that nobody is at.
    pub(crate) fn message() -> Seen {
        let mut seen = stream();
        "orders".clone_into(&mut seen.name);
        let left = End { state: Some(PeerState::Closed), ..End::default() };
        seen.ring = seen.ring.map(|ring| Ring {
            is_stream: false,
            element_size: 1,
            alignment: 64,
            capacity: 1 << 20,
            positions: Some(Positions { head: 64, tail: 64, used: 0 }),
            producer: left,
            consumer: End { state: Some(PeerState::Never), ..End::default() },
            ..ring
        });
        seen
    }

    /// A ring of another version.
    pub(crate) fn broken() -> Seen {
        let (name, reason) = ("old".to_owned(), Some("layout version 1".to_owned()));
        Seen { name, condition: Condition::OtherVersion, reason, ring: None, ..stream() }
    }

    #[track_caller]
    fn check(producer: Option<PeerState>, consumer: Option<PeerState>, expected: State) {
        let mut seen = stream();
        let ring = seen.ring.as_mut().unwrap();
        (ring.producer.state, ring.consumer.state) = (producer, consumer);
        assert_eq!(seen.state(), expected);
    }

    #[test]
    fn a_ring_is_live_while_one_end_is_and_stale_after_a_crash() {
        use PeerState::{Alive, Closed, Crashed, Never};
        check(Some(Alive), Some(Crashed), State::Live);
        check(Some(Never), Some(Alive), State::Live);
        check(Some(Closed), Some(Crashed), State::Stale);
        check(Some(Crashed), Some(Never), State::Stale);
        check(Some(Closed), Some(Never), State::Idle);
        check(Some(Never), Some(Never), State::Idle);
        check(None, Some(Crashed), State::Unknown);
        check(None, Some(Alive), State::Live);
    }

    #[test]
    fn a_ring_without_a_header_or_positions_has_no_other_state_whoever_is_there() {
        assert_eq!(broken().state(), State::Other(Condition::OtherVersion));
        let mut seen = stream();
        seen.ring.as_mut().unwrap().positions = None;
        assert_eq!(seen.state(), State::Other(Condition::Damaged));
    }
}
