//! Ring B: a copy of ring A from a position on.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Result, bail};
use ringmain::inspect::Inspection;
use ringmain::{Creation, Error, Options, PeerState, PushError, Role, WaitError, message, stream};

use crate::object::Object;
use crate::protocol::{End, Kind, Shape};
use crate::records;

/// How large ring B may become where its user did not say how large it is: what a stranger asks for is not made.
pub const LARGEST: usize = 64 << 20;

/// How a ring B is made and attached.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// The bytes of its data area; those of ring A, up to [`LARGEST`], if it is `None`.
    pub capacity: Option<usize>,
    /// Its permissions.
    pub mode: u32,
    /// Whose ring it may be, besides one's own.
    pub owner: Option<u32>,
    /// Whether a copy of another ring may be replaced.
    pub follows_new: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All of it is in the ring.
    All,
    /// There was room for so many bytes of its records.
    Part(usize),
    /// It starts before the tail: it was pushed before.
    Duplicate,
    /// It starts behind the tail: something before it is missing.
    Gap,
}

/// Why a batch cannot be pushed.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no batch of records of this ring.
    Damaged(String),
    /// The ring can no longer be used.
    Unusable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Refusal::Damaged(text) | Refusal::Unusable(text)) = self;
        formatter.write_str(text)
    }
}

#[derive(Debug)]
enum Tx {
    Messages(message::Producer),
    Elements(stream::Producer<[u8]>),
}

/// The producer of ring B.
#[derive(Debug)]
pub struct Mirror {
    tx: Tx,
}

macro_rules! of_tx {
    ($mirror:expr, $tx:ident => $what:expr) => {
        match $mirror {
            Tx::Messages($tx) => $what,
            Tx::Elements($tx) => $what,
        }
    };
}

