//! A ring's name, its bytes as `docs/format.md` has them, and the guards that clean up.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{env, io, mem, process, thread};

use ringmain::stream::Element;
use ringmain::{Options, Role};

/// The offsets of the words of a header, and of what follows it, from `docs/format.md`.
pub(crate) mod word {
    pub(crate) const MAGIC: u64 = 0x0000;
    pub(crate) const LAYOUT_VERSION: u64 = 0x0008;
    pub(crate) const KIND: u64 = 0x0010;
    pub(crate) const DATA_OFFSET: u64 = 0x0018;
    pub(crate) const SEGMENT_LENGTH: u64 = 0x0020;
    pub(crate) const CAPACITY: u64 = 0x0028;
    pub(crate) const ELEMENT_SIZE: u64 = 0x0030;
    pub(crate) const ELEMENT_ALIGN: u64 = 0x0038;
    pub(crate) const TYPE_ID: u64 = 0x0040;
    pub(crate) const RECORD_ALIGN: u64 = 0x0048;
    pub(crate) const HEADER_LENGTH: u64 = 0x0050;
    pub(crate) const INCOMPATIBLE: u64 = 0x0058;
    pub(crate) const COMPATIBLE: u64 = 0x0060;
    pub(crate) const READ_ONLY_COMPATIBLE: u64 = 0x0068;
    pub(crate) const RING_ID: u64 = 0x0070;
    pub(crate) const CREATED: u64 = 0x0078;
    pub(crate) const PRODUCER_PRESENCE: u64 = 0x0080;
    pub(crate) const PRODUCER_PARKING: u64 = 0x00a0;
    pub(crate) const PRODUCER_WAKES: u64 = 0x00a8;
    pub(crate) const CONSUMER_PRESENCE: u64 = 0x0100;
    pub(crate) const CONSUMER_PARKING: u64 = 0x0120;
    pub(crate) const CONSUMER_WAKES: u64 = 0x0128;
    pub(crate) const CONSUMER_TOLD: u64 = 0x0138;
    pub(crate) const TAIL: u64 = 0x0180;
    pub(crate) const HEAD: u64 = 0x0200;
    pub(crate) const FIRST_POSITION: u64 = 0x0280;
    pub(crate) const TAG_LENGTH: u64 = 0x0288;
    pub(crate) const TAG_TEXT: u64 = 0x0290;
    pub(crate) const HEADER_END: u64 = 0x0300;
    pub(crate) const DATA: u64 = 0x1000;
}

/// What this process's names begin with.
fn prefix() -> String {
    format!("test-{}-", process::id())
}

/// Returns where an object of this name is to be found.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(name)
}

/// Reads a word of a ring's header.
#[track_caller]
pub(crate) fn read_word(name: &str, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    let file = OpenOptions::new().read(true).open(path(name)).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u64::from_ne_bytes(bytes)
}

/// Overwrites a word of a ring's header.
#[track_caller]
pub(crate) fn write_word(name: &str, offset: u64, value: u64) {
    let file = OpenOptions::new().write(true).open(path(name)).unwrap();
    file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
}

/// The byte whose lock is that of the administration.
pub(crate) const ADMINISTRATION: libc::off_t = 2;

/// Locks the administration byte of an object, for as long as that is open.
#[track_caller]
pub(crate) fn lock_administration(object: &File) {
    lock(object, libc::F_OFD_SETLK, libc::F_WRLCK, ADMINISTRATION);
}

/// Locks the byte of a role of an object, for as long as that is open.
#[track_caller]
pub(crate) fn lock_role(object: &File, role: Role) {
    lock(object, libc::F_OFD_SETLK, libc::F_WRLCK, byte_of(role));
}

/// Locks a byte of an object as one may who can only read it, for as long as that is open. Waits for its turn.
#[track_caller]
pub(crate) fn lock_to_read(object: &File, byte: libc::off_t) {
    lock(object, libc::F_OFD_SETLKW, libc::F_RDLCK, byte);
}

/// Gives back the lock of a byte.
#[track_caller]
pub(crate) fn unlock(object: &File, byte: libc::off_t) {
    lock(object, libc::F_OFD_SETLK, libc::F_UNLCK, byte);
}

/// Returns whether somebody holds a role in an object.
#[track_caller]
pub(crate) fn is_locked(object: &File, role: Role) -> bool {
    lock(object, libc::F_OFD_GETLK, libc::F_WRLCK, byte_of(role)).l_type != libc::F_UNLCK as libc::c_short
}

/// Returns the byte whose lock is that of a role.
pub(crate) fn byte_of(role: Role) -> libc::off_t {
    libc::off_t::from(role == Role::Consumer)
}

/// Sets or asks for a lock of one byte of an object.
#[track_caller]
fn lock(object: &File, command: libc::c_int, kind: libc::c_int, byte: libc::off_t) -> libc::flock {
    // SAFETY: `flock` is a C struct of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = byte;
    lock.l_len = 1;
    // SAFETY: the descriptor is open, and each command reads and may write one `flock`.
    let status = unsafe { libc::fcntl(object.as_raw_fd(), command, &raw mut lock) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    lock
}

/// A name that no other test has. What stands under it is removed when this is dropped.
pub(crate) struct Ring {
    name: String,
    _watchdog: Watchdog,
}

impl Ring {
    pub(crate) fn new() -> Ring {
        Ring::of_length(0)
    }

    /// Chooses a name of at least `len` bytes.
    pub(crate) fn of_length(len: usize) -> Ring {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:-<len$}", format!("{}{number}", prefix()));
        remove(&path(&name));
        Ring { name, _watchdog: Watchdog::new() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.name)
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.name)
    }

    pub(crate) fn exists(&self) -> bool {
        fs::symlink_metadata(self.path()).is_ok()
    }

    /// Makes the ring, and leaves it to whoever comes.
    #[track_caller]
    pub(crate) fn make<T: Element>(&self, capacity: usize) {
        drop(self.options().capacity(capacity).stream_producer::<T>().unwrap());
    }

    #[track_caller]
    pub(crate) fn word(&self, offset: u64) -> u64 {
        read_word(&self.name, offset)
    }

    #[track_caller]
    pub(crate) fn set_word(&self, offset: u64, value: u64) {
        write_word(&self.name, offset, value);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        remove(&self.path());
    }
}

fn remove(path: &Path) {
    // Nothing there is as good as removed.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
}

/// Ends the process, with its names and its children, should it be alive when all patience is over.
pub(crate) struct Watchdog {
    _ended: Sender<()>,
}

impl Watchdog {
    pub(crate) fn new() -> Watchdog {
        const LIMIT: Duration = Duration::from_secs(900);
        let (ended, watch) = channel::<()>();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let program = env::args().next().unwrap_or_default();
        let (starting, started) = channel::<()>();
        thread::spawn(move || {
            drop(starting);
            if watch.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{program}: {test} has not ended after {LIMIT:?}");
                let left = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
                left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix().as_bytes()))
                    .for_each(|entry| remove(&entry.path()));
                process::abort();
            }
        });
        // A thread takes memory to start, of which a part may leave little.
        let _ = started.recv();
        Watchdog { _ended: ended }
    }
}
