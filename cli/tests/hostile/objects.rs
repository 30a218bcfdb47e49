//! Objects that somebody made to harm whoever looks at shared memory.

use std::alloc::Layout;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringmain::Options;
use rustix::fs::{CWD, FallocateFlags, FileType, FlockOperation, Mode, fallocate, fcntl_lock, mknodat};

/// Where the objects stand.
pub(crate) const FOLDER: &str = "/dev/shm";

/// A user whose objects they may be.
const NOBODY: u32 = 65_534;

/// Words of a header, from `docs/format.md`.
const SEGMENT_LENGTH: u64 = 0x0020;
const CAPACITY: u64 = 0x0028;
const PRODUCER_PRESENCE: u64 = 0x0080;
const TAIL: u64 = 0x0180;
const HEADER: u64 = 0x0300;
const DATA: u64 = 0x1000;

/// The bytes of a ring that is full of records of 8 bytes.
const CROWDED: usize = 1 << 16;

/// What an object is made like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A ring, with a hostile type tag and hostile messages.
    Ring,
    /// A ring of another user.
    Foreign,
    /// A ring whose holder was killed.
    Stale,
    /// A ring whose producer was killed, full of the shortest records, which its tail does not count.
    Crowded,
    /// What a killed creator left.
    Unfinished,
    /// Under the lock of its creator.
    BeingMade,
    /// A ring whose roles are locked, and whose presences say that nobody is there.
    Locked,
    /// A ring with a hole in its header.
    HeaderHole,
    /// A ring with a hole in its data.
    DataHole,
    /// A header that claims 64 GiB, and a length without memory.
    Huge,
    /// Nothing but a length.
    Sparse,
    /// A ring of another user whose length changes all the time.
    Flipping,
    /// A ring whose name changes all the time.
    Renamed,
    /// A ring that a process has a lease of.
    Leased,
    /// A header with some words changed.
    Damaged,
    /// A ring of another version.
    OtherVersion,
    Empty,
    Zeros,
    /// Zeros, then data.
    LateData,
    Noise,
    /// A name that no ring can have.
    Name,
    Folder,
    Fifo,
    Link,
    Socket,
}

impl Kind {
    pub(crate) const ALL: [Kind; 25] = [
        Kind::Ring,
        Kind::Foreign,
        Kind::Stale,
        Kind::Crowded,
        Kind::Unfinished,
        Kind::BeingMade,
        Kind::Locked,
        Kind::HeaderHole,
        Kind::DataHole,
        Kind::Huge,
        Kind::Sparse,
        Kind::Flipping,
        Kind::Renamed,
        Kind::Leased,
        Kind::Damaged,
        Kind::OtherVersion,
        Kind::Empty,
        Kind::Zeros,
        Kind::LateData,
        Kind::Noise,
        Kind::Name,
        Kind::Folder,
        Kind::Fifo,
        Kind::Link,
        Kind::Socket,
    ];

    /// The states in which a list may have it.
    pub(crate) fn states(self) -> &'static [&'static str] {
        match self {
            Kind::Ring | Kind::Foreign => &["idle"],
            Kind::Stale | Kind::Crowded => &["stale"],
            Kind::Unfinished => &["unfinished"],
            Kind::BeingMade => &["being made"],
            Kind::Locked => &["idle"],
            Kind::HeaderHole | Kind::Sparse | Kind::Empty | Kind::Zeros | Kind::LateData | Kind::Noise => {
                &["not a ring"]
            }
            Kind::Name | Kind::Folder | Kind::Fifo | Kind::Link | Kind::Socket => &["not a ring"],
            Kind::DataHole | Kind::Huge => &["damaged"],
            Kind::Flipping => &["changing", "damaged", "not a ring", "idle"],
            Kind::Renamed => &["changing", "idle", "gone"],
            // The system ends a lease some time after it was asked for.
            Kind::Leased => &["leased", "idle"],
            Kind::Damaged => &["damaged", "not a ring", "other version", "idle", "stale", "live"],
            Kind::OtherVersion => &["other version"],
        }
    }

    /// Whether `rm --stale` may remove it.
    pub(crate) fn is_removable(self) -> bool {
        matches!(self, Kind::Stale | Kind::Crowded | Kind::Unfinished)
    }

    /// Whether its sizes or its name may be others than they were.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Kind::Flipping | Kind::Renamed)
    }

    /// Whether an end that attaches there waits for the other one, or may.
    pub(crate) fn is_waited_at(self) -> bool {
        use Kind::{BeingMade, Crowded, Damaged, Flipping, Foreign, Leased, Locked, Renamed, Ring, Stale, Unfinished};
        matches!(
            self,
            Ring | Foreign | Stale | Crowded | Damaged | Flipping | Renamed | Leased | Locked | BeingMade | Unfinished
        )
    }

    /// How many there are at most, since each takes a descriptor, memory, or a system call again and again.
    fn most(self) -> usize {
        match self {
            Kind::Flipping | Kind::Renamed => 20,
            Kind::BeingMade => 5,
            Kind::Locked | Kind::Leased | Kind::Crowded => 200,
            _ => usize::MAX,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) name: OsString,
}

