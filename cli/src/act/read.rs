//! `ringmain read`: a ring to stdout.

use std::os::fd::BorrowedFd;

use anyhow::{Result, bail};
use clap::Args;
use ringmain::{PopError, message, stream};
use rustix::event::PollFlags;

use super::attach::Ring;
use super::framing::{Cargo, Frame, of_bytes};
use super::meter::Meter;
use super::peer::Writer;
use crate::output;
use crate::streams::{self, Stream, patiently};
use crate::words::count;

/// How many bytes a pipe takes all at once or not at all, by POSIX: a process that is killed cuts no frame in two that
/// is not longer.
const WHOLE: usize = 4096;

/// The largest write, or that plus a message: what the next reader repeats where this one is killed.
const PIECE: usize = 1 << 15;

#[derive(Debug, Args)]
pub(crate) struct Read {
    #[command(flatten)]
    ring: Ring,
    /// Wait for the next writer when one has left or was killed
    #[arg(long)]
    follow: bool,
    /// End after so many frames, at least 1: lines, messages, elements, or bytes of a stream of bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Remove the ring's name when all is read; not after an error
    #[arg(long)]
    unlink: bool,
}

/// The ring at the end.
enum Rx {
    Bytes(stream::Consumer<u8>),
    Elements(stream::Consumer<[u8]>),
    Messages(message::Consumer, Frame),
}

impl Read {
    pub(super) fn run(&self) -> Result<()> {
        let handle = self.ring.attach("waiting for a writer", |options, cargo| {
            Ok(match cargo {
                Cargo::Bytes => Rx::Bytes(options.stream_consumer()?),
                Cargo::Elements(size) => Rx::Elements(options.sized_stream_consumer(of_bytes(size)?)?),
                Cargo::Messages(frame) => Rx::Messages(options.message_consumer()?, frame),
            })
        })?;
        let output = Stream::Out.descriptor();
        let mut pump = Pump {
            output,
            left: self.count.unwrap_or(u64::MAX),
            writer: Writer { follow: self.follow, output },
            meter: Meter::start(self.ring.progress, &self.ring.name, output, None),
        };
        streams::widen(output);
        // The role is held until the name is gone, so that nobody comes in between and is left alone.
        match handle {
            Rx::Bytes(mut rx) => {
                pump.bytes(&mut rx)?;
                self.finish(rx.is_orphaned())
            }
            Rx::Elements(mut rx) => {
                pump.elements(&mut rx)?;
                self.finish(rx.is_orphaned())
            }
            Rx::Messages(mut rx, frame) => {
                pump.messages(&mut rx, frame)?;
                self.finish(rx.is_orphaned())
            }
        }
    }

    fn finish(&self, is_orphaned: bool) -> Result<()> {
        if self.unlink && !is_orphaned {
            ringmain::unlink(&self.ring.name)?;
        }
        Ok(())
    }
}

/// Moves what comes out of a ring. Nothing is given back to the writer before stdout has taken it.
struct Pump<'a> {
    output: BorrowedFd<'a>,
    /// How many frames are asked for yet.
    left: u64,
    writer: Writer<'a>,
    meter: Meter,
}

