//! Rings as they are seen from outside: without a role, and without writing.

use core::ffi::{c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::time::UNIX_EPOCH;

use ringmain::inspect::{Condition, Found, Inspection, Kind, Objects};
use ringmain::{Error, Role};

use crate::code::{Refusal, copy_text, invalid, status};
use crate::end::{check_size, fill, out, peer_number};
use crate::options::text;

/// A ring.
pub const RINGMAIN_IS_RING: u32 = 0;
/// A ring of another version of the layout, or with features that this version does not know.
pub const RINGMAIN_IS_OTHER_VERSION: u32 = 1;
/// A ring that contradicts itself, or of which parts are missing.
pub const RINGMAIN_IS_DAMAGED: u32 = 2;
/// What a process left that was killed while it made a ring. The next attach replaces it.
pub const RINGMAIN_IS_UNFINISHED: u32 = 3;
/// A process makes a ring of it.
pub const RINGMAIN_IS_BEING_MADE: u32 = 4;
/// It changed while it was looked at.
pub const RINGMAIN_IS_CHANGING: u32 = 5;
/// It was removed after its directory was read.
pub const RINGMAIN_IS_GONE: u32 = 6;
/// The system does not let this process read it.
pub const RINGMAIN_IS_UNREADABLE: u32 = 7;
/// A process holds a lease of it.
pub const RINGMAIN_IS_LEASED: u32 = 8;
/// Something else.
pub const RINGMAIN_IS_NO_RING: u32 = 9;

/// A stream ring.
pub const RINGMAIN_STREAM: u32 = 1;
/// A message ring.
pub const RINGMAIN_MESSAGE: u32 = 2;

/// How many bytes a name in /dev/shm has at most, the 0 after it included.
pub const RINGMAIN_NAME: usize = 256;
/// How many bytes a type tag has at most, the 0 after it included.
pub const RINGMAIN_TAG: usize = 65;

/// What is known of one end of a ring.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_end_stat {
    /// How often the role has been taken.
    pub generation: u64,
    /// How often it has begun to sleep.
    pub sleeps: u64,
    /// How often it has woken the other end.
    pub wakes: u64,
    /// One of RINGMAIN_PEER_NEVER to RINGMAIN_PEER_CRASHED.
    pub state: i32,
    /// The process that is attached, if it can be known from here; else 0.
    pub process: i32,
    /// 1 if it sleeps.
    pub is_asleep: i32,
    /// 0.
    pub reserved: i32,
}

/// What is known of an object of shared memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_stat {
    /// sizeof(ringmain_stat), given by the caller; how many bytes of it were written, afterwards.
    pub size: usize,
    /// What it is: RINGMAIN_IS_RING, or another of these. Unless it is a ring, only `name` and `error` count.
    pub condition: u32,
    /// Why it is no ring to look at, or what could not be found out of it: a negative errno; 0 if there is nothing.
    pub error: i32,
    /// RINGMAIN_STREAM or RINGMAIN_MESSAGE.
    pub kind: u32,
    /// Its permissions.
    pub mode: u32,
    /// The user that it belongs to.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// The capacity in elements, or in bytes for messages.
    pub capacity: u64,
    /// The size of an element in bytes; 0 for messages.
    pub element_size: u64,
    /// The alignment of an element in bytes; 0 for messages.
    pub element_align: u64,
    /// The alignment of the records of messages in bytes; 0 for a stream ring.
    pub record_alignment: u64,
    /// The version of its layout.
    pub layout_version: u64,
    /// The number of the ring, chosen at random when it was created.
    pub ring_id: u64,
    /// When it was created, by the clock of its creator: nanoseconds since 1970.
    pub created_ns: u64,
    /// The position at which it began.
    pub first_position: u64,
    /// The length of the object in bytes.
    pub segment_length: u64,
    /// Where its consumer reads next.
    pub head: u64,
    /// Where its producer writes next.
    pub tail: u64,
    /// How many elements, or bytes of records, lie between them.
    pub used: u64,
    /// Its producer.
    pub producer: ringmain_end_stat,
    /// Its consumer.
    pub consumer: ringmain_end_stat,
    /// Its type tag: empty if it has none. Its creator may have written any UTF-8.
    pub type_tag: [c_char; RINGMAIN_TAG],
    /// Its name. Whoever made the object chose that: it may have any bytes.
    pub name: [c_char; RINGMAIN_NAME],
}

const NO_END: ringmain_end_stat =
    ringmain_end_stat { generation: 0, sleeps: 0, wakes: 0, state: 0, process: 0, is_asleep: 0, reserved: 0 };

const NOTHING: ringmain_stat = ringmain_stat {
    size: size_of::<ringmain_stat>(),
    condition: RINGMAIN_IS_RING,
    error: 0,
    kind: 0,
    mode: 0,
    owner: 0,
    group: 0,
    capacity: 0,
    element_size: 0,
    element_align: 0,
    record_alignment: 0,
    layout_version: 0,
    ring_id: 0,
    created_ns: 0,
    first_position: 0,
    segment_length: 0,
    head: 0,
    tail: 0,
    used: 0,
    producer: NO_END,
    consumer: NO_END,
    type_tag: [0; RINGMAIN_TAG],
    name: [0; RINGMAIN_NAME],
};

fn number(condition: Condition) -> u32 {
    match condition {
        Condition::Ring => RINGMAIN_IS_RING,
        Condition::OtherVersion => RINGMAIN_IS_OTHER_VERSION,
        Condition::Damaged => RINGMAIN_IS_DAMAGED,
        Condition::Unfinished => RINGMAIN_IS_UNFINISHED,
        Condition::BeingMade => RINGMAIN_IS_BEING_MADE,
        Condition::Changing => RINGMAIN_IS_CHANGING,
        Condition::Gone => RINGMAIN_IS_GONE,
        Condition::Unreadable => RINGMAIN_IS_UNREADABLE,
        Condition::Leased => RINGMAIN_IS_LEASED,
        _ => RINGMAIN_IS_NO_RING,
    }
}

