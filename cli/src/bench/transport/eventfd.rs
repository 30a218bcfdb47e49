//! Messages in shared memory, each of them announced through an eventfd: what one builds by hand from the kernel's
//! parts.
//!
//! Each direction has an area of slots, an eventfd that counts the messages in it, and one that counts the slots that
//! were given back. The sender announces every message. The receiver takes all that is announced with one read, and
//! gives slots back a quarter of the area at a time. Where it sleeps it does so in `poll`, which also hears of the
//! other process's end.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use memmap2::MmapRaw;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use super::side::{Created, Left, first, second};
use crate::bench::idle::Idle;
use crate::bench::plan::{Case, Test};
use crate::bench::station::{Receiver, Sender, Station};
use crate::bench::wait::Wait;

/// Bytes of the slots in one direction: as many as a pipe holds.
const AREA: usize = 65536;

/// A number that one side adds to, and the other takes.
struct Counter {
    descriptor: OwnedFd,
    wait: Wait,
    idle: Idle,
}

impl Counter {
    #[inline]
    fn add(&self, count: u64) -> Result<()> {
        loop {
            match rustix::io::write(&self.descriptor, &count.to_ne_bytes()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot write to an eventfd"),
            }
        }
    }

    /// Waits for a number above 0, and takes all of it.
    #[inline]
    fn take(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        loop {
            match rustix::io::read(&self.descriptor, &mut bytes) {
                Ok(_) => return Ok(u64::from_ne_bytes(bytes)),
                Err(Errno::AGAIN) if self.wait == Wait::Spin => self.idle.wait()?,
                Err(Errno::AGAIN) => self.idle.sleep(self.descriptor.as_fd())?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot read from an eventfd"),
            }
        }
    }
}

/// One side of one direction.
struct Way<const WORDS: usize> {
    area: MmapRaw,
    filled: Counter,
    free: Counter,
    /// Of the slot that is next.
    index: usize,
    /// Slots that this side may use.
    available: u64,
    /// Slots that the receiver has yet to give back.
    owed: u64,
}

/// What opens a direction: the area, the count of messages, the count of free slots.
const PARTS: usize = 3;

fn parts() -> Result<[OwnedFd; PARTS]> {
    let area = memfd_create("ringmain-bench", MemfdFlags::CLOEXEC).context("cannot create shared memory")?;
    let area = File::from(area);
    area.set_len(AREA as u64).context("cannot size shared memory")?;
    let counter = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context("cannot create an eventfd");
    Ok([area.into(), counter()?, counter()?])
}

impl<const WORDS: usize> Way<WORDS> {
    const SLOTS: usize = AREA / (WORDS * 8);

    /// Opens a side that has so many slots to begin with: the sender all, the receiver none.
    fn open([area, filled, free]: [OwnedFd; PARTS], available: usize, wait: Wait, idle: &Idle) -> Result<Self> {
        let area = MmapRaw::map_raw(&area).context("cannot map shared memory")?;
        ensure!(area.len() >= AREA, "shared memory has {} bytes, expected {AREA}", area.len());
        let counter = |descriptor| Counter { descriptor, wait, idle: idle.clone() };
        Ok(Self { area, filled: counter(filled), free: counter(free), index: 0, available: available as u64, owed: 0 })
    }

    /// Returns the next slot, and goes on to the one after it.
    #[inline]
    fn next(&mut self) -> *mut [u64; WORDS] {
        let slot = self.area.as_mut_ptr().wrapping_add(self.index * WORDS * 8).cast();
        self.index = (self.index + 1) % Self::SLOTS;
        slot
    }
}

struct Announce<const WORDS: usize>(Way<WORDS>);

impl<const WORDS: usize> Sender<WORDS> for Announce<WORDS> {
    #[allow(unsafe_code, reason = "a copy into a mapping")]
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        if self.0.available == 0 {
            self.0.available = self.0.free.take()?;
        }
        self.0.available -= 1;
        let slot = self.0.next();
        // SAFETY: `next` stays within the AREA bytes of the mapping and at multiples of a message's size; the receiver
        // gave this slot back through an eventfd, or never had it, and does not touch it before it is announced.
        unsafe { slot.copy_from_nonoverlapping(message, 1) };
        self.0.filled.add(1)
    }
}

struct Observe<const WORDS: usize>(Way<WORDS>);

impl<const WORDS: usize> Receiver<WORDS> for Observe<WORDS> {
    #[allow(unsafe_code, reason = "a copy out of a mapping")]
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        if self.0.available == 0 {
            self.0.available = self.0.filled.take()?;
        }
        self.0.available -= 1;
        let slot = self.0.next();
        // SAFETY: `next` stays within the AREA bytes of the mapping and at multiples of a message's size; the sender
        // announced this slot through an eventfd, and does not touch it before it is given back.
        unsafe { slot.copy_to_nonoverlapping(message, 1) };
        self.0.owed += 1;
        if self.0.owed >= (Way::<WORDS>::SLOTS as u64).div_ceil(4) {
            self.0.free.add(self.0.owed)?;
            self.0.owed = 0;
        }
        Ok(())
    }
}

pub(super) fn create<const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let (mut descriptors, from_peer) = doubled()?;
    let receiver = Observe(Way::<WORDS>::open(from_peer, 0, case.wait, &idle)?);
    let station = first(case.test, receiver, || {
        let (theirs, to_peer) = doubled()?;
        descriptors.extend(theirs);
        Ok(Announce(Way::<WORDS>::open(to_peer, Way::<WORDS>::SLOTS, case.wait, &idle)?))
    })?;
    debug_assert_eq!(descriptors.len(), if case.test == Test::Rtt { 2 * PARTS } else { PARTS });
    Ok(Created { station, descriptors })
}

/// Makes the parts of a direction, for either process.
fn doubled() -> Result<(Vec<OwnedFd>, [OwnedFd; PARTS])> {
    let parts = parts()?;
    let theirs = parts.iter().map(OwnedFd::try_clone).collect::<Result<_, _>>().context("cannot copy a descriptor")?;
    Ok((theirs, parts))
}

pub(super) fn attach<const WORDS: usize>(case: Case, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let parts = [left.descriptor()?, left.descriptor()?, left.descriptor()?];
    let sender = Announce(Way::<WORDS>::open(parts, Way::<WORDS>::SLOTS, case.wait, &idle)?);
    let receiver = || {
        let parts = [left.descriptor()?, left.descriptor()?, left.descriptor()?];
        Ok(Observe(Way::<WORDS>::open(parts, 0, case.wait, &idle)?))
    };
    second(case, sender, receiver, idle.clone())
}