impl Mirror {
    /// Returns whether the name of a copy stands for the ring itself, which is this object.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn is_itself(wanted: &Wanted, ring_id: u64, object: Object) -> Result<bool> {
        match Inspection::open(&wanted.name) {
            Ok(ring) if ring.ring_id() == ring_id => Ok(Object::of(&wanted.name)? == object),
            // Whatever it is, it has another number.
            _ => Ok(false),
        }
    }

    /// Returns whether nothing stands for the name of a copy, which would have to be made.
    #[must_use]
    pub fn is_missing(wanted: &Wanted) -> bool {
        matches!(Inspection::open(&wanted.name), Err(error) if is_nothing(&error))
    }

    /// Attaches to the copy of a ring, which is made at `head` if there is none. Returns whether it was made.
    ///
    /// # Errors
    ///
    /// There is something else of that name, somebody else writes it, or it cannot be made; all of which may change.
    pub fn attach(wanted: &Wanted, shape: &Shape, head: u64) -> Result<(Mirror, bool)> {
        let Wanted { name, follows_new, .. } = wanted;
        let stands = match Inspection::open(name) {
            Ok(ring) if ring.ring_id() == shape.ring_id => true,
            Ok(ring) if *follows_new => {
                check_replaceable(name, &ring, shape.ring_id)?;
                // Nothing makes way for what cannot be made.
                capacity(wanted, shape)?;
                let (old, new) = (ring.ring_id(), shape.ring_id);
                drop(ring);
                crate::say::say(&format!("removed: ring {name}, id {old:#018x}: {new:#018x} takes its place"));
                ringmain::unlink(name)?;
                false
            }
            Ok(ring) => bail!(
                "ring {name} is a copy of ring {:#018x}, and ring {:#018x} asks: it was made anew. Remove ring {name}, \
                 or start the receiver with --follow-new",
                ring.ring_id(),
                shape.ring_id
            ),
            Err(error) if is_nothing(&error) => false,
            Err(error) => return Err(error.into()),
        };
        let mut options = Options::new(name)
            .create(if stands { Creation::Never } else { Creation::New })
            .type_tag(&shape.tag)
            .start_at(head)
            .mode(wanted.mode)
            .close_on_exit(false)
            .await_successor(true);
        if let Some(id) = NonZeroU64::new(shape.ring_id) {
            options = options.ring_id(id);
        }
        if let Some(owner) = wanted.owner {
            options = options.owner(owner);
        }
        if let Kind::Message(align) = shape.kind {
            options = options.record_alignment(align);
        }
        if !stands {
            options = options.capacity(capacity(wanted, shape)?);
        }
        let tx = match shape.kind {
            Kind::Message(_) => Tx::Messages(options.message_producer()?),
            Kind::Stream(element) => Tx::Elements(options.sized_stream_producer(element)?),
        };
        let mirror = Mirror { tx };
        if mirror.ring_id() != shape.ring_id {
            mirror.abandon();
            bail!("ring {name} was made anew at this moment");
        }
        if let (true, Tx::Messages(tx)) = (stands, &mirror.tx) {
            check_capacity(tx.capacity(), shape)?;
        }
        Ok((mirror, !stands))
    }

    /// Returns how the copy of a ring was left, if that was at this position: what a receiver before this one told.
    #[must_use]
    pub fn ended(wanted: &Wanted, ring_id: u64, position: u64) -> Option<End> {
        let ring = Inspection::open(&wanted.name).ok()?;
        if ring.ring_id() != ring_id || ring.positions().ok()?.tail != position {
            return None;
        }
        match ring.end(Role::Producer).ok()?.state {
            PeerState::Closed => Some(End::Closed),
            PeerState::Crashed => Some(End::Crashed),
            _ => None,
        }
    }

    /// Returns the number of the ring.
    #[must_use]
    pub fn ring_id(&self) -> u64 {
        of_tx!(&self.tx, tx => tx.ring_id())
    }

    /// Returns the position behind all that is in the ring.
    #[must_use]
    pub fn tail(&self) -> u64 {
        of_tx!(&self.tx, tx => tx.position())
    }

    /// Returns whether the name of the ring was removed, or stands for another one: nobody comes to read this one.
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        of_tx!(&self.tx, tx => tx.is_orphaned())
    }

    /// Returns how much is free; 0 if the ring cannot be used.
    #[must_use]
    pub fn free(&self) -> u64 {
        of_tx!(&self.tx, tx => tx.free()).unwrap_or(0) as u64
    }

    /// Pushes a batch, as far as there is room, if it starts at the tail.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]. Of a damaged batch nothing is pushed.
    pub fn push(&mut self, first: u64, records: &[u8]) -> Result<Pushed, Refusal> {
        match first.wrapping_sub(self.tail()) as i64 {
            0 => self.push_here(records),
            ahead if ahead > 0 => Ok(Pushed::Gap),
            _ => Ok(Pushed::Duplicate),
        }
    }

    /// Pushes a batch at the tail, as far as there is room.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push). To a ring whose name was removed nothing is pushed.
    pub fn push_here(&mut self, records: &[u8]) -> Result<Pushed, Refusal> {
        if self.is_orphaned() {
            return Err(removed());
        }
        let pushed = match &mut self.tx {
            Tx::Messages(tx) => push_messages(tx, records)?,
            Tx::Elements(tx) => {
                let size = tx.element_size();
                if !records.len().is_multiple_of(size) {
                    let text = format!("{} bytes are no elements of {size}", records.len());
                    return Err(Refusal::Damaged(text));
                }
                match tx.push_slice(records) {
                    Ok(pushed) => pushed * size,
                    Err(PushError::Full(_)) => 0,
                    Err(error) => return Err(Refusal::Unusable(error.to_string())),
                }
            }
        };
        Ok(if pushed == records.len() { Pushed::All } else { Pushed::Part(pushed) })
    }

    /// Waits until the first record of a batch fits. Returns whether it may.
    ///
    /// # Errors
    ///
    /// A [`Refusal`].
    pub fn wait(&mut self, records: &[u8], limit: Duration) -> Result<bool, Refusal> {
        let waited = match &mut self.tx {
            Tx::Messages(tx) => {
                let first = records::read(records, 0, tx.record_alignment());
                let first = first.map_err(|damaged| Refusal::Damaged(damaged.to_string()))?;
                tx.within(limit).until_free(first.message.len())
            }
            Tx::Elements(tx) => tx.within(limit).until_free(1),
        };
        match waited {
            Ok(()) => Ok(true),
            Err(WaitError::TimedOut | WaitError::Called) => Ok(false),
            Err(WaitError::Orphaned) => Err(removed()),
            Err(error) => Err(Refusal::Unusable(error.to_string())),
        }
    }

    /// Leaves the ring in order: its consumer is told that nothing more comes.
    ///
    /// # Errors
    ///
    /// As the library's `close`.
    pub fn close(self) -> Result<(), Error> {
        of_tx!(self.tx, tx => tx.close())
    }

    /// Leaves the ring as a process does that is killed.
    pub fn abandon(self) {
        of_tx!(self.tx, tx => tx.abandon());
    }
}

