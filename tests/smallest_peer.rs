//! The smallest correct peer of `docs/format.md`, written from that document alone, against the library: a mapping,
//! atomic words, a fence with each publication, and never `membarrier`. A language that promises no order of
//! instructions has no more than that.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::thread;
use std::time::Duration;

use common::ends::{End, LONG, for_each_end, move_late};
use common::hostile::Words;
use common::messages::{header, size};
use common::{Child, Part, Random, Ring, SLICE, is_locked, lock_role, path, seed, word};
use ringmain::{Role, Wait, WaitError, message};

/// Where the slots of the roles begin, and where the words of a slot lie in it.
const SLOTS: [u64; 2] = [0x0080, 0x0100];
const PID: u64 = 0x08;
const STARTED: u64 = 0x10;
const NAMESPACE: u64 = 0x18;
const PARKING: u64 = 0x20;
const WAKES: u64 = 0x28;
const WANTED: u64 = 0x30;
/// In the consumer's slot: told.
const NEEDED: u64 = 0x38;

/// The type ids of the document: of elements of 8 bytes, and of messages.
const TYPE_IDS: [u64; 2] = [0x083a_95b1_a22d_d565, 0x581c_d0fa_58d9_9645];

/// What was published, and what it is compared with.
#[derive(Clone, Copy, PartialEq)]
enum News {
    Position,
    Pause,
    Presence,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Never,
    Alive,
    Left,
    Crashed,
}

/// One end that moves numbers, each an element or a message of 8 bytes.
struct Peer {
    words: Words,
    /// Holds no lock.
    questions: File,
    /// Holds the role. This process forks nobody, so the descriptor may stay open.
    _lock: File,
    role: Role,
    data: u64,
    capacity: u64,
    /// The record alignment; 0 in a stream ring.
    align: u64,
    position: u64,
    /// The position of the other end that was loaded last.
    known: u64,
    generation: u64,
    wakes: u64,
    parking: u64,
    answered: u64,
    /// The last generation of the other role whose end does not concern this one.
    past: u64,
    sleeps: u64,
    /// Sleeps that lasted to their end though there was something.
    late: u64,
}

fn other(role: Role) -> Role {
    if role == Role::Producer { Role::Consumer } else { Role::Producer }
}

/// Returns whether position `a` is at or past `b`.
fn is_past(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) < 1 << 63
}

/// Returns the half of a word that is a futex.
fn futex(word: &AtomicU64) -> *const AtomicU32 {
    let half: *const AtomicU32 = ptr::from_ref(word).cast();
    half.wrapping_add(if cfg!(target_endian = "little") { 0 } else { 1 })
}

impl Peer {
    /// Attaches to a ring that is made already.
    fn attach(name: &str, role: Role) -> Peer {
        let open = || File::options().read(true).write(true).open(path(name)).unwrap();
        let (questions, lock) = (open(), open());
        let words = Words::of(&path(name));
        assert_eq!(words.at(word::MAGIC).load(Ordering::Acquire), 0x4e49_414d_474e_4952);
        assert_eq!(
            [word::LAYOUT_VERSION, word::INCOMPATIBLE, word::READ_ONLY_COMPATIBLE].map(|at| words.read(at)),
            [4, 0, 0]
        );
        let (kind, align, capacity) =
            (words.read(word::KIND), words.read(word::RECORD_ALIGN), words.read(word::CAPACITY));
        let (data, element) = (words.read(word::DATA_OFFSET), words.read(word::ELEMENT_SIZE));
        let page = if kind == 2 { rustix::param::page_size() as u64 } else { 4096 };
        assert!(capacity.is_power_of_two() && data == page.max(4096) && words.len() == data + capacity * element);
        assert_eq!([words.read(word::TYPE_ID), words.read(word::TAG_LENGTH)], [TYPE_IDS[kind as usize - 1], 0]);
        assert!([(1, 0, 8), (2, 8, 1), (2, 16, 1), (2, 32, 1), (2, 64, 1)].contains(&(kind, align, element)));
        lock_role(&lock, role);
        // The name may stand for another object by now; the test removes none.
        assert_eq!(fs::metadata(path(name)).unwrap().ino(), lock.metadata().unwrap().ino());

        let own_position = if role == Role::Producer { word::TAIL } else { word::HEAD };
        let position = words.read(own_position);
        let (generation, wakes, parking, answered, past) = (0, 0, 0, 0, 0);
        let (sleeps, late, known, _lock) = (0, 0, position, lock);
        #[rustfmt::skip]
        let mut peer = Peer {
            words, questions, _lock, role, data, capacity, align, position, known, generation, wakes, parking, answered,
            past, sleeps, late,
        };
        peer.enter();
        peer
    }

