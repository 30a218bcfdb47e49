//! What must be true of a ring after one of its processes was killed.

use std::ops::Range;
use std::time::Duration;

use ringmain::{Error, Options, WaitError};

use crate::object::Object;
use crate::operation::{Finds, Operation};
use crate::rings::Ring;
use crate::world::{Survivor, World, expect, push};

/// How long a survivor waits for what it is to hear: a sleep lasts a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many tries a role takes whose holder was killed a moment ago: the kernel may need another one to notice.
const TRIES: usize = 100_000;

/// How a process was killed.
#[derive(Debug)]
pub struct Death {
    /// Whether it had begun its call.
    pub begun: bool,
    /// Whether it had come to the end of its call.
    pub finished: bool,
    /// What it held that nobody else could see.
    pub private: Vec<u8>,
    /// Whether the survivor waits for the news asleep, which takes longer.
    pub asleep: bool,
}

/// Checks the ring that a killed process leaves behind.
///
/// # Errors
///
/// What is wrong with it.
pub fn judge<R: Ring>(world: World<R>, operation: &Operation, death: &Death) -> Result<(), String> {
    let World { object, survivor, first, next } = world;
    match survivor {
        Survivor::Nobody if operation.finds == Finds::Ended => after_an_end::<R>(&object, next, death),
        Survivor::Nobody => created::<R>(&object),
        Survivor::Consumer(rx) => after_a_producer::<R>(&object, rx, first..next, operation, death),
        Survivor::Producer(tx) => after_a_consumer::<R>(&object, tx, first..next, operation, death),
    }
}

/// Whatever is left of a creation, the next ones to come have a ring that works.
fn created<R: Ring>(object: &Object) -> Result<(), String> {
    let copy = object.copy();
    let mut tx = succeed::<R, _>(object, R::producer)?;
    let mut rx = succeed::<R, _>(object, R::consumer)?;
    flow::<R>(&mut tx, &mut rx, 0)?;
    let mut rx = succeed::<R, _>(&copy, R::consumer)?;
    let mut tx = succeed::<R, _>(&copy, R::producer)?;
    flow::<R>(&mut tx, &mut rx, 0)
}

/// The end of the last producer is told once: to the killed consumer, or to the next one.
fn after_an_end<R: Ring>(object: &Object, next: u64, death: &Death) -> Result<(), String> {
    const TOLD: Result<(), WaitError> = Err(WaitError::Closed);
    const NOT_TOLD: Result<(), WaitError> = Err(WaitError::TimedOut);
    let mut rx = succeed::<R, _>(object, R::consumer)?;
    match R::until_available(&mut rx, Duration::ZERO) {
        TOLD if death.finished => return Err("an end is told twice: to the killed process and to the next".to_owned()),
        NOT_TOLD if !death.begun => return Err("an end is never told: not to the first one that asks".to_owned()),
        TOLD | NOT_TOLD => {}
        other => return Err(format!("a successor hears {other:?}, expected {TOLD:?} or {NOT_TOLD:?}")),
    }
    drop(rx);
    let mut rx = succeed::<R, _>(object, R::consumer)?;
    expect(R::until_available(&mut rx, Duration::ZERO), NOT_TOLD)?;
    let mut tx = succeed::<R, _>(object, R::producer)?;
    flow::<R>(&mut tx, &mut rx, next)
}

/// What was committed is there, and of what was not, as much as may become visible at once.
fn after_a_producer<R: Ring>(
    object: &Object,
    mut rx: R::Consumer,
    committed: Range<u64>,
    operation: &Operation,
    death: &Death,
) -> Result<(), String> {
    let (one, other) = (object.copy(), object.copy());
    let exists = object.exists();
    let next = drain::<R>(&mut rx, committed.start)?;
    let may_be_visible: Vec<u64> = match (death.finished, operation.together) {
        (true, _) => vec![operation.count],
        (false, true) => vec![0, operation.count],
        (false, false) => (0..=operation.count).collect(),
    };
    let visible = next.checked_sub(committed.end).filter(|visible| may_be_visible.contains(visible));
    let Some(_) = visible else {
        return Err(format!("visible up to {next}, committed {committed:?}, {may_be_visible:?} more may be visible"));
    };
    hears(operation, death, |limit| R::until_available(&mut rx, limit))?;
    if !exists {
        expect((operation.unlinks, next), (true, committed.end))?;
        return created::<R>(object);
    }
    // The survivor goes on with a successor.
    let mut tx = succeed::<R, _>(object, R::producer)?;
    flow::<R>(&mut tx, &mut rx, next)?;
    // The same bytes with nobody alive, and either end first.
    let mut rx = succeed::<R, _>(&one, R::consumer)?;
    expect(drain::<R>(&mut rx, committed.start)?, next)?;
    let mut tx = succeed::<R, _>(&one, R::producer)?;
    flow::<R>(&mut tx, &mut rx, next)?;
    let mut tx = succeed::<R, _>(&other, R::producer)?;
    push::<R>(&mut tx, next)?;
    let mut rx = succeed::<R, _>(&other, R::consumer)?;
    expect(drain::<R>(&mut rx, committed.start)?, next + 1)
}

