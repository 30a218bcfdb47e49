//! Messages over anything with blocking reads and writes: one write per message, as many reads as it takes.

use std::io::{Read, Write};

use anyhow::{Context, Result};

use crate::bench::station::{Receiver, Sender};

/// Writes and reads in the kernel, and sleeps there.
#[derive(Debug)]
pub(super) struct Blocking<F>(pub(super) F);

impl<F: Write, const WORDS: usize> Sender<WORDS> for Blocking<F> {
    #[inline]
    fn send(&mut self, message: &[u64; WORDS]) -> Result<()> {
        self.0.write_all(bytemuck::bytes_of(message)).context("cannot write a message")
    }
}

impl<F: Read, const WORDS: usize> Receiver<WORDS> for Blocking<F> {
    #[inline]
    fn receive(&mut self, message: &mut [u64; WORDS]) -> Result<()> {
        self.0.read_exact(bytemuck::bytes_of_mut(message)).context("cannot read a message")
    }
}