    /// Comes to the role that it has locked.
    fn enter(&mut self) {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
        let notes = [u64::from(std::process::id()), started, fs::metadata("/proc/self/ns/pid").unwrap().ino()];
        for (at, note) in [PID, STARTED, NAMESPACE].into_iter().zip(notes) {
            self.own(at).store(note, Ordering::Relaxed);
        }
        if self.role == Role::Producer {
            self.known = self.position.wrapping_sub(self.most());
            if self.align > 0 {
                self.walk();
            }
        }
        self.wakes = self.own(WAKES).load(Ordering::Relaxed) | 1;
        self.own(WAKES).store(self.wakes, Ordering::Release);
        fence(Ordering::SeqCst);
        let parking = self.own(PARKING).load(Ordering::Relaxed);
        self.parking = (parking + (parking & 2)) | 1;
        self.own(PARKING).store(self.parking, Ordering::Relaxed);
        self.is_ready();
        self.generation = self.own(0).load(Ordering::Relaxed).div_ceil(2) + 1;
        self.own(0).store(2 * self.generation - 1, Ordering::Release);
        self.publish(News::Presence);
        // Who is there is found out first, and then whether there is something to read.
        let (state, generation) = (self.state(), self.presence().div_ceil(2));
        let is_told =
            self.role == Role::Producer || (!self.is_ready() && self.own(NEEDED).load(Ordering::Relaxed) >= generation);
        self.past = if state != State::Alive && is_told { generation } else { generation.saturating_sub(1) };
    }

    /// Goes over the records that a producer before this one made visible, and did not count.
    fn walk(&mut self) {
        let (stored, mut room) = (self.position, self.most());
        while room > 0 && self.at(self.position).load(Ordering::Relaxed) != 0 {
            let size = self.record(self.at(self.position).load(Ordering::Relaxed));
            assert!(size <= room, "records of more than {room} bytes");
            self.position = self.position.wrapping_add(size);
            room -= size;
        }
        if self.position != stored {
            self.words.at(word::TAIL).store(self.position, Ordering::Release);
        }
    }

    /// A word of the own slot.
    fn own(&self, at: u64) -> &AtomicU64 {
        self.words.at(SLOTS[usize::from(self.role == Role::Consumer)] + at)
    }

    /// A word of the other slot.
    fn others(&self, at: u64) -> &AtomicU64 {
        self.words.at(SLOTS[usize::from(self.role == Role::Producer)] + at)
    }

    fn presence(&self) -> u64 {
        self.others(0).load(Ordering::Acquire)
    }

    /// The word of the data area at a position.
    fn at(&self, position: u64) -> &AtomicU64 {
        let index = position % self.capacity;
        self.words.at(self.data + if self.align == 0 { 8 * index } else { index })
    }

    /// How far the tail can be ahead of the head.
    fn most(&self) -> u64 {
        self.capacity - self.align
    }

    /// How far a number moves a position.
    fn size(&self) -> u64 {
        if self.align == 0 { 1 } else { size(self.align, 8) }
    }

    /// Returns the size of the record of this header, which is checked.
    fn record(&self, found: u64) -> u64 {
        assert!(found % 256 == 1 && found >> 8 < self.capacity, "the header {found:#x}");
        let size = size(self.align, found >> 8);
        assert!(size <= self.most(), "the header {found:#x}");
        size
    }

    /// Stores the own position, which has moved, and wakes the other end.
    fn advance(&mut self) {
        self.position = self.position.wrapping_add(self.size());
        let word = if self.role == Role::Producer { word::TAIL } else { word::HEAD };
        self.words.at(word).store(self.position, Ordering::Release);
        self.publish(News::Position);
    }

