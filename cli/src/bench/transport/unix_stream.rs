//! One pair of connected unix stream sockets, with the kernel's default buffers, for both directions.

use std::os::unix::net::UnixStream;

use anyhow::Result;

use super::blocking::Blocking;
use super::{Created, Left};
use crate::bench::plan::Test;
use crate::bench::station::{Ping, Pong, Sink, Source, Station};

pub(super) fn create<const WORDS: usize>(test: Test) -> Result<Created> {
    let (ours, theirs) = UnixStream::pair()?;
    let station: Box<dyn Station> = match test {
        Test::Rtt => {
            let sender = Blocking(ours.try_clone()?);
            Box::new(Ping::<_, _, WORDS>::new(sender, Blocking(ours)))
        }
        Test::Throughput => Box::new(Sink::<_, WORDS>::new(Blocking(ours))),
    };
    Ok(Created { station, descriptors: vec![theirs.into()], rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(test: Test, mut left: Left) -> Result<Box<dyn Station>> {
    let socket = UnixStream::from(left.descriptor()?);
    Ok(match test {
        Test::Rtt => {
            let sender = Blocking(socket.try_clone()?);
            Box::new(Pong::<_, _, WORDS>::new(sender, Blocking(socket)))
        }
        Test::Throughput => Box::new(Source::<_, WORDS>::new(Blocking(socket))),
    })
}
