//! An event loop of the system's.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// An epoll.
pub(crate) struct Events(OwnedFd);

impl Events {
    pub(crate) fn new() -> Events {
        Events(epoll::create(epoll::CreateFlags::CLOEXEC).unwrap())
    }

    /// Waits for this descriptor to be readable, by level or by edge. Its events have this number.
    pub(crate) fn watch(&self, source: &impl AsFd, number: u64, by_edge: bool) {
        let edge = if by_edge { epoll::EventFlags::ET } else { epoll::EventFlags::empty() };
        epoll::add(&self.0, source, epoll::EventData::new_u64(number), epoll::EventFlags::IN | edge).unwrap();
    }

    /// Waits for events, and returns their numbers; none if the limit is over.
    pub(crate) fn wait(&self, limit: Duration) -> Vec<u64> {
        let (start, mut events) = (Instant::now(), Vec::with_capacity(64));
        loop {
            let left = limit.saturating_sub(start.elapsed());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match epoll::wait(&self.0, spare_capacity(&mut events), Some(&left)) {
                Err(Errno::INTR) => {}
                waited => {
                    waited.unwrap();
                    return events.iter().map(|event| event.data.u64()).collect();
                }
            }
        }
    }
}