impl Object {
    fn path(&self) -> PathBuf {
        PathBuf::from(FOLDER).join(&self.name)
    }
}

/// All objects, and what keeps their locks and leases.
pub(crate) struct Objects {
    pub(crate) all: Vec<Object>,
    held: Vec<File>,
}

impl Objects {
    /// Chooses so many kinds: each once, and then by chance.
    pub(crate) fn kinds(count: u64, seed: u64) -> Vec<Kind> {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut kinds, mut counts) = (Kind::ALL.to_vec(), [1; Kind::ALL.len()]);
        while (kinds.len() as u64) < count {
            let kind = Kind::ALL[random.usize(..Kind::ALL.len())];
            if counts[kind as usize] < kind.most() {
                counts[kind as usize] += 1;
                kinds.push(kind);
            }
        }
        kinds
    }

    pub(crate) fn make(count: u64, seed: u64) -> Objects {
        // SAFETY: a signal that nothing here waits for is ignored from now on: it says that somebody asked for a lease.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut held = Vec::new();
        let mut all = Vec::new();
        for (at, kind) in Objects::kinds(count, seed).into_iter().enumerate() {
            let name = if kind == Kind::Name { hostile_name(at, &mut random) } else { format!("{kind:?}-{at}").into() };
            let object = Object { kind, name };
            make(&object, &mut random, &mut held);
            all.push(object);
        }
        Objects { all, held }
    }

    /// Changes what changes all the time, until that is ended.
    pub(crate) fn change(&self) -> Changes {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, objects) = (Arc::clone(&ended), self.all.clone());
        let thread = thread::spawn(move || {
            let kind = |kind| objects.iter().filter(move |object| object.kind == kind).map(Object::path);
            let flipped: Vec<(File, Vec<u8>)> = kind(Kind::Flipping)
                .map(|path| (OpenOptions::new().write(true).open(&path).unwrap(), fs::read(path).unwrap()))
                .collect();
            while !flag.load(Ordering::Relaxed) {
                for (file, bytes) in &flipped {
                    file.set_len(0).unwrap();
                    file.set_len(bytes.len() as u64).unwrap();
                    // There may be no memory for it.
                    let _ = file.write_all_at(bytes, 0);
                }
                for path in kind(Kind::Renamed) {
                    let other = path.with_extension("other");
                    let _ = fs::rename(&path, &other);
                    let _ = fs::rename(&other, &path);
                }
                thread::sleep(Duration::from_micros(200));
            }
        });
        Changes { ended, thread }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.held.clear();
    }
}

/// The changes that go on.
pub(crate) struct Changes {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Changes {
    pub(crate) fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Chooses a name that no ring can have, of parts that a terminal or a reader of text would obey.
fn hostile_name(at: usize, random: &mut fastrand::Rng) -> OsString {
    const PARTS: [&[u8]; 14] = [
        b"\x1b[2J",
        b"\x1b]0;title\x07",
        b"\n",
        b"\r",
        b"\t",
        b"\x7f",
        b"\xc2\x9b2J",
        b"\xe2\x80\xae",
        b"\xe2\x81\xa6",
        b"\xff",
        b"\xc3(",
        b" ",
        b"\"\\",
        b"{}'$(x)",
    ];
    let mut name = vec![b'x'; random.usize(1..60)];
    for _ in 0..random.usize(1..6) {
        name.extend_from_slice(PARTS[random.usize(..PARTS.len())]);
    }
    // Whatever it is made of, it has a blank.
    name.extend_from_slice(format!(" {at}").as_bytes());
    OsString::from_vec(name)
}

fn write_word(file: &File, offset: u64, value: u64) {
    file.write_all_at(&value.to_ne_bytes(), offset).unwrap();
}

fn create(object: &Object, mode: u32) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(object.path()).unwrap()
}

/// Makes a ring, of elements or messages, with what a terminal would obey in it.
fn ring(object: &Object, random: &mut fastrand::Rng) -> File {
    let options = Options::new(object.name.to_str().unwrap()).type_tag("\u{1b}[31m\u{202e}\u{9b}tag");
    if random.bool() {
        let mut tx = options.capacity(4096).message_producer().unwrap();
        for message in [&b"\x1b[2J\x1b]0;title\x07"[..], b"\xff\xfe\xe2\x80\xae", &[0x9b; 40], b""] {
            tx.push(message).unwrap();
        }
    } else {
        let mut tx = options.capacity(512).stream_producer::<u64>().unwrap();
        (0..random.u64(..512)).for_each(|_| tx.push(0x9b20_1b5b_324a_ae80).unwrap());
    }
    OpenOptions::new().read(true).write(true).open(object.path()).unwrap()
}

fn punch(file: &File, offset: u64) {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, 4096).unwrap();
}

