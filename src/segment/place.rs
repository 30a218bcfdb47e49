//! Where a ring is found: under a name, or behind a descriptor.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::ANONYMOUS;

/// Where a ring is found.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Under this name.
    Name(String),
    /// Nowhere yet: an attach creates it.
    Nowhere,
    /// Behind this descriptor, which holds no lock.
    Descriptor(Arc<OwnedFd>),
}

impl Place {
    /// Returns the name of the ring, or what is shown for it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Place::Name(name) => name,
            Place::Nowhere | Place::Descriptor(_) => ANONYMOUS,
        }
    }

    pub(super) fn is_named(&self) -> bool {
        matches!(self, Place::Name(_))
    }
}
