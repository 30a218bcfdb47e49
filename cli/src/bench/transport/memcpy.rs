//! One process that copies each message into a ring of buffers and out again: what moving the bytes costs by itself.
//!
//! The other process has nothing to do. A message is filled, copied in, copied out and checked by the same loops as
//! everywhere, one after the other on one processor, in as much memory as a ring has.

use std::hint::black_box;

use anyhow::{Result, bail};

use super::side::Created;
use crate::bench::message::{Incoming, Outgoing};
use crate::bench::plan::Test;
use crate::bench::station::Station;

/// Bytes of buffers: as many as a ring has in its data area.
const FOOTPRINT: usize = 512 * 1024;

/// A ring of buffers, and both ends of it.
struct Way<const WORDS: usize> {
    buffers: Vec<[u64; WORDS]>,
    next: usize,
    outgoing: Outgoing<WORDS>,
    incoming: Incoming<WORDS>,
}

impl<const WORDS: usize> Way<WORDS> {
    fn new() -> Self {
        let buffers = vec![[0; WORDS]; FOOTPRINT / (WORDS * 8)];
        Self { buffers, next: 0, outgoing: Outgoing::new(), incoming: Incoming::new() }
    }

    #[inline]
    fn carry(&mut self) -> Result<()> {
        let copy = &mut self.buffers[self.next];
        self.next = (self.next + 1) % (FOOTPRINT / (WORDS * 8));
        // Without these, the compiler would see that nobody else looks at the copies.
        self.outgoing.next(|message| *black_box(&mut *copy) = *message);
        let Incoming { buffer, check } = &mut self.incoming;
        **buffer = *black_box(&*copy);
        check.message(black_box(buffer))
    }
}

/// Both ways of a round trip, or one.
struct Copies<const WORDS: usize>(Vec<Way<WORDS>>);

impl<const WORDS: usize> Station for Copies<WORDS> {
    #[inline]
    fn step(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Way::carry)
    }

    fn finish(&self) -> Result<()> {
        self.0.iter().try_for_each(|way| way.incoming.check.finish())
    }
}

pub(super) fn create<const WORDS: usize>(test: Test) -> Result<Created> {
    let ways = match test {
        Test::Rtt => 2,
        Test::Throughput => 1,
        Test::Waitset | Test::Paced | Test::Idle => bail!("copies within one process are not under way"),
    };
    let station = Box::new(Copies::<WORDS>((0..ways).map(|_| Way::new()).collect()));
    Ok(Created { station, descriptors: Vec::new() })
}
