//! Results as C has them, and the words of the last failure of each thread.

use core::ffi::{CStr, c_char, c_int};
use std::cell::{Cell, UnsafeCell};
use std::error::Error as _;
use std::fmt::{self, Write};
use std::io;

use ringmain::pass::PassError;
use ringmain::{Attribute, Broken, DirectoryFault, Error, PopError, PushError, WaitError};

/// The longest text in bytes, the 0 after it included. What does not fit is cut.
const LONGEST: usize = 1024;

/// A failure of the data path, which is put into words when they are asked for.
#[derive(Clone, Copy)]
enum Cause {
    /// There was none, or its words are written.
    Written,
    Push(PushError),
    Pop(PopError),
    Wait(WaitError),
    Broken(Broken),
}

/// Needs no destructor, so that the library can be unloaded.
struct Last {
    cause: Cell<Cause>,
    text: UnsafeCell<[u8; LONGEST]>,
}

thread_local! {
    static LAST: Last = const { Last { cause: Cell::new(Cause::Written), text: UnsafeCell::new([0; LONGEST]) } };
}

/// Writes a text that ends with a 0, cut between two letters if it is too long.
struct Text<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    fn new(bytes: &mut [u8]) -> Text<'_> {
        bytes[0] = 0;
        Text { bytes, len: 0 }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut len = text.len().min(self.bytes.len() - 1 - self.len);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        self.bytes[self.len..self.len + len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        self.bytes[self.len] = 0;
        if len < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Last {
    fn write(&self, words: fmt::Arguments<'_>) {
        self.cause.set(Cause::Written);
        // SAFETY: the text is this thread's alone, and no other reference to it is held: `Display` calls nothing here.
        let text = unsafe { &mut *self.text.get() };
        // What does not fit is cut.
        let _ = Text::new(text).write_fmt(words);
    }

    fn text(&self) -> *const c_char {
        match self.cause.get() {
            Cause::Written => {}
            Cause::Push(error) => self.write(format_args!("{error}")),
            Cause::Pop(error) => self.write(format_args!("{error}")),
            Cause::Wait(error) => self.write(format_args!("{error}")),
            Cause::Broken(error) => self.write(format_args!("{error}")),
        }
        self.text.get().cast::<c_char>().cast_const()
    }
}

/// Copies a text that ends with a 0 into a buffer, cut if it is too long.
pub(crate) fn copy_text(text: &str, to: &mut [c_char]) {
    // SAFETY: a `c_char` is a byte, and the slice is borrowed uniquely.
    let bytes = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), to.len()) };
    let _ = Text::new(bytes).write_str(text);
}

/// A failure, as C has it.
pub(crate) trait Refusal: Sized {
    /// Returns its errno, positive.
    fn errno(&self) -> c_int;

    /// Keeps the reason for this thread.
    fn keep(self);

    /// Keeps the reason, and returns the result of the call.
    #[cold]
    #[inline(never)]
    fn refuse(self) -> c_int {
        let errno = self.errno();
        self.keep();
        -errno
    }
}

/// A failure that says whether the same call could succeed later.
pub(crate) trait Passing: Refusal {
    /// Returns whether it is worth a wait.
    fn passes(&self) -> bool;
}

fn of_broken(broken: &Broken) -> c_int {
    match broken {
        Broken::Corrupted(_) | Broken::Truncated { .. } => libc::EBADMSG,
        Broken::Forked => libc::ECHILD,
        _ => libc::EIO,
    }
}

fn keep(cause: Cause) {
    LAST.with(|last| last.cause.set(cause));
}

/// Keeps words as the reason.
pub(crate) fn write(words: fmt::Arguments<'_>) {
    LAST.with(|last| last.write(words));
}

impl Refusal for PushError {
    fn errno(&self) -> c_int {
        match self {
            PushError::Full(_) => libc::EAGAIN,
            PushError::TooLong { .. } => libc::EMSGSIZE,
            PushError::NoWord { .. } => libc::EINVAL,
            PushError::Broken { cause, .. } => of_broken(cause),
            _ => libc::EIO,
        }
    }

    fn keep(self) {
        keep(Cause::Push(self));
    }
}

impl Passing for PushError {
    fn passes(&self) -> bool {
        matches!(self, PushError::Full(_))
    }
}