impl Pump<'_> {
    /// Lets the system write out of the ring itself.
    fn bytes(&mut self, rx: &mut stream::Consumer<u8>) -> Result<()> {
        while self.left > 0 {
            match rx.peek_contiguous(self.most(PIECE)) {
                Ok(peek) => {
                    let written = patiently(self.output, PollFlags::OUT, || peek.write_to(self.output));
                    let written = written.map_err(output::of_stdout)?;
                    peek.release_first(written);
                    self.left -= written as u64;
                    self.meter.add(written);
                }
                Err(PopError::Broken(cause)) => return Err(cause.into()),
                Err(_) => {
                    if !self.writer.wait(rx)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn elements(&mut self, rx: &mut stream::Consumer<[u8]>) -> Result<()> {
        let size = rx.element_size();
        let mut buffer = vec![0; (PIECE / size).max(1) * size];
        while self.left > 0 {
            match rx.peek_up_to(self.most(buffer.len() / size)) {
                Ok(peek) => {
                    let (count, len) = (peek.len(), peek.len() * size);
                    peek.copy_to_slice(0, &mut buffer[..len]);
                    output::write(&buffer[..len])?;
                    peek.release();
                    self.left -= count as u64;
                    self.meter.add(len);
                }
                Err(PopError::Broken(cause)) => return Err(cause.into()),
                Err(_) => {
                    if !self.writer.wait(rx)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn messages(&mut self, rx: &mut message::Consumer, frame: Frame) -> Result<()> {
        let mut buffer = Vec::with_capacity(PIECE);
        while self.left > 0 {
            buffer.clear();
            let mut batch = rx.peek_batch();
            let mut refused = None;
            while buffer.len() < PIECE && (batch.len() as u64) < self.left {
                match append(&mut batch, frame, &mut buffer) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
            }
            let len = batch.len() as u64;
            // Where this fails, the batch is dropped, and all of it stays in the ring.
            match frame {
                Frame::Length => whole_frames(&buffer).try_for_each(output::write)?,
                _ => output::write(&buffer)?,
            }
            batch.release();
            self.left -= len;
            self.meter.add(buffer.len());
            if let Some(error) = refused {
                return Err(error);
            }
            if len == 0 && !self.writer.wait(rx)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Returns how much may be taken at once.
    fn most(&self, piece: usize) -> usize {
        usize::try_from(self.left).map_or(piece, |left| left.min(piece))
    }
}

/// Divides frames that a length precedes into pieces of whole ones that a pipe takes all at once; a longer frame is one
/// by itself.
fn whole_frames(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut end = 0;
        while let Some(prefix) = frames[end..].first_chunk() {
            let next = end + prefix.len() + u32::from_le_bytes(*prefix) as usize;
            if end > 0 && next > WHOLE {
                break;
            }
            end = next;
        }
        let (piece, rest) = frames.split_at(end);
        frames = rest;
        (end > 0).then_some(piece)
    })
}

/// Copies the next message, as it shall lie outside of the ring; `false` where there is none.
fn append(batch: &mut message::PeekBatch<'_>, frame: Frame, buffer: &mut Vec<u8>) -> Result<bool> {
    let len = match batch.next_len() {
        Ok(len) => len,
        Err(PopError::Empty) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match frame {
        Frame::Fixed(size) if size != len => {
            bail!(
                "a message of {} is no frame of {size}; it is in the ring still: read it with another --framing",
                count(len as u64, "byte")
            )
        }
        Frame::Length => match u32::try_from(len) {
            Ok(prefix) => buffer.extend(prefix.to_le_bytes()),
            Err(_) => bail!("a message of {len} bytes has no length of 4 bytes; read it with another --framing"),
        },
        _ => {}
    }
    batch.append_next(buffer)?;
    if frame == Frame::Line {
        buffer.push(b'\n');
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_frames_and_none_is_longer_than_a_pipe_takes_at_once() {
        let lens = [0, 1, WHOLE - 4, 5, WHOLE - 3, WHOLE - 13, 5, 0, 3 * WHOLE, 7];
        let frames = lens.map(|len| [&(len as u32).to_le_bytes()[..], &vec![7; len]].concat());
        let pieces: Vec<Vec<u8>> = whole_frames(&frames.concat()).map(<[u8]>::to_vec).collect();
        let expected: [&[usize]; 6] = [&[0, 1], &[2], &[3], &[4], &[5, 6], &[7]];
        let expected = expected.map(|some| some.iter().flat_map(|&at| frames[at].clone()).collect::<Vec<_>>());
        assert_eq!(pieces[..6].iter().map(Vec::len).collect::<Vec<_>>(), expected.each_ref().map(Vec::len));
        assert_eq!(pieces.concat(), frames.concat());
        assert!(whole_frames(&[]).next().is_none());
    }
}
