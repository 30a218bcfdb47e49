//! Keeps the descriptors of this crate clear of the standard streams.
//!
//! A program may have closed its standard streams: the system then gives their numbers to what is opened next, and what
//! the program prints would be written into a ring.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};

/// The first number after those of standard input, output and error.
pub(crate) const FIRST: RawFd = 3;

/// Moves a descriptor that was just opened past the standard ones, if it is one of them.
pub(crate) fn avoid_stdio(descriptor: OwnedFd) -> Result<OwnedFd, Errno> {
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    fcntl_dupfd_cloexec(&descriptor, FIRST)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_descriptor_behind_the_standard_ones_stays_where_it_is() {
        let descriptor = OwnedFd::from(File::open("/dev/null").unwrap());
        let number = descriptor.as_raw_fd();
        assert!(number >= FIRST);
        assert_eq!(avoid_stdio(descriptor).unwrap().as_raw_fd(), number);
    }
}