fn end_of(ring: &Inspection, role: Role) -> Result<ringmain_end_stat, Error> {
    let end = ring.end(role)?;
    Ok(ringmain_end_stat {
        generation: end.generation,
        sleeps: end.sleeps.count,
        wakes: end.wakes,
        state: peer_number(end.state),
        // A process id of Linux fits.
        process: end.process.map_or(0, |process| process as i32),
        is_asleep: end.sleeps.is_asleep.into(),
        reserved: 0,
    })
}

impl ringmain_stat {
    /// Writes down all that can be known of a ring, and the last thing that could not.
    fn of(ring: &Inspection) -> ringmain_stat {
        let (kind, element_size, element_align, record_alignment) = match ring.kind() {
            Kind::Stream { element_size, element_align } => (RINGMAIN_STREAM, element_size, element_align, 0),
            Kind::Message { record_alignment } => (RINGMAIN_MESSAGE, 0, 0, record_alignment),
            _ => (0, 0, 0, 0),
        };
        let created = ring.created().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut stat = ringmain_stat {
            kind,
            capacity: ring.capacity() as u64,
            element_size: element_size as u64,
            element_align: element_align as u64,
            record_alignment: record_alignment as u64,
            layout_version: ring.layout_version(),
            ring_id: ring.ring_id(),
            created_ns: u64::try_from(created.as_nanos()).unwrap_or(u64::MAX),
            first_position: ring.first_position(),
            segment_length: ring.segment_length(),
            ..NOTHING
        };
        copy_text(ring.type_tag(), &mut stat.type_tag);
        match ring.permissions() {
            Ok(found) => (stat.owner, stat.group, stat.mode) = (found.owner, found.group, found.mode),
            Err(error) => stat.error = error.refuse(),
        }
        match ring.positions() {
            Ok(found) => (stat.head, stat.tail, stat.used) = (found.head, found.tail, found.used),
            Err(corrupted) => stat.error = ringmain::Broken::from(corrupted).refuse(),
        }
        for (role, end) in [(Role::Producer, &mut stat.producer), (Role::Consumer, &mut stat.consumer)] {
            match end_of(ring, role) {
                Ok(found) => *end = found,
                Err(error) => stat.error = error.refuse(),
            }
        }
        stat
    }

    /// Writes down what was found, or why it is no ring.
    fn found(found: Found) -> ringmain_stat {
        let condition = number(found.condition());
        let mut stat = match &found.ring {
            Ok(ring) => ringmain_stat::of(ring),
            Err(_) => NOTHING,
        };
        if let Err(error) = found.ring {
            stat.error = error.refuse();
        }
        stat.condition = condition;
        let name = found.name.as_bytes();
        for (to, &byte) in stat.name[..RINGMAIN_NAME - 1].iter_mut().zip(name) {
            *to = byte as c_char;
        }
        stat
    }
}

/// The size that the first version of `ringmain_stat` had.
const FIRST_STAT: usize = 536;

/// Tells all that is known of a ring: `stat->size` is sizeof(ringmain_stat) before the call. Takes no role, and writes
/// nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_look(name: *const c_char, stat: *mut ringmain_stat) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { text("the name", name) }.and_then(|name| {
        // SAFETY: the caller's promise.
        unsafe { check_size("stat", stat, FIRST_STAT) }?;
        let ring = Inspection::open(name).map_err(Refusal::refuse)?;
        let mut found = ringmain_stat::of(&ring);
        copy_text(name, &mut found.name);
        // SAFETY: the caller's promise.
        unsafe { fill("stat", stat, FIRST_STAT, &found) }
    }))
}

/// All objects of shared memory on the machine, one after the other.
#[derive(Debug)]
pub struct ringmain_list {
    objects: Objects,
}

/// Begins a list of all objects of shared memory: rings, and what is none. It is stored in `*list` (NULL, if the call
/// fails); ringmain_list_free() ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_list_open(list: *mut *mut ringmain_list) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { out("list", list) }.and_then(|list| {
        list.write(ptr::null_mut());
        let objects = Inspection::all().map_err(Refusal::refuse)?;
        list.write(Box::into_raw(Box::new(ringmain_list { objects })));
        Ok(())
    }))
}

/// Tells what is known of the next object: `stat->size` is sizeof(ringmain_stat) before the call. Returns 1, or 0 if
/// there is no further one. Why an object is no ring, `stat->error` and ringmain_last_error() say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_list_next(list: *mut ringmain_list, stat: *mut ringmain_stat) -> c_int {
    // SAFETY: the caller's promise.
    let Some(list) = (unsafe { list.as_mut() }) else { return invalid(format_args!("the list is NULL")) };
    // Before an object is taken, which would be lost.
    // SAFETY: the caller's promise.
    if let Err(code) = unsafe { check_size("stat", stat, FIRST_STAT) } {
        return code;
    }
    let Some(found) = list.objects.next() else { return 0 };
    // SAFETY: the caller's promise.
    match unsafe { fill("stat", stat, FIRST_STAT, &ringmain_stat::found(found)) } {
        Ok(()) => 1,
        Err(code) => code,
    }
}

/// Frees a list. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringmain_list_free(list: *mut ringmain_list) {
    if !list.is_null() {
        // SAFETY: the caller's promise: it came from ringmain_list_open().
        drop(unsafe { Box::from_raw(list) });
    }
}
