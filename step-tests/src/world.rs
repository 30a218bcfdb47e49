//! What a process finds when it comes to be killed: a ring with a past, and a survivor at the other end.

use ringmain::Role;

use crate::object::Object;
use crate::operation::{Finds, Operation};
use crate::rings::Ring;

/// How many elements or messages are there to be read.
const COMMITTED: u64 = 4;

/// A ring, and who holds its other end.
#[derive(Debug)]
pub struct World<R: Ring> {
    /// The ring's name.
    pub object: Object,
    /// Holds the role that the killed process does not take.
    pub survivor: Survivor<R>,
    /// The number of what is read next.
    pub first: u64,
    /// The number of what is pushed next.
    pub next: u64,
}

/// Who is at the other end.
#[derive(Debug)]
pub enum Survivor<R: Ring> {
    /// Nobody: there is no ring, or one that its holders have left.
    Nobody,
    /// A producer.
    Producer(R::Producer),
    /// A consumer.
    Consumer(R::Consumer),
}

impl<R: Ring> World<R> {
    /// Makes what the operation finds.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn new(operation: &Operation) -> Result<World<R>, String> {
        let object = Object::default();
        if operation.finds == Finds::Nothing {
            return Ok(World { object, survivor: Survivor::Nobody, first: 0, next: 0 });
        }
        let mut tx = R::producer(&R::capacity(object.options())).map_err(|error| error.to_string())?;
        let mut rx = R::consumer(&object.options()).map_err(|error| error.to_string())?;
        for number in 0..R::BEFORE {
            push::<R>(&mut tx, number)?;
            expect(R::pop(&mut rx)?, Some(number))?;
        }
        let mut tail = 0;
        for number in R::BEFORE..R::BEFORE + COMMITTED {
            tail = object.tail();
            push::<R>(&mut tx, number)?;
        }
        let survivor = match operation.role {
            _ if operation.finds == Finds::Ended => {
                while R::pop(&mut rx)?.is_some() {}
                drop((rx, tx));
                // The consumer has left, so nobody is told of this one's end.
                drop(R::producer(&object.options()).map_err(|error| error.to_string())?);
                Survivor::Nobody
            }
            Role::Producer => Survivor::Consumer(rx),
            _ => {
                drop(rx);
                Survivor::Producer(tx)
            }
        };
        // The producer is dropped by now, unless it survives.
        if operation.finds == Finds::TailBehind {
            object.set_tail(tail);
        }
        Ok(World { object, survivor, first: R::BEFORE, next: R::BEFORE + COMMITTED })
    }
}

/// Pushes where there must be room.
///
/// # Errors
///
/// There was none, or what else went wrong.
pub fn push<R: Ring>(tx: &mut R::Producer, number: u64) -> Result<(), String> {
    if R::push(tx, number)? { Ok(()) } else { Err(format!("no room for {number}")) }
}

/// Says where what was found is not what was expected.
///
/// # Errors
///
/// Both of them.
pub fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}
