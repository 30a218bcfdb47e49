//! Two machines, and what lies between them.

use anyhow::{Context, Result};

use crate::space::Space;
use crate::wire::{Badness, Wire};

/// How the machine with ring A and the one with ring B are joined.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// By one link; the receiver listens.
    ToReceiver,
    /// By one link; the sender listens.
    ToSender,
    /// By a third machine between them, with a link to each, where a router listens.
    Routed,
    /// By a wire that delays, loses, repeats and reorders, as drawn from a seed; the receiver listens.
    Bad(Badness, u64),
}

impl Way {
    /// Returns how the sender, on machine A, and the receiver, on machine B, are to reach each other: an option of the
    /// bridge, and its value.
    #[must_use]
    pub fn endpoint(self, machine: Machine) -> [String; 2] {
        let (option, address) = match (self, machine) {
            (Way::Routed, Machine::A) => ("--connect", "10.77.1.9"),
            (Way::Routed, Machine::B) => ("--connect", "10.77.2.9"),
            (Way::ToSender, Machine::A) => ("--listen", "10.77.0.1"),
            (Way::ToSender, Machine::B) => ("--connect", "10.77.0.1"),
            (Way::ToReceiver | Way::Bad(..), Machine::B) => ("--listen", "10.77.0.2"),
            (Way::ToReceiver | Way::Bad(..), Machine::A) => ("--connect", "10.77.0.2"),
        };
        [option.to_owned(), format!("tcp/{address}:{PORT}")]
    }
}

/// One of the two machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// That with ring A.
    A,
    /// That with ring B.
    B,
}

/// The port that somebody listens at.
const PORT: u16 = 7447;

/// The device of each machine that leads to the others.
const DEVICE: &str = "lab0";

/// Two machines that are joined.
#[derive(Debug)]
pub struct Network {
    a: Space,
    b: Space,
    router: Option<Space>,
    wire: Option<Wire>,
}

impl Network {
    /// Makes two machines, joined in this way.
    ///
    /// # Errors
    /// - this process is not root, or `ip` fails
    pub fn new(way: Way) -> Result<Network> {
        let (a, b) = (Space::new()?, Space::new()?);
        let (mut router, mut wire) = (None, None);
        match way {
            Way::ToReceiver | Way::ToSender => a.join(DEVICE, "10.77.0.1/24", &b, DEVICE, "10.77.0.2/24")?,
            Way::Routed => {
                let between = Space::new()?;
                a.join(DEVICE, "10.77.1.1/24", &between, "lab1", "10.77.1.9/24")?;
                b.join(DEVICE, "10.77.2.2/24", &between, "lab2", "10.77.2.9/24")?;
                router = Some(between);
            }
            Way::Bad(badness, seed) => {
                let ends = [(&a, "10.77.0.1/24"), (&b, "10.77.0.2/24")];
                wire = Some(Wire::lay(DEVICE, ends, badness, seed)?);
            }
        }
        Ok(Network { a, b, router, wire })
    }

    /// Returns a machine's namespace.
    #[must_use]
    pub fn space(&self, machine: Machine) -> &Space {
        match machine {
            Machine::A => &self.a,
            Machine::B => &self.b,
        }
    }

    /// Returns the namespace of the router, if there is one.
    #[must_use]
    pub fn router(&self) -> Option<&Space> {
        self.router.as_ref()
    }

    /// Returns the wire, if there is one.
    #[must_use]
    pub fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// Returns where the router listens.
    #[must_use]
    pub fn router_endpoint() -> String {
        format!("tcp/0.0.0.0:{PORT}")
    }

    /// Cuts a machine off: its device is set down.
    ///
    /// # Errors
    /// - `ip` fails
    pub fn cut(&self, machine: Machine) -> Result<()> {
        self.space(machine).ip(&format!("link set {DEVICE} down")).context("cannot cut a link")
    }

    /// Joins it again.
    ///
    /// # Errors
    /// - `ip` fails
    pub fn mend(&self, machine: Machine) -> Result<()> {
        self.space(machine).ip(&format!("link set {DEVICE} up")).context("cannot mend a link")
    }
}
