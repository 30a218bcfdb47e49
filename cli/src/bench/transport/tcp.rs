//! One TCP connection over the loopback interface for both directions, without the delay that gathers small writes.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};

use super::descriptor::Descriptor;
use super::{Created, Left, Unavailable};
use crate::bench::idle::Idle;
use crate::bench::plan::Case;
use crate::bench::station::{Station, first, second};

/// Connects this process with itself.
fn pair() -> Result<(TcpStream, TcpStream)> {
    let refused = |error| Unavailable(format!("cannot connect over 127.0.0.1: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?;
    let address = listener.local_addr().context("cannot ask for the port of a socket")?;
    let ours = TcpStream::connect(address).map_err(refused)?;
    let own = ours.local_addr().context("cannot ask for the port of a socket")?;
    // Any process of the machine may have come first.
    let theirs = loop {
        let (theirs, from) = listener.accept().map_err(refused)?;
        if from == own {
            break theirs;
        }
    };
    for stream in [&ours, &theirs] {
        stream.set_nodelay(true).context("cannot have small writes sent at once")?;
    }
    Ok((ours, theirs))
}

pub(super) fn create<const WORDS: usize>(case: Case, idle: Idle) -> Result<Created> {
    let (ours, theirs) = pair()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_writes_are_not_gathered() {
        let (ours, theirs) = pair().unwrap();
        assert!(ours.nodelay().unwrap() && theirs.nodelay().unwrap());
        assert_eq!(ours.local_addr().unwrap(), theirs.peer_addr().unwrap());
    }
}
