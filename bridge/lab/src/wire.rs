//! A wire that delays, loses, repeats and reorders packets: what netem does, which not every kernel has.
//!
//! Each end is a tun device in its namespace. Two threads carry packets from one to the other, each packet when it is
//! due. A packet that is due before one that was sent earlier overtakes it.

#![allow(unsafe_code, reason = "a tun device is asked for by ioctl")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::space::Space;

/// How bad a wire is, in each direction.
#[derive(Debug, Clone, Copy)]
pub struct Badness {
    /// How long each packet takes at least.
    pub delay: Duration,
    /// How much longer it may take: a packet is overtaken by those that take less.
    pub jitter: Duration,
    /// How many of a thousand packets are lost.
    pub lost: u32,
    /// How many of a thousand come twice.
    pub repeated: u32,
}

impl Badness {
    /// Draws one: as often an even delay as packets that overtake each other, and up to a twentieth of them lost.
    pub(crate) fn draw(rng: &mut Rng) -> Badness {
        let mut milliseconds = || Duration::from_micros(rng.u64(..=20_000));
        let (delay, jitter) = (milliseconds(), milliseconds());
        let jitter = if rng.bool() { jitter } else { Duration::ZERO };
        Badness { delay, jitter, lost: rng.u32(..=50), repeated: rng.u32(..=20) }
    }
}

/// What a wire has done.
#[derive(Debug, Default)]
struct Carried {
    carried: AtomicU64,
    lost: AtomicU64,
    repeated: AtomicU64,
    overtaken: AtomicU64,
}

/// A wire between two namespaces, until it is dropped.
#[derive(Debug)]
pub struct Wire {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: Arc<Carried>,
}

/// The longest packet that a device hands over.
const LONGEST: usize = 1 << 16;

/// How often a thread that has nothing to do looks whether it shall stop.
const SLICE: Duration = Duration::from_millis(50);

/// Packets that wait for their time. More are lost, as at any full queue.
const MOST: usize = 10_000;

impl Wire {
    /// Lays a wire between two namespaces: a device of this name at each end, with an address (`1.2.3.4/24`).
    ///
    /// # Errors
    /// - there is no /dev/net/tun, or this process is not root
    pub fn lay(device: &str, ends: [(&Space, &str); 2], badness: Badness, seed: u64) -> Result<Wire> {
        let mut files = Vec::new();
        for (space, address) in ends {
            let name = device.to_owned();
            files.push(Arc::new(space.within(move || tun(&name))?));
            space.ip(&format!("addr add {address} dev {device}"))?;
            space.ip(&format!("link set {device} up"))?;
        }
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Carried::default()));
        let mut rngs = Rng::with_seed(seed);
        let directions = [(0, 1), (1, 0)].map(|(from, to)| {
            let (from, to) = (Arc::clone(&files[from]), Arc::clone(&files[to]));
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            let rng = rngs.fork();
            thread::spawn(move || carry(&from, &to, badness, rng, &stop, &counts))
        });
        Ok(Wire { stop, threads: directions.into(), counts })
    }

    /// Returns how many packets it has carried, lost, repeated, and how many were overtaken, so far.
    #[must_use]
    pub fn counts(&self) -> [u64; 4] {
        let Carried { carried, lost, repeated, overtaken } = &*self.counts;
        [carried, lost, repeated, overtaken].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic there was printed.
            let _ = thread.join();
        }
    }
}

/// Makes a device of this name, which hands over whole packets.
fn tun(name: &str) -> Result<File> {
    let path = "/dev/net/tun";
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.with_context(|| format!("cannot open {path}"))?;
    // SAFETY: it is plain data, for which zeros are values.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()).take(libc::IFNAMSIZ - 1) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: it reads and writes the request, which is borrowed for the call.
    let status = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    anyhow::ensure!(status == 0, "cannot make the device {name}: {}", io::Error::last_os_error());
    Ok(file)
}

fn carry(from: &File, to: &File, badness: Badness, mut rng: Rng, stop: &AtomicBool, counts: &Carried) {
    let mut waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let (mut number, mut last) = (0, 0);
    let mut buffer = vec![0; LONGEST];
    let count = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        let due = waiting.peek().map_or(SLICE, |Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
        let limit = Timespec::try_from(due.min(SLICE)).expect("a short time");
        // An interrupted wait is as good as one that ended.
        let _ = poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&limit));
        // A device that is down has nothing, or says so: either way there is no packet.
        while let Ok(len) = (&*from).read(&mut buffer) {
            if rng.u32(..1000) < badness.lost || waiting.len() >= MOST {
                count(&counts.lost);
                continue;
            }
            let times = if rng.u32(..1000) < badness.repeated { 2 } else { 1 };
            counts.repeated.fetch_add(times - 1, Ordering::Relaxed);
            for _ in 0..times {
                let jitter = badness.jitter.mul_f64(rng.f64());
                waiting.push(Reverse((Instant::now() + badness.delay + jitter, number, buffer[..len].to_vec())));
                number += 1;
            }
        }
        while waiting.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
            let Some(Reverse((_, number, packet))) = waiting.pop() else { break };
            if number < last {
                count(&counts.overtaken);
            }
            last = last.max(number);
            // One that the other end does not take is lost, as on any wire.
            count(if (&*to).write(&packet).is_ok_and(|len| len == packet.len()) {
                &counts.carried
            } else {
                &counts.lost
            });
        }
    }
}