impl Refusal for PopError {
    fn errno(&self) -> c_int {
        match self {
            PopError::Empty | PopError::Short { .. } => libc::EAGAIN,
            PopError::TooLong { .. } | PopError::BufferTooShort { .. } => libc::EMSGSIZE,
            PopError::WrongSize { .. } => libc::EINVAL,
            PopError::Broken(broken) => of_broken(broken),
            _ => libc::EIO,
        }
    }

    fn keep(self) {
        keep(Cause::Pop(self));
    }
}

impl Passing for PopError {
    fn passes(&self) -> bool {
        matches!(self, PopError::Empty | PopError::Short { .. })
    }
}

impl Refusal for WaitError {
    fn errno(&self) -> c_int {
        match self {
            WaitError::TimedOut => libc::ETIMEDOUT,
            WaitError::Called => libc::ECANCELED,
            WaitError::Closed | WaitError::Short { crashed: false, .. } => libc::EPIPE,
            WaitError::Crashed | WaitError::Short { crashed: true, .. } => libc::ECONNRESET,
            WaitError::NotConnected => libc::ENOTCONN,
            WaitError::Orphaned => libc::ESTALE,
            WaitError::TooLong { .. } | WaitError::BufferTooShort { .. } => libc::EMSGSIZE,
            WaitError::WrongSize { .. } | WaitError::NoWord { .. } | WaitError::TooMany { .. } => libc::EINVAL,
            WaitError::Truncated { .. } => libc::EBADMSG,
            WaitError::Broken(broken) => of_broken(broken),
            _ => libc::EIO,
        }
    }

    fn keep(self) {
        keep(Cause::Wait(self));
    }
}

impl Refusal for Broken {
    fn errno(&self) -> c_int {
        of_broken(self)
    }

    fn keep(self) {
        keep(Cause::Broken(self));
    }
}

/// Another ring than was asked for, or one that contradicts itself.
fn of_difference(what: Attribute) -> c_int {
    match what {
        Attribute::LayoutVersion
        | Attribute::Kind
        | Attribute::Capacity
        | Attribute::ElementSize
        | Attribute::ElementAlign
        | Attribute::TypeId
        | Attribute::RecordAlign => libc::EPROTO,
        _ => libc::EBADMSG,
    }
}

fn of_system(source: &io::Error) -> c_int {
    source.raw_os_error().unwrap_or(libc::EIO)
}

impl Refusal for Error {
    fn errno(&self) -> c_int {
        match self {
            Error::InvalidName { .. } | Error::InvalidOption { .. } | Error::NoCapacity => libc::EINVAL,
            Error::NotFound { .. } => libc::ENOENT,
            Error::AlreadyExists { .. } => libc::EEXIST,
            Error::NotReady { .. } => libc::ETIMEDOUT,
            Error::Busy { .. } | Error::HolderGone { .. } | Error::ReadLocked { .. } | Error::Leased { .. } => {
                libc::EBUSY
            }
            Error::NotRegular { .. }
            | Error::NotARing { .. }
            | Error::Unfinished { .. }
            | Error::OtherTypeTag { .. }
            | Error::UnknownFeatures { .. }
            | Error::Seals { .. } => libc::EPROTO,
            Error::Mismatch { what, .. } => of_difference(*what),
            Error::Sparse { .. } | Error::Changing { .. } | Error::Corrupted { .. } => libc::EBADMSG,
            Error::TooLarge { .. } | Error::FileSizeLimit { .. } => libc::EFBIG,
            Error::WrongOwner { .. } | Error::TooOpen { .. } | Error::PermissionDenied { .. } => libc::EACCES,
            Error::Directory { fault: DirectoryFault::NoInodes { .. }, .. } | Error::NoSpace { .. } => libc::ENOSPC,
            Error::Directory { .. } => libc::ENODEV,
            Error::MemoryLock { .. } | Error::NoMemory { .. } => libc::ENOMEM,
            Error::Unsupported { .. } | Error::NoProc { .. } => libc::ENOSYS,
            Error::Unsealable { .. } => libc::EPERM,
            Error::Exiting => libc::ESHUTDOWN,
            // There is always room at a driver of the process's own, but not in a forked child.
            Error::Undriven { .. } => libc::ECHILD,
            Error::Os { source, .. } => of_system(source),
            _ => libc::EIO,
        }
    }

    fn keep(self) {
        match self.source() {
            None => write(format_args!("{self}")),
            Some(source) => write(format_args!("{self}: {source}")),
        }
    }
}

