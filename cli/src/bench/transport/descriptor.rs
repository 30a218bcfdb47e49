//! Transports whose ends are descriptors; and messages over those with reads and writes of bytes: as many of them per
//! message as it takes, mostly one.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::io::ioctl_fionbio;

use super::side::{Created, Left, first, second};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Receiver, Sender, Station};
use crate::bench::wait::Wait;

/// An end of a direction: what is written and read by calls of the kernel, and waits there or polls.
pub(super) trait End<const WORDS: usize>: Sender<WORDS> + Receiver<WORDS> + Sized + 'static {
    fn of(descriptor: OwnedFd, wait: Wait, idle: Idle) -> Result<Self>;
}

/// Both ends of a direction: the one to read from and the one to write to.
pub(super) type Ends = (OwnedFd, OwnedFd);

/// Makes this process's side; `open` opens one direction after the other, the one towards this process first.
pub(super) fn create<E: End<WORDS>, const WORDS: usize>(
    case: Case,
    idle: Idle,
    mut open: impl FnMut() -> Result<Ends>,
) -> Result<Created> {
    let (from_peer, theirs) = open()?;
    let mut descriptors = vec![theirs];
    let receiver = E::of(from_peer, case.wait, idle.clone())?;
    let station = first(case.test, receiver, || {
        let (theirs, to_peer) = open()?;
        descriptors.push(theirs);
        E::of(to_peer, case.wait, idle)
    })?;
    Ok(Created { station, descriptors })
}

/// Opens the peer's side.
pub(super) fn attach<E: End<WORDS>, const WORDS: usize>(
    case: Case,
    mut left: Left,
    idle: Idle,
) -> Result<Box<dyn Station>> {
    let sender = E::of(left.descriptor()?, case.wait, idle.clone())?;
    let receiver = || E::of(left.descriptor()?, case.wait, idle.clone());
    second(case, sender, receiver, idle.clone())
}

/// Opens the directions of a pair of sockets, which carry both.
pub(super) fn both_ways((ours, theirs): (impl Into<OwnedFd>, impl Into<OwnedFd>)) -> impl FnMut() -> Result<Ends> {
    let (mut reader, mut writer) = (ours.into(), theirs.into());
    move || {
        let ends = (reader.try_clone()?, writer.try_clone()?);
        std::mem::swap(&mut reader, &mut writer);
        Ok(ends)
    }
}

/// Writes and reads in the kernel, and sleeps there or polls.
///
/// The same calls for all kinds of descriptors, so that they are compiled once for each size.
#[derive(Debug)]
pub(super) struct Descriptor {
    file: File,
    idle: Idle,
}

impl<const WORDS: usize> End<WORDS> for Descriptor {
    fn of(descriptor: OwnedFd, wait: Wait, idle: Idle) -> Result<Self> {
        prepare(&descriptor, wait)?;
        Ok(Self { file: descriptor.into(), idle })
    }
}

/// Lets a descriptor block, or not if it is to be polled.
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
