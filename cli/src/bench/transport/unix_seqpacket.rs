//! One pair of connected unix sockets that keep messages apart, with the kernel's default buffers, for both directions.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::descriptor::prepare;
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender, Station, first, second};
use crate::bench::wait::Wait;

/// Sends and receives one packet per message, and sleeps in the kernel or polls.
struct Packets {
    socket: OwnedFd,
    idle: Idle,
}

impl Packets {
    fn new(socket: OwnedFd, wait: Wait, idle: Idle) -> Result<Self> {
        prepare(&socket, wait)?;
        Ok(Self { socket, idle })
    }
}

impl<const WORDS: usize> Sender<WORDS> for Packets {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        let bytes = bytemuck::bytes_of(message);
        let sent = loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => break sent,
                Err(Errno::AGAIN) => self.idle.wait()?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot send a packet"),
            }
        };
        ensure!(sent == bytes.len(), "a packet of {} bytes was cut to {sent}", bytes.len());
        Ok(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> for Packets {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        let bytes = bytemuck::bytes_of_mut(message);
        let expected = bytes.len();
        let received = loop {
            match recv(&self.socket, &mut *bytes, RecvFlags::empty()) {
                Ok((received, _)) => break received,
                Err(Errno::AGAIN) => self.idle.wait()?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot receive a packet"),
            }
        };
        ensure!(received == expected, "a packet of {received} bytes, expected {expected}: the other process has ended");
        Ok(())
    }
}

pub(super) fn create<const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context("cannot open a socket pair")?;
    let receiver = Packets::new(ours.try_clone()?, case.wait, idle.clone())?;
    let station = first::<_, _, WORDS>(case.test, receiver, || Packets::new(ours, case.wait, idle))?;
    Ok(Created { station, descriptors: vec![theirs], rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(case: Case, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let socket = left.descriptor()?;
    let sender = Packets::new(socket.try_clone()?, case.wait, idle.clone())?;
    let receiver = || Packets::new(socket, case.wait, idle.clone());
    second::<_, _, WORDS>(case, sender, receiver, idle.clone())
}