    fn publish(&mut self, news: News) {
        fence(Ordering::SeqCst);
        let mut parking = self.others(PARKING).load(Ordering::Relaxed);
        if parking == self.answered {
            return;
        }
        if parking & 2 != 0 && news != News::Presence {
            parking = self.others(PARKING).load(Ordering::Acquire);
            let goal = self.others(if news == News::Pause { NEEDED } else { WANTED }).load(Ordering::Relaxed);
            if parking & 2 != 0 && !is_past(self.position, goal) {
                return;
            }
        }
        self.answered = parking;
        if parking & 2 != 0 {
            self.wakes += 2;
            self.own(WAKES).store(self.wakes, Ordering::Release);
            // SAFETY: the kernel compares no more than the address of a word that is mapped for longer than the call.
            unsafe { libc::syscall(libc::SYS_futex, futex(self.own(WAKES)), libc::FUTEX_WAKE, i32::MAX) };
        }
    }

    /// Loads a position of the other end, and checks that it went on from the last one and not beyond a limit.
    fn load(&mut self, at: u64, limit: u64) -> u64 {
        let found = self.words.at(at).load(Ordering::Acquire);
        let is_possible = found.wrapping_sub(self.known) <= limit.wrapping_sub(self.known);
        assert!(is_possible && found % self.align.max(1) == 0, "{found} at {at:#x}, beyond {limit}");
        self.known = found;
        found
    }

    /// Returns whether there is room, or something to read.
    fn is_ready(&mut self) -> bool {
        if self.role == Role::Producer {
            let used = self.position.wrapping_sub(self.load(word::HEAD, self.position));
            return self.most() - used >= self.size();
        }
        if self.align == 0 {
            return self.load(word::TAIL, self.position.wrapping_add(self.capacity)) != self.position;
        }
        // By the header alone.
        let found = self.at(self.position).load(Ordering::Acquire);
        found != 0 && self.record(found) > 0
    }

    /// Finds out who is at the other end. The notes of a holder are not looked at: such a one counts as alive.
    fn state(&self) -> State {
        for _ in 0..8 {
            let presence = self.presence();
            match presence {
                0 => return State::Never,
                _ if presence % 2 == 0 => return State::Left,
                _ if is_locked(&self.questions, other(self.role)) => return State::Alive,
                _ if self.presence() == presence => return State::Crashed,
                _ => {}
            }
        }
        State::Alive
    }

    /// Waits until it is ready, or the other end is told to have ended.
    fn wait(&mut self) -> Result<(), State> {
        while !self.is_ready() {
            let seen = self.presence();
            let state = self.state();
            if self.is_ready() {
                break;
            }
            let generation = seen.div_ceil(2);
            if matches!(state, State::Left | State::Crashed) && generation > self.past {
                if self.role == Role::Consumer {
                    self.own(NEEDED).store(generation, Ordering::Relaxed);
                }
                return Err(state);
            }
            self.sleep(seen);
        }
        Ok(())
    }

    fn sleep(&mut self, seen: u64) {
        if self.role == Role::Consumer {
            self.publish(News::Pause);
            self.own(WANTED).store(self.position.wrapping_add(self.align.max(1)), Ordering::Relaxed);
        } else {
            let goal = self.position.wrapping_add(self.size()).wrapping_sub(self.most());
            self.own(NEEDED).store(goal, Ordering::Relaxed);
            self.own(WANTED).store(goal, Ordering::Relaxed);
        }
        let wakes = self.others(WAKES).load(Ordering::Acquire);
        self.parking += 2;
        self.own(PARKING).store(self.parking, Ordering::Release);
        fence(Ordering::SeqCst);
        if !self.is_ready() && self.presence() == seen {
            let limit = if wakes & 1 == 1 { SLICE } else { Duration::from_millis(1) };
            let time = libc::timespec { tv_sec: 0, tv_nsec: limit.as_nanos() as libc::c_long };
            let futex = futex(self.others(WAKES));
            // SAFETY: the kernel reads a word that is mapped for longer than the call, and the time.
            let status =
                unsafe { libc::syscall(libc::SYS_futex, futex, libc::FUTEX_WAIT, wakes as u32, ptr::from_ref(&time)) };
            let timed_out = status == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT);
            self.sleeps += 1;
            self.late += u64::from(timed_out && limit == SLICE && self.is_ready());
        }
        self.parking += 2;
        self.own(PARKING).store(self.parking, Ordering::Relaxed);
    }

    /// Sends this number, or receives one and checks that it is this.
    fn go(&mut self, number: u64) -> Result<(), State> {
        self.wait()?;
        let payload = match self.align {
            0 => 0,
            8 => 8,
            _ => 16,
        };
        let payload = self.at(self.position.wrapping_add(payload));
        if self.role == Role::Consumer {
            let found = self.at(self.position).load(Ordering::Relaxed);
            assert!(self.align == 0 || found == header(8), "the header {found:#x}");
            assert_eq!(payload.load(Ordering::Relaxed), number, "came, expected");
        } else {
            payload.store(number, Ordering::Relaxed);
            if self.align > 8 {
                self.at(self.position.wrapping_add(8)).store(0, Ordering::Relaxed);
            }
            if self.align > 0 {
                self.at(self.position.wrapping_add(self.size())).store(0, Ordering::Relaxed);
                self.at(self.position).store(header(8), Ordering::Release);
            }
        }
        self.advance();
        Ok(())
    }

    fn leave(mut self) {
        let last = self.presence().div_ceil(2);
        if self.role == Role::Consumer && last > self.past {
            self.own(NEEDED).store(last, Ordering::Relaxed);
        }
        self.own(PARKING).store(self.parking & !1, Ordering::Relaxed);
        self.own(0).store(2 * self.generation, Ordering::Release);
        self.publish(News::Presence);
    }
}

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("peer", peer)]);
}

