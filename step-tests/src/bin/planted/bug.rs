//! What the planted library does wrong.

use std::sync::OnceLock;

/// A bug, such as the library could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The producer publishes, elements by the tail, a message by its header, then writes what it published.
    PublishBeforeWrite,
    /// The producer does not zero the header behind a record.
    NextHeaderNotZeroed,
    /// A creator writes the magic before it has said what the segment is.
    MagicFirst,
    /// The consumer stores its head, then reads what lies before it.
    ReleaseBeforeRead,
    /// The consumer does not store which end it was told.
    ToldTwice,
    /// A consumer counts as told when it comes.
    ToldNever,
    /// The consumer stores the head at every second move alone.
    CreditWithheld,
    /// The consumer of elements loads the tail once more, and takes what it finds for checked.
    CursorPastView,
}

static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();

/// Plants the bug of this name.
pub(crate) fn plant(name: &str) {
    let bug = match name {
        "-" => None,
        "publish before write" => Some(Bug::PublishBeforeWrite),
        "next header not zeroed" => Some(Bug::NextHeaderNotZeroed),
        "magic first" => Some(Bug::MagicFirst),
        "release before read" => Some(Bug::ReleaseBeforeRead),
        "told twice" => Some(Bug::ToldTwice),
        "told never" => Some(Bug::ToldNever),
        "credit withheld" => Some(Bug::CreditWithheld),
        "cursor past its view" => Some(Bug::CursorPastView),
        _ => panic!("no bug {name:?}"),
    };
    PLANTED.set(bug).expect("one bug at a time");
}

/// Returns whether this bug is planted.
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get().is_some_and(|planted| *planted == Some(bug))
}
