//! How a ring is named, sized, created and attached.

use core::ffi::{CStr, c_char, c_int};
use std::alloc::Layout;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use ringmain::{Creation, Error, Options, Wait};

use crate::code::{Refusal, invalid};

/// As `limit_ns`: the call never waits.
pub const RINGMAIN_NOW: i64 = 0;
/// As `limit_ns`: the call waits for as long as it takes.
pub const RINGMAIN_FOREVER: i64 = 0x7fff_ffff_ffff_ffff;

/// The writing end of a ring of elements of one size.
pub const RINGMAIN_STREAM_PRODUCER: u32 = 1;
/// The reading end of a ring of elements of one size.
pub const RINGMAIN_STREAM_CONSUMER: u32 = 2;
/// The writing end of a ring of messages of any length.
pub const RINGMAIN_MESSAGE_PRODUCER: u32 = 3;
/// The reading end of a ring of messages of any length.
pub const RINGMAIN_MESSAGE_CONSUMER: u32 = 4;

/// Uses the ring that exists; creates one if there is none and a capacity is given.
pub const RINGMAIN_CREATE_IF_MISSING: u32 = 0;
/// Creates a ring, and fails if one exists.
pub const RINGMAIN_CREATE_NEW: u32 = 1;
/// Uses the ring that exists, and fails if there is none.
pub const RINGMAIN_CREATE_NEVER: u32 = 2;

/// Waits by spinning for about as long as a wake takes, then by sleeping.
pub const RINGMAIN_SPIN_THEN_PARK: u32 = 0;
/// Waits by spinning alone: for a process with a processor of its own.
pub const RINGMAIN_SPIN: u32 = 1;
/// Sleeps at once; the other end then fences each publication.
pub const RINGMAIN_PARK: u32 = 2;

/// Removes the name when the handle is closed, or its process exits in order.
pub const RINGMAIN_UNLINK_ON_CLOSE: u32 = 1 << 0;
/// Leaves the handle alone when the process exits: its peer is told of a crash.
pub const RINGMAIN_NO_CLOSE_ON_EXIT: u32 = 1 << 1;
/// Does not touch every page at attach.
pub const RINGMAIN_NO_PREFAULT: u32 = 1 << 2;
/// Locks the ring in memory.
pub const RINGMAIN_LOCK_MEMORY: u32 = 1 << 3;
/// Lets a ring without a name be sealed, by ringmain_seal().
pub const RINGMAIN_SEALABLE: u32 = 1 << 4;
/// Accepts a ring of any type, if its elements have the same size.
pub const RINGMAIN_ANY_TYPE: u32 = 1 << 5;
/// Calls that wait fail with -ENOTCONN while nobody was at the other end.
pub const RINGMAIN_NO_AWAIT_FIRST_PEER: u32 = 1 << 6;
/// Calls that wait go on when the other end has left or crashed, until another process takes its role.
pub const RINGMAIN_AWAIT_SUCCESSOR: u32 = 1 << 7;
/// The field `owner` counts: the ring may belong to that user.
pub const RINGMAIN_OWNER: u32 = 1 << 8;
/// The field `pace_ns` counts.
pub const RINGMAIN_PACE: u32 = 1 << 9;
/// The field `descriptor` counts even if it is 0, the standard input. No call of this library returns that one.
pub const RINGMAIN_DESCRIPTOR: u32 = 1 << 10;

const FLAGS: u32 = (1 << 11) - 1;