/// Moves numbers with pauses, in the phases in which the other end makes none, and hears how a producer ends.
fn peer(part: &mut Part) {
    let role = if part.argument::<bool>(0) { Role::Producer } else { Role::Consumer };
    let (count, seed): (u64, u64) = (part.argument(1), part.argument(2));
    let mut peer = Peer::attach(part.name(), role);
    part.say("attached");
    let random = Random::seeded(seed);
    for number in 0..count {
        peer.go(number).unwrap();
        if number / 1024 % 2 == u64::from(role == Role::Consumer) && random.below(64) == 0 {
            thread::sleep(Duration::from_micros(random.below(200)));
        }
    }
    part.say(format!("{} {}", peer.sleeps, peer.late));
    part.hear();
    if role == Role::Consumer {
        // Whoever was told is told again.
        (0..2).for_each(|_| assert_eq!(peer.go(count), Err(State::Left)));
    }
    peer.leave();
    part.say("left");
}

#[test]
fn the_smallest_peer_of_the_document_moves_numbers_sleeps_and_is_told() {
    fn check<P: End>(align: usize) {
        let (ring, seed) = (Ring::new(), seed());
        let options = ring.options().capacity(8).record_alignment(align);
        let mut sleeps = [0; 2];
        for (run, strategy, count) in [(1, Wait::Park, 30_000), (2, Wait::SpinThenPark, 10_000)] {
            let attach = || P::attach(&options.clone().wait(strategy)).unwrap();
            let start = || {
                let mut peer =
                    Child::start("peer", ring.name(), &[&(P::ROLE == Role::Consumer), &count, &(seed + run)]);
                peer.says("attached");
                peer
            };
            // Either end may come first; the first of all makes the ring.
            let (peer, end) = if run == 1 { (None, attach()) } else { (Some(start()), attach()) };
            let (mut end, mut peer) = (end, peer.unwrap_or_else(start));
            assert_eq!((end.generation(), end.peer_generation()), (run, run));
            move_late(&mut end, 0..count, seed, 20);
            let said = peer.hear();
            let (slept, late) = said.split_once(' ').unwrap();
            let late: u64 = late.parse().unwrap();
            assert!(late <= 20, "the peer slept to the end of {late} slices");
            sleeps[0] += slept.parse::<u64>().unwrap();
            peer.say("leave");
            if P::ROLE == Role::Consumer {
                (0..2).for_each(|_| assert_eq!(end.go(count, Some(LONG)), Err(WaitError::Closed)));
            }
            end.close();
            peer.says("left");
            peer.join();
            sleeps[1] = ring.word(P::PARKING) / 4;
        }
        assert!(sleeps.iter().all(|&sleeps| sleeps > 10), "the peer and the library slept {sleeps:?} times");
        // Nobody asks for fences any more.
        assert_eq!([ring.word(P::PARKING) & 3, ring.word(P::Peer::PARKING) & 3], [0, 0]);
    }
    for_each_end!(check, 8);
    check::<message::Producer>(64);
    check::<message::Consumer>(64);
}
