//! The calls at each instruction of which a process is killed, and what each of them may leave behind.

use ringmain::{Role, WaitError};

/// How many elements or messages a call is about that takes or gives several.
pub const SEVERAL: usize = 3;

/// A call, and what it does with a ring.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What the process that is killed is told to do.
    pub name: &'static str,
    /// The role that it takes.
    pub role: Role,
    /// Whether there is a ring before it comes, and what it finds there.
    pub finds: Finds,
    /// How many elements or messages it pushes or pops.
    pub count: u64,
    /// Whether these become visible together.
    pub together: bool,
    /// How many of what a call has read it may not have given back yet.
    pub held: u64,
    /// What the survivor may hear after a kill in the middle of the call.
    pub ends: &'static [WaitError],
    /// What it hears after a kill behind the call.
    pub end: WaitError,
    /// Whether the call removes the name.
    pub unlinks: bool,
}

/// What stands under the name when the process comes that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// Nothing: it makes the ring.
    Nothing,
    /// A ring whose other end has a holder that survives.
    Ring,
    /// The same, and the last producer was killed between a header and its tail.
    TailBehind,
    /// An empty ring without holders, whose last producer left in order, and no consumer was told of that.
    Ended,
}

impl Operation {
    /// Pushes `count`.
    #[must_use]
    pub const fn pushes(name: &'static str, count: u64, together: bool) -> Operation {
        Operation { count, together, ..Operation::of(name, Role::Producer) }
    }

    /// Pops `count`, of which each call takes `held`.
    #[must_use]
    pub const fn pops(name: &'static str, count: u64, held: u64) -> Operation {
        Operation { count, held, ..Operation::of(name, Role::Consumer) }
    }

    /// Makes a ring.
    #[must_use]
    pub const fn creates(name: &'static str, role: Role) -> Operation {
        Operation { finds: Finds::Nothing, ..Operation::joins(name, role) }
    }

    /// Comes to a ring that stands.
    #[must_use]
    pub const fn joins(name: &'static str, role: Role) -> Operation {
        // The last holder has left in order, and this one may not have said yet that it came.
        Operation { ends: &[WaitError::Closed, WaitError::Crashed], ..Operation::of(name, role) }
    }

    /// Is told, as a consumer that finds nothing to read, of the end of the last producer.
    #[must_use]
    pub const fn is_told(name: &'static str) -> Operation {
        Operation { finds: Finds::Ended, ..Operation::of(name, Role::Consumer) }
    }

    /// Leaves a ring in order. A consumer has popped one element or message before.
    #[must_use]
    pub const fn leaves(name: &'static str, role: Role) -> Operation {
        let count = match role {
            Role::Consumer => 1,
            _ => 0,
        };
        let ends = &[WaitError::Crashed, WaitError::Closed];
        Operation { count, held: 0, together: true, ends, end: WaitError::Closed, ..Operation::of(name, role) }
    }

    /// The same, and the name is removed.
    #[must_use]
    pub const fn unlinks(name: &'static str, role: Role) -> Operation {
        Operation { unlinks: true, ..Operation::leaves(name, role) }
    }

    /// The same, after a producer that was killed between a header and its tail.
    #[must_use]
    pub const fn with_its_tail_behind(self) -> Operation {
        Operation { finds: Finds::TailBehind, ..self }
    }

    const fn of(name: &'static str, role: Role) -> Operation {
        let (finds, ends, end) = (Finds::Ring, &[WaitError::Crashed], WaitError::Crashed);
        Operation { name, role, finds, count: 0, together: false, held: 1, ends, end, unlinks: false }
    }
}