/// What a ring is to be. All fields but `size` may be 0: then it is as by default. RINGMAIN_OPTIONS() makes one. Later
/// versions append fields, and know by the size which a program has.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringmain_options {
    /// sizeof(ringmain_options).
    pub size: usize,
    /// The capacity, which is rounded up to a power of two: of a stream ring in elements, of a message ring in bytes,
    /// headers included. With it a missing ring is created; an existing one must have the same. 0: take it as it is.
    pub capacity: usize,
    /// The size of an element of a stream ring in bytes, and its alignment: RINGMAIN_ELEMENT(type) gives both.
    pub element_size: usize,
    /// See `element_size`.
    pub element_align: usize,
    /// The alignment of the records of a message ring in bytes: 8, 16, 32 or 64. 0: 8, or that of the ring that exists.
    pub record_alignment: usize,
    /// A name of the element type, which both sides must give alike: at most 64 bytes of UTF-8. NULL: none.
    pub type_tag: *const c_char,
    /// How long to wait for the other side to create the ring, in nanoseconds, or RINGMAIN_FOREVER.
    pub wait_for_ns: i64,
    /// How long an end that outruns the other one pauses at most before it loads the other's position; RINGMAIN_PACE.
    pub pace_ns: i64,
    /// The largest data area in bytes that this process attaches to. 0: as by default.
    pub max_capacity: usize,
    /// The position at which a ring that is created begins.
    pub start_at: u64,
    /// RINGMAIN_CREATE_IF_MISSING, RINGMAIN_CREATE_NEW or RINGMAIN_CREATE_NEVER.
    pub create: u32,
    /// RINGMAIN_SPIN_THEN_PARK, RINGMAIN_SPIN or RINGMAIN_PARK.
    pub wait: u32,
    /// The permissions of a ring that is created. 0: 0600.
    pub mode: u32,
    /// The user that the ring may belong to; RINGMAIN_OWNER.
    pub owner: u32,
    /// Any of RINGMAIN_UNLINK_ON_CLOSE to RINGMAIN_DESCRIPTOR.
    pub flags: u32,
    /// If the ring has no name: a descriptor of it, which stays the caller's. 0: none, a new ring is created; see
    /// RINGMAIN_DESCRIPTOR. A negative one, of a call that failed, is refused, and so is one beside a name.
    pub descriptor: c_int,
}

/// The options of a program that gives none: all bytes are 0, which each field allows.
const DEFAULTS: ringmain_options = ringmain_options {
    size: size_of::<ringmain_options>(),
    capacity: 0,
    element_size: 0,
    element_align: 0,
    record_alignment: 0,
    type_tag: ptr::null(),
    wait_for_ns: 0,
    pace_ns: 0,
    max_capacity: 0,
    start_at: 0,
    create: RINGMAIN_CREATE_IF_MISSING,
    wait: RINGMAIN_SPIN_THEN_PARK,
    mode: 0,
    owner: 0,
    flags: 0,
    descriptor: 0,
};

/// The size that the first version of the options had.
const FIRST_SIZE: usize = 104;
/// More than any struct of a later version has: what says so was not given a size.
const MOST_SIZE: usize = 4096;

const _: () = assert!(size_of::<ringmain_options>() >= FIRST_SIZE);

/// Returns a limit as the library has it; `None` if there is none. One that has passed is none left.
pub(crate) fn limit(limit_ns: i64) -> Option<Duration> {
    (limit_ns != RINGMAIN_FOREVER).then(|| Duration::from_nanos(limit_ns.max(0) as u64))
}

/// Reads a text of C's, which must be UTF-8.
///
/// # Safety
///
/// It is null, or ends with a 0 and lives for as long as the result is used.
pub(crate) unsafe fn text<'a>(what: &str, text: *const c_char) -> Result<&'a str, c_int> {
    if text.is_null() {
        return Err(invalid(format_args!("{what} is NULL, expected a text")));
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|error| {
        invalid(format_args!("{what} is UTF-8 up to byte {} alone, expected UTF-8", error.valid_up_to()))
    })
}

