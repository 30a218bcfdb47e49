//! One pair of connected unix sockets that keep messages apart, with the kernel's default buffers, for both directions.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::descriptor::{End, prepare};
use crate::bench::idle::Idle;
use crate::bench::station::{Receiver, Sender};
use crate::bench::wait::Wait;

/// Sends and receives one packet per message, and sleeps in the kernel or polls.
pub(super) struct Packets {
    socket: OwnedFd,
    idle: Idle,
}

impl<const WORDS: usize> End<WORDS> for Packets {
    fn of(socket: OwnedFd, wait: Wait, idle: Idle) -> Result<Self> {
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

/// Connects this process with itself.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context("cannot open a socket pair")
}
