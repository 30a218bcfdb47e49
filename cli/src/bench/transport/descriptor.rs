//! Messages over anything with reads and writes of bytes: as many of them per message as it takes, mostly one.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::io::ioctl_fionbio;

use crate::bench::idle::Idle;
use crate::bench::station::{Receiver, Sender};
use crate::bench::wait::Wait;

/// Writes and reads in the kernel, and sleeps there or polls.
///
/// The same calls for all kinds of descriptors, so that they are compiled once for each size.
#[derive(Debug)]
pub(super) struct Descriptor {
    file: File,
    idle: Idle,
}

impl Descriptor {
    pub(super) fn new(descriptor: impl Into<OwnedFd>, wait: Wait, idle: Idle) -> Result<Self> {
        let file = File::from(descriptor.into());
        prepare(&file, wait)?;
        Ok(Self { file, idle })
    }
}

/// Lets a descriptor block, or not where it is to be polled.
pub(super) fn prepare(descriptor: impl AsFd, wait: Wait) -> Result<()> {
    ioctl_fionbio(descriptor, wait == Wait::Spin).context("cannot say whether a descriptor blocks")
}

impl<const WORDS: usize> Sender<WORDS> for Descriptor {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        let mut bytes: &[u8] = bytemuck::bytes_of(message);
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => bail!("nothing more can be written to the other process"),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.idle.wait()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot write a message"),
            }
        }
        Ok(())
    }
}

impl<const WORDS: usize> Receiver<WORDS> for Descriptor {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        let mut bytes: &mut [u8] = bytemuck::bytes_of_mut(message);
        while !bytes.is_empty() {
            match self.file.read(bytes) {
                Ok(0) => bail!("{} bytes of a message are missing: the other process has ended", bytes.len()),
                Ok(read) => bytes = &mut bytes[read..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.idle.wait()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read a message"),
            }
        }
        Ok(())
    }
}
