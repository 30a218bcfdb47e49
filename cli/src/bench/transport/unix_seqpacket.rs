//! One pair of connected unix sockets that keep messages apart, with the kernel's default buffers, for both directions.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::{Created, Left};
use crate::bench::plan::Test;
use crate::bench::station::{Ping, Pong, Receiver, Sender, Sink, Source, Station};

/// Sends and receives one packet per message, and sleeps in the kernel.
struct Packets(OwnedFd);

impl<const WORDS: usize> Sender<WORDS> for Packets {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        let bytes = bytemuck::bytes_of(message);
        let sent = retry_on_intr(|| send(&self.0, bytes, SendFlags::NOSIGNAL)).context("cannot send a packet")?;
        ensure!(sent == bytes.len(), "a packet of {} bytes was cut to {sent}", bytes.len());
        Ok(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> for Packets {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        let bytes = bytemuck::bytes_of_mut(message);
        let expected = bytes.len();
        let (received, _) =
            retry_on_intr(|| recv(&self.0, &mut *bytes, RecvFlags::empty())).context("cannot receive a packet")?;
        ensure!(received == expected, "a packet of {received} bytes, expected {expected}: the other process has ended");
        Ok(())
    }
}

pub(super) fn create<const WORDS: usize>(test: Test) -> Result<Created> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context("cannot open a socket pair")?;
    let station: Box<dyn Station> = match test {
        Test::Rtt => {
            let sender = Packets(ours.try_clone()?);
            Box::new(Ping::<_, _, WORDS>::new(sender, Packets(ours)))
        }
        Test::Throughput => Box::new(Sink::<_, WORDS>::new(Packets(ours))),
    };
    Ok(Created { station, descriptors: vec![theirs], rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(test: Test, mut left: Left) -> Result<Box<dyn Station>> {
    let socket = left.descriptor()?;
    Ok(match test {
        Test::Rtt => {
            let sender = Packets(socket.try_clone()?);
            Box::new(Pong::<_, _, WORDS>::new(sender, Packets(socket)))
        }
        Test::Throughput => Box::new(Source::<_, WORDS>::new(Packets(socket))),
    })
}