impl Refusal for PassError {
    fn errno(&self) -> c_int {
        match self {
            PassError::OtherProtocol { .. }
            | PassError::Descriptors { .. }
            | PassError::Truncated { .. }
            | PassError::NotARing { .. } => libc::EPROTO,
            PassError::Refused { .. } => libc::ECONNREFUSED,
            PassError::NotAttached { source } => source.errno(),
            PassError::Ended { .. } => libc::EPIPE,
            PassError::Unfinished { .. } => libc::ECONNABORTED,
            PassError::Variable { .. } | PassError::Malformed { .. } => libc::EINVAL,
            PassError::Missing { .. } => libc::ENOENT,
            PassError::NotInherited { .. } | PassError::OtherFile { .. } => libc::EBADF,
            PassError::NoProc { .. } => libc::ENOSYS,
            PassError::Os { source, .. } => of_system(source),
            _ => libc::EIO,
        }
    }

    fn keep(self) {
        write(format_args!("{}", self.with_causes()));
    }
}

/// Keeps the words for an argument that is wrong, and returns the result of the call.
#[cold]
#[inline(never)]
pub(crate) fn invalid(words: fmt::Arguments<'_>) -> c_int {
    write(words);
    -libc::EINVAL
}

/// Says of which entry of a list the last words are, and returns the result of the call.
#[cold]
#[inline(never)]
pub(crate) fn of_entry(at: usize, code: c_int) -> c_int {
    LAST.with(|last| {
        last.text();
        // SAFETY: the text is this thread's alone, and is copied.
        let words = unsafe { *last.text.get() };
        let words = CStr::from_bytes_until_nul(&words).unwrap_or_default().to_str().unwrap_or_default();
        last.write(format_args!("entry {at} of the list: {words}"));
    });
    code
}

/// Returns 0, or why not.
#[inline(always)]
pub(crate) fn status(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(0)
}

/// Returns a count, or why there is none.
#[inline(always)]
pub(crate) fn counted(result: Result<usize, c_int>) -> isize {
    match result {
        // At most what an address space holds.
        Ok(count) => count as isize,
        Err(code) => code as isize,
    }
}

/// Returns what a result of this library means, in a few words: any of its codes, negative or not. For the reason of
/// one failure, with numbers and advice, see ringmain_last_error(). The text is never NULL, and stays valid.
#[unsafe(no_mangle)]
pub extern "C" fn ringmain_strerror(code: c_int) -> *const c_char {
    let words: &CStr = match code.saturating_abs() {
        0 => c"success",
        libc::EAGAIN => c"the ring is full or empty: try again, or wait",
        libc::ETIMEDOUT => c"the time that was given is over, and what was waited for has not come",
        libc::ECANCELED => c"a waker has ended the wait",
        libc::EPIPE => c"the other end has closed the ring",
        libc::ECONNRESET => c"the process at the other end is gone without having closed the ring",
        libc::ENOTCONN => c"nobody is attached to the other end of the ring yet",
        libc::ESTALE => c"nobody is at the other end, and the ring's name is gone",
        libc::EMSGSIZE => c"more than the ring or the buffer can hold",
        libc::EBADMSG => c"another process damaged the ring",
        libc::ECHILD => c"the handle belongs to the process that this one was forked from",
        libc::EINVAL => c"an argument is wrong",
        libc::EBUSY => c"another handle holds the role, or another process a lock",
        libc::EPROTO => c"what is there is not such a ring",
        libc::ENOENT => c"no such ring",
        libc::EEXIST => c"the ring exists",
        libc::EACCES => c"no permission, or a ring of another user",
        libc::EPERM => c"the ring cannot be sealed",
        libc::ENOSPC => c"no space in /dev/shm",
        libc::ENODEV => c"/dev/shm cannot hold rings as it is",
        libc::ENOMEM => c"not enough memory",
        libc::EFBIG => c"the ring is larger than is allowed",
        libc::ENOSYS => c"the system lacks a call that rings need, or refuses it",
        libc::ESHUTDOWN => c"this process is exiting",
        libc::ECONNREFUSED => c"the other process received the ring and did not attach",
        libc::ECONNABORTED => c"a part went through the socket: it can no longer be used",
        libc::EBADF => c"no such descriptor",
        _ => c"a system call failed",
    };
    words.as_ptr()
}

/// Returns why the last call of this thread that failed did so, in the words that the library for Rust has; an empty
/// text if none has failed. It is never NULL, and valid until this thread makes another call of this library.
#[unsafe(no_mangle)]
pub extern "C" fn ringmain_last_error() -> *const c_char {
    LAST.with(Last::text)
}

/// Returns the version of this library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn ringmain_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
