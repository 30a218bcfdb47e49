//! One TCP connection over the loopback interface for both directions, without the delay that gathers small writes.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};

use super::side::Unavailable;

/// Connects this process with itself.
pub(super) fn pair() -> Result<(TcpStream, TcpStream)> {
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
