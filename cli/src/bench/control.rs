//! The channel over which one process tells the other what to do.
//!
//! A socket pair of type SEQPACKET: each packet is one command or one reply as JSON, and carries descriptors where the
//! command needs them. Its closing tells either side that the other has ended, however that came about.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::clock::Usage;
use super::plan::Case;

/// What the peer process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Comes first, and once: run on this processor; share it with the other process, or not.
    Start { processor: usize, shared: bool },
    /// Open the other side of a case. Its descriptors travel with the packet, its rings are named here.
    Open { case: Case, rings: Vec<String> },
    /// Run the station that was opened as number `station` (from 0).
    Run { station: usize, messages: u64 },
}

/// What it answers to each command.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    /// The same to [`Command::Run`]: how long that took there, and what processor time.
    Ran {
        usage: Usage,
    },
    Failed {
        reason: String,
    },
}

/// The longest packet, in bytes, and the largest number of descriptors in one.
const PACKET: usize = 4096;
const DESCRIPTORS: usize = 6;

/// How a wait for a descriptor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    Readable,
    /// The other process has ended.
    Ended,
}

/// One end of the channel.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
}

impl Control {
    /// Opens a channel: this process's end, and the descriptor to be the standard input of the peer process.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { socket: ours }, theirs))
    }

    /// The end that this process was started with.
    pub(crate) fn from_stdin() -> Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let kind = rustix::net::sockopt::socket_type(&socket);
        if kind != Ok(SocketType::SEQPACKET) {
            bail!("this subcommand is started by `ringmain bench`, not by hand");
        }
        Ok(Self { socket })
    }

    pub(crate) fn send(&self, packet: &impl Serialize, descriptors: &[OwnedFd]) -> Result<()> {
        let bytes = serde_json::to_vec(packet)?;
        assert!(bytes.len() <= PACKET && descriptors.len() <= DESCRIPTORS);
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let slices = [IoSlice::new(&bytes)];
        rustix::io::retry_on_intr(|| sendmsg(&self.socket, &slices, &mut ancillary, SendFlags::NOSIGNAL))
            .context("cannot write to the other process")?;
        Ok(())
    }

    /// Waits for a packet; `None` when the other side has ended.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = [0; PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut slices = [IoSliceMut::new(&mut bytes)];
            recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        });
        let length = match received {
            Ok(message) => message.bytes,
            // It ended with a packet of ours unread.
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error).context("cannot read from the other process"),
        };
        if length == 0 {
            return Ok(None);
        }
        let descriptors = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        let packet = serde_json::from_slice(&bytes[..length])
            .context("the other process wrote something that is no packet of this program")?;
        Ok(Some((packet, descriptors)))
    }

    /// Sleeps until a descriptor can be read, or the other side has ended.
    pub(crate) fn wait_for(&self, descriptor: BorrowedFd<'_>) -> io::Result<Awaited> {
        let mut entries =
            [PollFd::from_borrowed_fd(descriptor, PollFlags::IN), PollFd::new(&self.socket, PollFlags::empty())];
        rustix::io::retry_on_intr(|| poll(&mut entries, None))?;
        // What can be read comes first, so that nothing is lost that the other side did before its end.
        Ok(if entries[0].revents().is_empty() { Awaited::Ended } else { Awaited::Readable })
    }

    /// Whether the other side has ended, or does so within this many seconds.
    pub(crate) fn closes_within(&self, seconds: i64) -> bool {
        let mut entries = [PollFd::new(&self.socket, PollFlags::empty())];
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        match poll(&mut entries, Some(&limit)) {
            Ok(_) => entries[0].revents().intersects(PollFlags::HUP | PollFlags::ERR),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Control, Control) {
        let (ours, theirs) = Control::pair().unwrap();
        (ours, Control { socket: theirs })
    }

    #[test]
    fn a_packet_arrives_with_its_descriptors() {
        let (ours, theirs) = pair();
        let (reader, writer) = io::pipe().unwrap();
        ours.send(&Reply::Done, &[reader.into(), writer.into()]).unwrap();
        let (reply, descriptors) = theirs.receive::<Reply>().unwrap().unwrap();
        assert!(matches!(reply, Reply::Done));
        assert_eq!(descriptors.len(), 2);
    }

    #[test]
    fn packets_keep_their_boundaries() {
        let (ours, theirs) = pair();
        let run = |messages| Command::Run { station: 0, messages };
        ours.send(&run(1), &[]).unwrap();
        ours.send(&run(2), &[]).unwrap();
        for expected in [1, 2] {
            let (command, _) = theirs.receive::<Command>().unwrap().unwrap();
            assert!(matches!(command, Command::Run { messages, .. } if messages == expected));
        }
    }

    #[test]
    fn an_ended_peer_is_seen_after_its_last_packet() {
        let (ours, theirs) = pair();
        assert!(!ours.closes_within(0));
        theirs.send(&Reply::Done, &[]).unwrap();
        drop(theirs);
        assert!(ours.closes_within(0));
        assert!(ours.receive::<Reply>().unwrap().is_some());
        assert!(ours.receive::<Reply>().unwrap().is_none());
    }

    #[test]
    fn a_wait_for_a_descriptor_ends_with_what_can_be_read_or_with_the_peer() {
        let (ours, theirs) = pair();
        let (reader, writer) = io::pipe().unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        assert_eq!(ours.wait_for(reader.as_fd()).unwrap(), Awaited::Readable);
        drop(theirs);
        assert_eq!(ours.wait_for(reader.as_fd()).unwrap(), Awaited::Readable);
        rustix::io::read(&reader, &mut [0; 1]).unwrap();
        assert_eq!(ours.wait_for(reader.as_fd()).unwrap(), Awaited::Ended);
    }

    #[test]
    fn an_ended_peer_that_left_packets_unread_is_no_error() {
        let (ours, theirs) = pair();
        ours.send(&Reply::Done, &[]).unwrap();
        drop(theirs);
        assert!(ours.receive::<Reply>().unwrap().is_none());
    }
}
