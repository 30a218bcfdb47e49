//! The channel over which one process tells another one, of the same program, what to do.
//!
//! A socket pair of type SEQPACKET: each packet is a value as JSON, and carries descriptors if it needs them. Its
//! closing tells either side that the other has ended, however that came about.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest packet, in bytes, and the largest number of descriptors in one.
const PACKET: usize = 4096;
const DESCRIPTORS: usize = 253;

/// How a wait for a descriptor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// It can be read.
    Readable,
    /// The other process has ended.
    Ended,
}

/// Returns a command that runs this very program under another name, as a process that works for this one.
///
/// The name is the argument in front of all others, which is no verb and no option. It is the same program even where
/// its file was replaced meanwhile.
pub fn again(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).stdout(Stdio::null());
    command
}

/// One end of the channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Starts a program with the other end of a channel as its standard input, where this packet lies already.
    ///
    /// # Errors
    /// - it cannot be started
    pub fn start(mut command: Command, first: &impl Serialize) -> Result<(Child, Channel)> {
        let (ours, theirs) = Channel::pair()?;
        ours.send(first, &[])?;
        let child = command.stdin(Stdio::from(theirs.socket)).spawn().context("cannot start this program again")?;
        Ok((child, ours))
    }

    /// Opens both ends.
    ///
    /// # Errors
    /// - the system has no more descriptors
    pub fn pair() -> Result<(Channel, Channel)> {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.context("cannot open a socket pair")?;
        Ok((Channel { socket: ours }, Channel { socket: theirs }))
    }

    /// The end that this process was started with.
    ///
    /// # Errors
    /// - it was started otherwise
    pub fn from_stdin() -> Result<Channel> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        let kind = rustix::net::sockopt::socket_type(&socket);
        ensure!(kind == Ok(SocketType::SEQPACKET), "standard input is no channel");
        Ok(Channel { socket })
    }

    /// Returns a descriptor that keeps this end open for as long as some process has it.
    ///
    /// # Errors
    /// - this process has no more descriptors
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// - the other side has ended
    pub fn send(&self, packet: &impl Serialize, descriptors: &[OwnedFd]) -> Result<()> {
        let bytes = serde_json::to_vec(packet)?;
        ensure!(bytes.len() <= PACKET && descriptors.len() <= DESCRIPTORS, "too much for one packet");
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let slices = [IoSlice::new(&bytes)];
        retry_on_intr(|| sendmsg(&self.socket, &slices, &mut ancillary, SendFlags::NOSIGNAL))
            .context("cannot write to the other process")?;
        Ok(())
    }

    /// Waits for a packet; `None` when the other side has ended.
    ///
    /// # Errors
    /// - the packet is of another type
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut bytes = [0; PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
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
    ///
    /// # Errors
    /// - the system cannot wait for it
    pub fn wait_for(&self, descriptor: BorrowedFd<'_>) -> io::Result<Awaited> {
        let mut entries =
            [PollFd::from_borrowed_fd(descriptor, PollFlags::IN), PollFd::new(&self.socket, PollFlags::empty())];
        retry_on_intr(|| poll(&mut entries, None))?;
        // What can be read comes first, so that nothing is lost that the other side did before its end.
        Ok(if entries[0].revents().is_empty() { Awaited::Ended } else { Awaited::Readable })
    }

    /// Returns whether the other side has ended, or does so within this many seconds.
    pub fn closes_within(&self, seconds: i64) -> bool {
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

    #[test]
    fn a_packet_arrives_with_its_descriptors() {
        let (ours, theirs) = Channel::pair().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        ours.send(&"done", &[reader.into(), writer.into()]).unwrap();
        let (reply, descriptors) = theirs.receive::<String>().unwrap().unwrap();
        assert_eq!((&*reply, descriptors.len()), ("done", 2));
    }

    #[test]
    fn packets_keep_their_boundaries() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&1, &[]).unwrap();
        ours.send(&2, &[]).unwrap();
        for expected in [1, 2] {
            assert_eq!(theirs.receive::<u64>().unwrap().unwrap().0, expected);
        }
    }

    #[test]
    fn an_ended_peer_is_seen_after_its_last_packet() {
        let (ours, theirs) = Channel::pair().unwrap();
        assert!(!ours.closes_within(0));
        theirs.send(&1, &[]).unwrap();
        drop(theirs);
        assert!(ours.closes_within(0));
        assert!(ours.receive::<u64>().unwrap().is_some());
        assert!(ours.receive::<u64>().unwrap().is_none());
    }

    #[test]
    fn a_wait_for_a_descriptor_ends_with_what_can_be_read_or_with_the_peer() {
        let (ours, theirs) = Channel::pair().unwrap();
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
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&1, &[]).unwrap();
        drop(theirs);
        assert!(ours.receive::<u64>().unwrap().is_none());
    }
}