/// Refuses to remove a ring of which something is left to read, or that somebody holds.
fn check_replaceable(name: &str, ring: &Inspection, new: u64) -> Result<()> {
    let old = ring.ring_id();
    if ring.is_held(Role::Producer)? {
        bail!(
            "ring {name}, id {old:#018x}, has a producer, so it is no copy that ring {new:#018x} may replace: end its \
             producer, or start the receiver with another name"
        );
    }
    let positions = ring.positions()?;
    if positions.head != positions.tail || ring.is_held(Role::Consumer)? {
        bail!(
            "ring {name} is a copy of ring {old:#018x}: ring {new:#018x} takes its place once all of it is read and \
             its consumer has left"
        );
    }
    Ok(())
}

/// Returns whether an error says that a name stands for no ring.
fn is_nothing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. } | Error::Unfinished { .. } | Error::NotReady { .. })
}

/// Refuses what would go to a ring that nobody can find.
fn removed() -> Refusal {
    let text = "the name of the receiver's ring was removed: what was not read there is lost unless a consumer is \
                attached, and what comes goes to a new ring";
    Refusal::Unusable(text.to_owned())
}

/// Pushes messages as one batch.
fn push_messages(tx: &mut message::Producer, records: &[u8]) -> Result<usize, Refusal> {
    let (align, max) = (tx.record_alignment(), tx.max_len());
    let mut batch = tx.batch();
    let mut at = 0;
    while at < records.len() {
        let record = records::read(records, at, align).map_err(|damaged| Refusal::Damaged(damaged.to_string()))?;
        let pushed =
            if align == 8 { batch.push(record.message) } else { batch.push_tagged(record.word, record.message) };
        match pushed {
            Ok(()) => at += record.size,
            Err(PushError::Full(_)) => break,
            Err(PushError::TooLong { len, .. }) => {
                return Err(Refusal::Damaged(format!("a message of {len} bytes fits no ring whose longest has {max}")));
            }
            Err(error) => return Err(Refusal::Unusable(error.to_string())),
        }
    }
    batch.commit();
    Ok(at)
}

/// Returns the capacity of a new ring, in elements or bytes.
fn capacity(wanted: &Wanted, shape: &Shape) -> Result<usize> {
    let unit = shape.kind.unit();
    let bytes = usize::try_from(shape.capacity).ok().and_then(|capacity| capacity.checked_mul(unit));
    let capacity = match (wanted.capacity, bytes) {
        (Some(bytes), _) if bytes < unit => bail!("an element of {unit} bytes does not fit a --capacity of {bytes}"),
        (Some(bytes), _) => bytes / unit,
        (None, Some(bytes)) if bytes <= LARGEST => bytes / unit,
        _ => bail!(
            "ring {:#018x} has a capacity of {} times {unit} bytes, and a copy is made of {LARGEST} bytes at most \
             unless it is asked for: start the receiver with --capacity",
            shape.ring_id,
            shape.capacity
        ),
    };
    check_capacity(capacity.next_power_of_two(), shape)?;
    Ok(capacity)
}