/// Nothing is lost but what the killed process had, and nothing comes again beyond what is documented.
fn after_a_consumer<R: Ring>(
    object: &Object,
    mut tx: R::Producer,
    committed: Range<u64>,
    operation: &Operation,
    death: &Death,
) -> Result<(), String> {
    let (one, other) = (object.copy(), object.copy());
    let exists = object.exists();
    let next = fill::<R>(&mut tx, committed.end)?;
    hears(operation, death, |limit| R::until_free(&mut tx, next, limit))?;
    let most = committed.start..=committed.start + operation.count;
    let held = most.clone().find(|&number| !death.holds::<R>(number)).unwrap_or(*most.end());
    let taken_over = if exists { object } else { &one };
    if !exists {
        expect(operation.unlinks, true)?;
        // What the copy has is nothing: the ring's successors begin anew.
        return created::<R>(taken_over);
    }
    let mut rx = succeed::<R, _>(object, R::consumer)?;
    let first = first::<R>(&mut rx, next)?;
    if !most.contains(&first) {
        return Err(format!("continued at {first}, expected {most:?}"));
    }
    // What the call in flight has read, it may not have given back yet. What a call before it returned does not come
    // again.
    if first > held {
        return Err(format!("{held} is lost: continued at {first}, and the killed process did not have it"));
    }
    if held - first > operation.held {
        return Err(format!("repeated from {first}, though {held} was reached and a call takes {}", operation.held));
    }
    if death.finished && first != *most.end() {
        return Err(format!("repeated from {first}, though {} was popped", most.end()));
    }
    expect(drain::<R>(&mut rx, first + 1)?, next)?;
    flow::<R>(&mut tx, &mut rx, next)?;
    // The same bytes, from before the survivor went on, with nobody alive, and either end first.
    let mut rx = succeed::<R, _>(&one, R::consumer)?;
    expect(drain::<R>(&mut rx, first)?, committed.end)?;
    let mut tx = succeed::<R, _>(&one, R::producer)?;
    flow::<R>(&mut tx, &mut rx, committed.end)?;
    let mut tx = succeed::<R, _>(&other, R::producer)?;
    push::<R>(&mut tx, committed.end)?;
    let mut rx = succeed::<R, _>(&other, R::consumer)?;
    expect(drain::<R>(&mut rx, first)?, committed.end + 1)
}

impl Death {
    /// Returns whether the killed process had all words of what has this number, somewhere.
    fn holds<R: Ring>(&self, number: u64) -> bool {
        R::bytes(number).chunks(8).all(|word| self.private.windows(word.len()).any(|bytes| bytes == word))
    }
}

/// Checks what the survivor hears, which has nothing left to do.
fn hears(
    operation: &Operation,
    death: &Death,
    mut wait: impl FnMut(Duration) -> Result<(), WaitError>,
) -> Result<(), String> {
    let expected = if death.finished { std::slice::from_ref(&operation.end) } else { operation.ends };
    let mut heard = wait(Duration::ZERO);
    for _ in 0..TRIES {
        if heard != Err(WaitError::TimedOut) {
            break;
        }
        std::thread::yield_now();
        heard = wait(Duration::ZERO);
    }
    match heard {
        Err(error) if expected.contains(&error) => {}
        other => return Err(format!("the survivor hears {other:?}, expected {expected:?}")),
    }
    if death.asleep { expect(wait(PATIENCE), heard) } else { Ok(()) }
}

/// Attaches to a role whose holder was killed a moment ago, making the ring where there is none.
fn succeed<R: Ring, H>(object: &Object, attach: fn(&Options) -> Result<H, Error>) -> Result<H, String> {
    let options = R::capacity(object.options());
    for _ in 0..TRIES {
        match attach(&options) {
            Err(Error::Busy { .. } | Error::HolderGone { .. }) => std::thread::yield_now(),
            other => return other.map_err(|error| format!("a successor is refused: {error}")),
        }
    }
    Err("the role of a killed process stays taken".to_owned())
}

/// Pops until nothing is there, and returns the number of what would come next: all come once, and in order.
fn drain<R: Ring>(rx: &mut R::Consumer, first: u64) -> Result<u64, String> {
    let mut next = first;
    while let Some(number) = R::pop(rx)? {
        expect(number, next)?;
        next += 1;
    }
    Ok(next)
}

/// Pops what is there first.
fn first<R: Ring>(rx: &mut R::Consumer, next: u64) -> Result<u64, String> {
    R::pop(rx)?.ok_or_else(|| format!("nothing is there, though {next} was to be pushed next"))
}

/// Pushes until the ring is full, and returns the number of what would be pushed next.
fn fill<R: Ring>(tx: &mut R::Producer, next: u64) -> Result<u64, String> {
    let mut next = next;
    while R::push(tx, next)? {
        next += 1;
    }
    Ok(next)
}

/// Sends more than the ring holds, in two fillings.
fn flow<R: Ring>(tx: &mut R::Producer, rx: &mut R::Consumer, next: u64) -> Result<(), String> {
    let half = fill::<R>(tx, next)?;
    expect(drain::<R>(rx, next)?, half)?;
    let end = fill::<R>(tx, half)?;
    expect(drain::<R>(rx, half)?, end)?;
    if half == next || end == half { Err("a ring that takes nothing".to_owned()) } else { Ok(()) }
}