/// Takes a lease for writing, which nobody else may have open.
fn lease(file: &File) {
    // SAFETY: the descriptor is open, and the command takes a number.
    let status = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
}

/// Locks every byte, that of each role and of the administration among them.
fn lock(file: File, held: &mut Vec<File>) {
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    held.push(file);
}

fn make(object: &Object, random: &mut fastrand::Rng, held: &mut Vec<File>) {
    match object.kind {
        Kind::Ring | Kind::Renamed => drop(ring(object, random)),
        Kind::Foreign | Kind::Flipping => {
            drop(ring(object, random));
            chown(object.path(), Some(NOBODY), None).unwrap();
            let mode = if random.bool() { 0o600 } else { 0o666 };
            fs::set_permissions(object.path(), Permissions::from_mode(mode)).unwrap();
        }
        Kind::Stale => write_word(&ring(object, random), PRODUCER_PRESENCE, 1),
        Kind::Crowded => {
            let options = Options::new(object.name.to_str().unwrap()).capacity(CROWDED).record_alignment(8);
            drop(options.message_producer().unwrap());
            let file = OpenOptions::new().write(true).open(object.path()).unwrap();
            // Each is the header of an empty message.
            file.write_all_at(&1_u64.to_ne_bytes().repeat(CROWDED / 8), DATA).unwrap();
            write_word(&file, PRODUCER_PRESENCE, 1);
        }
        Kind::Unfinished => create(object, 0o1600).set_len(random.u64(..3) * 4096).unwrap(),
        Kind::BeingMade => lock(create(object, 0o1600), held),
        Kind::Locked => {
            let name = object.name.to_str().unwrap();
            drop(Options::new(name).capacity(8).create_stream(Layout::new::<u64>()).unwrap());
            let file = OpenOptions::new().read(true).write(true).open(object.path()).unwrap();
            lock(file, held);
        }
        Kind::HeaderHole => punch(&ring(object, random), 0),
        Kind::DataHole => punch(&ring(object, random), 4096),
        Kind::Huge => {
            let name = object.name.to_str().unwrap();
            drop(Options::new(name).capacity(8).create_stream(Layout::new::<u8>()).unwrap());
            let file = OpenOptions::new().write(true).open(object.path()).unwrap();
            write_word(&file, CAPACITY, 64 << 30);
            write_word(&file, SEGMENT_LENGTH, 4096 + (64 << 30));
            write_word(&file, TAIL, random.u64(..));
            file.set_len(4096 + (64 << 30)).unwrap();
        }
        Kind::Sparse => create(object, 0o600).set_len(1 << random.u32(..40)).unwrap(),
        Kind::Leased => {
            drop(ring(object, random));
            let file = OpenOptions::new().read(true).write(true).open(object.path()).unwrap();
            lease(&file);
            held.push(file);
        }
        Kind::Damaged => {
            let file = ring(object, random);
            for _ in 0..random.u32(1..4) {
                let value = if random.bool() { random.u64(..) } else { random.u64(..64) };
                write_word(&file, 8 * random.u64(..HEADER / 8), value);
            }
            // It must not be taken for one whose holder was killed, which may be removed.
            write_word(&file, PRODUCER_PRESENCE, 2);
            write_word(&file, PRODUCER_PRESENCE + 0x80, 2);
        }
        Kind::OtherVersion => write_word(&ring(object, random), 8, 1 + 4 * random.u64(1..9)),
        Kind::Empty => drop(create(object, 0o600)),
        Kind::Zeros => create(object, 0o600).write_all_at(&[0; 8192], 0).unwrap(),
        Kind::LateData => create(object, 0o600).write_all_at(&[7; 16], 8192).unwrap(),
        Kind::Noise | Kind::Name => {
            let mut bytes = vec![0; random.usize(1..5000)];
            random.fill(&mut bytes);
            bytes[0] |= 1;
            create(object, 0o600).write_all_at(&bytes, 0).unwrap();
        }
        Kind::Folder => fs::create_dir(object.path()).unwrap(),
        Kind::Fifo => mknodat(CWD, object.path(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
        Kind::Link => symlink(if random.bool() { "/etc/passwd" } else { "nothing" }, object.path()).unwrap(),
        Kind::Socket => drop(std::os::unix::net::UnixListener::bind(object.path()).unwrap()),
    }
}