/// Refuses a ring of messages that is smaller than the one it is a copy of: its largest message would never fit.
fn check_capacity(capacity: usize, shape: &Shape) -> Result<()> {
    if matches!(shape.kind, Kind::Message(_)) && (capacity as u64) < shape.capacity {
        bail!(
            "a copy of {capacity} bytes is too small for messages of a ring of {0}: remove it, and start the receiver \
             with a --capacity of {0} or more",
            shape.capacity
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::alloc::Layout;
    use std::process;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A name of its own, which is removed in the end.
    struct Name(Wanted);

    impl Name {
        fn new() -> Name {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name = format!("bridge-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            Name(Wanted { name, capacity: None, mode: 0o600, owner: None, follows_new: false })
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            let _ = ringmain::unlink(&self.0.name);
        }
    }

    fn shape(kind: Kind) -> Shape {
        Shape { ring_id: 7, kind, capacity: 4096, tag: "tick".into() }
    }

    fn record(len: usize, align: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let append = |buffer: &mut Vec<u8>| {
            buffer.extend(vec![len as u8; len]);
            Ok::<_, ()>(len)
        };
        records::write(&mut bytes, align, 9, append).unwrap();
        bytes
    }

    #[test]
    fn a_batch_is_pushed_where_the_ring_ends_and_nowhere_else() {
        for kind in [Kind::Message(8), Kind::Message(64), Kind::Stream(Layout::new::<u64>())] {
            let name = Name::new();
            let shape = shape(kind);
            let (mut mirror, made) = Mirror::attach(&name.0, &shape, 640).unwrap();
            assert!(made && mirror.tail() == 640 && mirror.ring_id() == 7);
            let (records, units) = match kind {
                Kind::Message(align) => (record(11, align), record(11, align).len() as u64),
                Kind::Stream(_) => (vec![1; 24], 3),
            };
            assert_eq!(mirror.push(640, &records), Ok(Pushed::All));
            assert_eq!(mirror.tail(), 640 + units);
            assert_eq!(mirror.push(640, &records), Ok(Pushed::Duplicate));
            assert_eq!(mirror.push(mirror.tail() + units, &records), Ok(Pushed::Gap));
            assert_eq!(mirror.tail(), 640 + units);
            // The next receiver goes on there, and needs no other memory.
            mirror.abandon();
            let (mirror, made) = Mirror::attach(&name.0, &shape, 0).unwrap();
            assert!(!made && mirror.tail() == 640 + units);
        }
    }

    #[test]
    fn nothing_is_pushed_to_a_ring_whose_name_was_removed() {
        for kind in [Kind::Message(8), Kind::Stream(Layout::new::<u64>())] {
            let name = Name::new();
            let (mut mirror, _) = Mirror::attach(&name.0, &shape(kind), 0).unwrap();
            let records = record(8, 8);
            assert_eq!(mirror.push(0, &records), Ok(Pushed::All));
            ringmain::unlink(&name.0.name).unwrap();
            let tail = mirror.tail();
            for records in [&records[..], &[]] {
                let refused = mirror.push(tail, records).unwrap_err();
                assert!(refused.to_string().contains("was removed"), "{refused}");
            }
            // Another one of that name is none the better for it.
            let _other = Options::new(&name.0.name).capacity(8).stream_producer::<u8>().unwrap();
            assert!(mirror.is_orphaned() && mirror.push(tail, &records).is_err() && mirror.tail() == tail);
        }
    }

    #[test]
    fn as_much_of_a_batch_is_pushed_as_fits() {
        let name = Name::new();
        let (mut mirror, _) = Mirror::attach(&name.0, &shape(Kind::Message(8)), 0).unwrap();
        let records = record(992, 8).repeat(5);
        assert_eq!(mirror.push(0, &records), Ok(Pushed::Part(4000)));
        assert_eq!(mirror.push(4000, &records[4000..]), Ok(Pushed::Part(0)));
        assert_eq!(mirror.wait(&records[4000..], Duration::from_millis(1)), Ok(false));
        let mut rx = Options::new(&name.0.name).any_type(true).message_consumer().unwrap();
        rx.pop_into(&mut Vec::new()).unwrap();
        assert_eq!(mirror.wait(&records[4000..], Duration::from_secs(60)), Ok(true));
        assert_eq!(mirror.push(4000, &records[4000..]), Ok(Pushed::All));
    }

    #[test]
    fn of_a_damaged_batch_nothing_is_pushed() {
        let name = Name::new();
        let (mut mirror, _) = Mirror::attach(&name.0, &shape(Kind::Message(16)), 0).unwrap();
        let mut records = [record(3, 16), record(4, 16)].concat();
        records[32] ^= 2;
        assert!(matches!(mirror.push(0, &records), Err(Refusal::Damaged(_))));
        let long = record(4096, 16);
        assert!(matches!(mirror.push(0, &long), Err(Refusal::Damaged(_))));
        assert_eq!(mirror.tail(), 0);
    }

    #[test]
    fn words_arrive_with_their_messages() {
        let name = Name::new();
        let (mut mirror, _) = Mirror::attach(&name.0, &shape(Kind::Message(32)), 0).unwrap();
        mirror.push(0, &record(5, 32)).unwrap();
        let mut rx = Options::new(&name.0.name).type_tag("tick").message_consumer().unwrap();
        assert_eq!(rx.pop_tagged(&mut [0; 9]), Ok((9, 5)));
    }

    #[test]
    fn how_and_where_a_copy_was_left_can_be_seen() {
        let name = Name::new();
        let shape = shape(Kind::Message(8));
        let found = |position| Mirror::ended(&name.0, 7, position);
        assert_eq!(found(0), None, "there is no ring");
        let attach = || Mirror::attach(&name.0, &shape, 0).unwrap().0;
        let mut mirror = attach();
        mirror.push(0, &record(8, 8)).unwrap();
        assert_eq!(found(16), None, "it is held");
        mirror.abandon();
        assert_eq!((found(0), found(16), Mirror::ended(&name.0, 8, 16)), (None, Some(End::Crashed), None));
        attach().close().unwrap();
        assert_eq!(found(16), Some(End::Closed));
    }

    #[test]
    fn a_copy_of_another_ring_is_replaced_only_if_that_was_asked_for() {
        let name = Name::new();
        let (mirror, _) = Mirror::attach(&name.0, &shape(Kind::Message(8)), 0).unwrap();
        mirror.abandon();
        let other = Shape { ring_id: 8, ..shape(Kind::Stream(Layout::new::<u32>())) };
        let refused = Mirror::attach(&name.0, &other, 0).unwrap_err().to_string();
        assert!(refused.contains("0x0000000000000007") && refused.contains("--follow-new"), "{refused}");
        let follows = Wanted { follows_new: true, ..name.0.clone() };
        // What is left in it is read first, and whoever reads it leaves.
        let (mut old, _) = Mirror::attach(&name.0, &shape(Kind::Message(8)), 0).unwrap();
        old.push(0, &record(8, 8)).unwrap();
        let refused = Mirror::attach(&follows, &other, 3).unwrap_err().to_string();
        assert!(refused.contains("has a producer"), "{refused}");
        old.abandon();
        let waits = || {
            let refused = Mirror::attach(&follows, &other, 3).unwrap_err().to_string();
            assert!(refused.contains("once all of it is read"), "{refused}");
        };
        waits();
        let mut rx = Options::new(&name.0.name).any_type(true).message_consumer().unwrap();
        waits();
        rx.pop_into(&mut Vec::new()).unwrap();
        waits();
        drop(rx);
        // Nor does it make way for one that cannot be made.
        let huge = Shape { capacity: 1 << 60, ..other.clone() };
        assert!(Mirror::attach(&follows, &huge, 3).unwrap_err().to_string().contains("--capacity"));
        assert_eq!(Inspection::open(&name.0.name).unwrap().ring_id(), 7);
        let (mirror, made) = Mirror::attach(&follows, &other, 3).unwrap();
        assert!(made && mirror.ring_id() == 8 && mirror.tail() == 3);
    }

    #[test]
    fn nothing_is_made_as_large_as_a_stranger_asks() {
        let name = Name::new();
        let huge = Shape { capacity: 1 << 60, ..shape(Kind::Message(8)) };
        let refused = Mirror::attach(&name.0, &huge, 0).unwrap_err().to_string();
        assert!(refused.contains("--capacity"), "{refused}");
        let huge = Shape { capacity: 1 << 63, ..shape(Kind::Stream(Layout::new::<u64>())) };
        assert!(Mirror::attach(&name.0, &huge, 0).is_err());
        let small = Wanted { capacity: Some(4096), ..name.0.clone() };
        let refused = Mirror::attach(&small, &Shape { capacity: 8192, ..shape(Kind::Message(8)) }, 0).unwrap_err();
        assert!(refused.to_string().contains("8192 or more"), "{refused}");
        let element = Shape { capacity: 1, ..shape(Kind::Stream(Layout::new::<[u64; 1024]>())) };
        let refused = Mirror::attach(&small, &element, 0).unwrap_err().to_string();
        assert!(refused.contains("8192") && refused.contains("4096"), "{refused}");
        // Elements are no longer than each other: any capacity will do.
        let elements = Shape { capacity: 1 << 20, ..shape(Kind::Stream(Layout::new::<u64>())) };
        assert!(Mirror::attach(&small, &elements, 0).is_ok());
    }

    #[test]
    fn somebody_elses_ring_is_left_alone() {
        let name = Name::new();
        let (mirror, _) = Mirror::attach(&name.0, &shape(Kind::Message(8)), 0).unwrap();
        let refused = Mirror::attach(&name.0, &shape(Kind::Message(8)), 0).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Error::Busy { .. })), "{refused}");
        drop(mirror);
        for other in [Shape { tag: "tock".into(), ..shape(Kind::Message(8)) }, shape(Kind::Message(16))] {
            assert!(Mirror::attach(&name.0, &other, 0).is_err());
        }
    }
}
