//! A ring of elements of one type: samples, bytes, fixed structs, one by one or in bulk.
//!
//! A [`Producer`] and a [`Consumer`] are attached by [`Options`](crate::Options). Their calls never wait and make no
//! system call, except where it is said, for those named `_blocking` and `_timeout`, and to wake the other end where it
//! sleeps. Both are [`Send`] and not [`Sync`]: the role follows the handle, not the thread.
//!
//! ```
//! fn moves_to_a_thread<T: Send>() {}
//! moves_to_a_thread::<ringmain::stream::Producer<u64>>();
//! moves_to_a_thread::<ringmain::stream::Consumer<u64>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn is_shared_between_threads<T: Sync>() {}
//! is_shared_between_threads::<ringmain::stream::Producer<u64>>();
//! ```
//!
//! A process that forks keeps its handles. Every call of the child on the copies that it gets is refused as `Forked` and touches
//! nothing; it may drop them, and attach anew once the parent has left.
//!
//! # What the other process sees, and when
//!
//! - A push, or the commit of a claim, is visible when it returns. Nothing is held back.
//! - A pop, or the release of a [`Peek`], gives its slots back before it returns.
//! - After a crash of the consumer, the next one starts behind what was popped or released: what a pop returned never comes
//!   again, and what was only looked at does. [`Consumer::position`] tells where that is.
//! - After a crash of the producer, all that was pushed or committed is there, and nothing else.
//!
//! # In place
//!
//! A [`Claim`] and a [`Peek`] work on the slots themselves, one element at a time or by slices, and copy each only once. No
//! reference into the ring is handed out: the other process could write what it refers to. Where it is trusted, there is
//! [`Producer::trust_peer`].

mod blocking;
mod consumer;
mod io;
mod producer;
mod transfer;
mod trusted;

use std::fmt;

pub use crate::ring::stream::{ClaimError, Element, PeekError, PopError, PushError, PushSliceError};
pub use consumer::{Consumer, Elements, Peek};
pub use producer::{Claim, Producer};
pub use trusted::{TrustedClaim, TrustedPeek};

macro_rules! debug {
    ($($handle:ident $(<$life:lifetime>)? . $field:tt),*) => {$(
        impl<T: Element> fmt::Debug for $handle<$($life,)? T> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.$field.fmt(formatter)
            }
        }
    )*};
}

debug!(Producer.ring, Consumer.ring, Claim<'_>.0, Peek<'_>.0, Elements<'_>.0);
