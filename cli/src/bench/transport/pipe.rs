//! Pipes of the kernel's default capacity, one in each direction that a test needs.

use std::io::pipe;

use anyhow::Result;

use super::descriptor::Descriptor;
use super::{Created, Left};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Station, first, second};

pub(super) fn create<const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let (from_peer, their_sender) = pipe()?;
    let mut descriptors = vec![their_sender.into()];
    let receiver = Descriptor::new(from_peer, case.wait, idle.clone())?;
    let station = first::<_, _, WORDS>(case.test, receiver, || {
        let (their_receiver, to_peer) = pipe()?;
        descriptors.push(their_receiver.into());
        Descriptor::new(to_peer, case.wait, idle)
    })?;
    Ok(Created { station, descriptors, rings: Vec::new() })
}

pub(super) fn attach<const WORDS: usize>(case: Case, mut left: Left, idle: Idle) -> Result<Box<dyn Station>> {
    let sender = Descriptor::new(left.descriptor()?, case.wait, idle.clone())?;
    let receiver = || Descriptor::new(left.descriptor()?, case.wait, idle.clone());
    second::<_, _, WORDS>(case, sender, receiver, idle.clone())
}