/// Copies what a program has of a struct that begins with its size; the rest is as in `rest`.
///
/// # Safety
///
/// `from` is null or aligned and valid for reads of as many bytes as it begins with, if these are 8 to [`MOST_SIZE`];
/// and every bit pattern is a `T`.
unsafe fn sized<T: Copy>(what: &str, from: *const T, first: usize, rest: T) -> Result<T, c_int> {
    let (mut whole, own) = (rest, size_of::<T>());
    if from.is_null() {
        return Ok(whole);
    }
    // SAFETY: the caller's promise; the size comes first.
    let size = unsafe { from.cast::<usize>().read() };
    if !(first..=MOST_SIZE).contains(&size) {
        return Err(invalid(format_args!(
            "{what} of {size} bytes, expected {first} to {MOST_SIZE}; begin with its size, as RINGMAIN_OPTIONS() does"
        )));
    }
    // SAFETY: both have as many bytes, and do not overlap.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut whole).cast::<u8>(), size.min(own)) };
    // SAFETY: the caller's promise: the rest is there too.
    let more = unsafe { std::slice::from_raw_parts(from.cast::<u8>().wrapping_add(own), size.saturating_sub(own)) };
    match more.iter().any(|&byte| byte != 0) {
        true => Err(invalid(format_args!(
            "{what} of {size} bytes has more than the {own} that this version knows; link a later version of ringmain"
        ))),
        false => Ok(whole),
    }
}

/// Where a ring comes from.
pub(crate) enum Source {
    /// It has the name, or is behind the descriptor of the options, or is a new one.
    Given,
    /// It comes through a socket, or will.
    Socket(Option<OwnedFd>),
}

/// What was asked for, as the library has it.
pub(crate) struct Asked {
    pub(crate) options: Options,
    pub(crate) element: (usize, usize),
    record_alignment: usize,
}

impl Asked {
    /// Reads options of C's.
    ///
    /// # Safety
    ///
    /// `name` is null or a text that ends with a 0; `options` is null or valid for reads of its own size, and its type
    /// tag is null or such a text.
    pub(crate) unsafe fn read(
        name: *const c_char,
        options: *const ringmain_options,
        source: Source,
    ) -> Result<Asked, c_int> {
        // SAFETY: the caller's promise.
        let given = unsafe { sized("options", options, FIRST_SIZE, DEFAULTS) }?;
        if given.flags & !FLAGS != 0 {
            return Err(invalid(format_args!("flags {:#x}, expected none beyond {FLAGS:#x}", given.flags)));
        }
        let has = |flag: u32| given.flags & flag != 0;
        let descriptor = Some(given.descriptor).filter(|&number| number != 0 || has(RINGMAIN_DESCRIPTOR));
        let place = match (source, descriptor) {
            (Source::Socket(Some(received)), None) => Options::from_fd(received),
            // To be checked.
            (Source::Socket(None), None) => Options::anonymous(),
            (Source::Socket(_), Some(number)) => {
                return Err(invalid(format_args!(
                    "the descriptor {number} was given for a ring that comes through a socket, expected none"
                )));
            }
            // SAFETY: the caller's promise.
            (Source::Given, None) if !name.is_null() => Options::new(unsafe { text("the name", name) }?),
            (Source::Given, None) => Options::anonymous(),
            (Source::Given, Some(number)) if !name.is_null() => {
                // SAFETY: the caller's promise.
                let name = unsafe { text("the name", name) }?;
                return Err(invalid(format_args!(
                    "both the name {name:?} and the descriptor {number} were given, expected one of them"
                )));
            }
            (Source::Given, Some(number)) => Options::from_fd(copy("the descriptor", number)?),
        };
        let mut options = place
            .create(match given.create {
                RINGMAIN_CREATE_IF_MISSING => Creation::IfMissing,
                RINGMAIN_CREATE_NEW => Creation::New,
                RINGMAIN_CREATE_NEVER => Creation::Never,
                other => return Err(invalid(format_args!("create is {other}, expected one of RINGMAIN_CREATE_..."))),
            })
            .wait(strategy(given.wait)?)
            .wait_for(limit(given.wait_for_ns).unwrap_or(Duration::MAX))
            .start_at(given.start_at)
            .unlink_on_close(has(RINGMAIN_UNLINK_ON_CLOSE))
            .close_on_exit(!has(RINGMAIN_NO_CLOSE_ON_EXIT))
            .prefault(!has(RINGMAIN_NO_PREFAULT))
            .lock_memory(has(RINGMAIN_LOCK_MEMORY))
            .sealable(has(RINGMAIN_SEALABLE))
            .any_type(has(RINGMAIN_ANY_TYPE))
            .await_first_peer(!has(RINGMAIN_NO_AWAIT_FIRST_PEER))
            .await_successor(has(RINGMAIN_AWAIT_SUCCESSOR));
        if given.capacity > 0 {
            options = options.capacity(given.capacity);
        }
        if given.record_alignment > 0 {
            options = options.record_alignment(given.record_alignment);
        }
        if given.max_capacity > 0 {
            options = options.max_capacity(given.max_capacity);
        }
        if given.mode > 0 {
            options = options.mode(given.mode);
        }
        if !given.type_tag.is_null() {
            // SAFETY: the caller's promise.
            options = options.type_tag(unsafe { text("the type tag", given.type_tag) }?);
        }
        if has(RINGMAIN_OWNER) {
            options = options.owner(given.owner);
        }
        if has(RINGMAIN_PACE) {
            if given.pace_ns < 0 {
                return Err(invalid(format_args!("pace_ns is {}, expected 0 or more", given.pace_ns)));
            }
            options = options.pace(limit(given.pace_ns).unwrap_or(Duration::MAX));
        }
        let element = (given.element_size, given.element_align);
        Ok(Asked { options, element, record_alignment: given.record_alignment })
    }

