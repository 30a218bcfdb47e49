//! What both kinds of ring have in common: how their ends wait, and which of their forms a case names.

use std::sync::atomic::{Ordering, fence};

use ringmain::Options;

use crate::bench::plan::Case;
use crate::bench::wait::Wait;

/// What both sides ask for.
pub(super) fn options(name: &str, case: Case) -> Options {
    let wait = match case.wait {
        Wait::Busy => ringmain::Wait::Spin,
        Wait::Park => ringmain::Wait::Park,
        // Where the ends spin, they call nothing that waits.
        _ => ringmain::Wait::SpinThenPark,
    };
    Options::new(name).unlink_on_close(true).wait(wait)
}

/// The fence that a ring would need after each message if sleepers did not make it in its place.
#[inline]
pub(super) fn publish_fence() {
    // Pairs with nothing: it stands for its cost.
    fence(Ordering::SeqCst);
}

/// Calls a function with the two constants that a case names: whether its ends wait in the library's blocking calls,
/// and whether the sender makes fences.
///
/// Ends that spin poll by themselves, so that they can yield a processor which both processes share.
macro_rules! with_form {
    ($case:expr, $function:ident::<$words:ident>($($argument:expr),*)) => {
        match ($case.wait != $crate::bench::wait::Wait::Spin, $case.fenced) {
            (false, false) => $function::<$words, false, false>($($argument),*),
            (false, true) => $function::<$words, false, true>($($argument),*),
            (true, false) => $function::<$words, true, false>($($argument),*),
            (true, true) => $function::<$words, true, true>($($argument),*),
        }
    };
}

pub(super) use with_form;
