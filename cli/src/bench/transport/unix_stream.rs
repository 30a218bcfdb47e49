//! One pair of connected unix stream sockets, with the kernel's default buffers, for both directions.

use std::os::unix::net::UnixStream;

use anyhow::Result;

use super::descriptor::Descriptor;
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Station, first, second};

pub(super) fn create<const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let (ours, theirs) = UnixStream::pair()?;
    let receiver = Descriptor::new(ours.try_clone()?, case.wait, idle.clone())?;
    let station = first::<_, _, WORDS>(case.test, receiver, || Descriptor::new(ours, case.wait, idle))?;
    Ok(Created { station, descriptors: vec![theirs.into()], rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(case: Case, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let socket = left.descriptor()?;
    let sender = Descriptor::new(socket.try_clone()?, case.wait, idle.clone())?;
    let receiver = || Descriptor::new(socket, case.wait, idle.clone());
    second::<_, _, WORDS>(case, sender, receiver, idle.clone())
}
