//! Pipes of the kernel's default capacity, one in each direction that a test needs.

use std::io::{PipeReader, PipeWriter, pipe};

use anyhow::Result;

use super::blocking::Blocking;
use super::{Created, Left};
use crate::bench::plan::Test;
use crate::bench::station::{Ping, Pong, Sink, Source, Station};

pub(super) fn create<const WORDS: usize>(test: Test) -> Result<Created> {
    let (from_peer, their_sender) = pipe()?;
    let receiver = Blocking(from_peer);
    let mut descriptors = vec![their_sender.into()];
    let station: Box<dyn Station> = match test {
        Test::Rtt => {
            let (their_receiver, to_peer) = pipe()?;
            descriptors.push(their_receiver.into());
            Box::new(Ping::<_, _, WORDS>::new(Blocking(to_peer), receiver))
        }
        Test::Throughput => Box::new(Sink::<_, WORDS>::new(receiver)),
    };
    Ok(Created { station, descriptors, rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(test: Test, mut left: Left) -> Result<Box<dyn Station>> {
    let sender = Blocking(PipeWriter::from(left.descriptor()?));
    Ok(match test {
        Test::Rtt => {
            let receiver = Blocking(PipeReader::from(left.descriptor()?));
            Box::new(Pong::<_, _, WORDS>::new(sender, receiver))
        }
        Test::Throughput => Box::new(Source::<_, WORDS>::new(sender)),
    })
}
