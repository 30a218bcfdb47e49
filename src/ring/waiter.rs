//! The wait strategies, and the state that a handle keeps between its waits.

use super::presence::Presence;

/// How a handle waits for the other end.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("doc-set-wait-{}", std::process::id());
/// use ringmain::{Options, Wait};
///
/// let mut tx = Options::new(&name).capacity(64).stream_producer::<u64>()?;
/// let mut rx = Options::new(&name).unlink_on_close(true).stream_consumer::<u64>()?;
/// // For a ring that is mostly empty.
/// rx.set_wait(Wait::Park);
/// tx.push(7)?;
/// assert_eq!(rx.blocking().pop(), Ok(7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Spins, and makes no system call, except every 100 ms to check whether the other process is alive.
    Spin,
    /// Spins for about as long as a wake takes, then sleeps. It spins for less if recent spins found nothing.
    #[default]
    SpinThenPark,
    /// Sleeps at once; the other end then makes a fence with each publication, which costs less than a `membarrier`
    /// before each sleep.
    Park,
}

/// What a handle remembers between its waits.
#[derive(Clone, Debug)]
pub struct Waiter {
    pub strategy: Wait,
    /// Whether it waits for the first holder of the other role.
    pub awaits_first: bool,
    /// Whether it waits for one that follows a holder that left or crashed.
    pub awaits_successor: bool,
    /// Whether the traits of `std::io` return `WouldBlock` instead of waiting.
    pub is_nonblocking: bool,
    /// Whether the next sleep waits for more than is needed, for a short time, because the last one found more.
    pub gathers: bool,
    /// How many units of positions the last call of a task would have slept for.
    pub need: u64,
    /// The presence of the other end when a set found that the wait for it has ended.
    pub ended: Option<Presence>,
    /// How many pauses it spins before it sleeps, and the bounds of that.
    pub spins: u32,
    pub longest: u32,
    pub shortest: u32,
}

impl Waiter {
    /// Spins for at most `longest` pauses before it sleeps, and never for fewer than `shortest`.
    pub fn new(strategy: Wait, longest: u32, shortest: u32) -> Waiter {
        let (longest, shortest) = (longest.max(1), shortest.max(1));
        Waiter {
            strategy,
            awaits_first: true,
            awaits_successor: false,
            is_nonblocking: false,
            gathers: false,
            need: 0,
            ended: None,
            spins: longest,
            longest,
            shortest,
        }
    }
}

impl Default for Waiter {
    fn default() -> Waiter {
        Waiter::new(Wait::default(), 1, 1)
    }
}