    /// Checks that what was given is for this kind of ring.
    pub(crate) fn check(&self, which: u32) -> Result<(), c_int> {
        let is_stream = matches!(which, RINGMAIN_STREAM_PRODUCER | RINGMAIN_STREAM_CONSUMER);
        match self.record_alignment {
            alignment if is_stream && alignment > 0 => Err(invalid(format_args!(
                "record_alignment is {alignment}, expected 0: elements of a stream ring have element_align"
            ))),
            _ => Ok(()),
        }
    }

    /// Returns the layout of an element.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        let (size, align) = self.element;
        Layout::from_size_align(size, align).map_err(|_| Error::InvalidOption {
            option: "elements",
            found: format!("{size} bytes aligned to {align}"),
            expected:
                "at least 1 byte, a multiple of the alignment, which is a power of two of at most 4096, and less than \
                       an address space"
                    .to_owned(),
        })
    }
}

/// Returns how a call waits.
pub(crate) fn strategy(wait: u32) -> Result<Wait, c_int> {
    match wait {
        RINGMAIN_SPIN_THEN_PARK => Ok(Wait::SpinThenPark),
        RINGMAIN_SPIN => Ok(Wait::Spin),
        RINGMAIN_PARK => Ok(Wait::Park),
        other => Err(invalid(format_args!(
            "wait is {other}, expected RINGMAIN_SPIN_THEN_PARK, RINGMAIN_SPIN or RINGMAIN_PARK"
        ))),
    }
}

/// Returns a descriptor by its number.
pub(crate) fn borrow<'a>(what: &str, number: c_int) -> Result<BorrowedFd<'a>, c_int> {
    match number {
        // SAFETY: not -1. Whether it is open, the system says.
        0.. => Ok(unsafe { BorrowedFd::borrow_raw(number) }),
        _ => Err(invalid(format_args!("{what} is {number}, expected a descriptor"))),
    }
}

/// Makes a descriptor of this library's own of one of the caller's.
pub(crate) fn copy(what: &str, number: c_int) -> Result<OwnedFd, c_int> {
    let copied = borrow(what, number)?.try_clone_to_owned();
    copied.map_err(|source| Error::Os { call: "fcntl(F_DUPFD_CLOEXEC)", source }.refuse())
}
