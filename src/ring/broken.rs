//! Why a handle is of no use any more.

use core::fmt;

use super::position::Corrupted;

/// A handle is of no use any more: each later call says the same, and nothing of the ring is touched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Broken {
    /// The other process wrote a number that this protocol cannot have produced.
    Corrupted(Corrupted),
    /// The handle belongs to the parent of this process, which was forked.
    ///
    /// Dropping or closing it does nothing here, and does not disturb the parent. The child can attach anew once the parent
    /// has left the role.
    Forked,
}

/// What is said of a handle that a fork copied, by whatever error says it.
pub const FORKED: &str = "the handle belongs to the process that this one was forked from: attach anew here, once that one has left the role";

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Corrupted(cause) => cause.fmt(formatter),
            Broken::Forked => formatter.write_str(FORKED),
        }
    }
}

impl core::error::Error for Broken {}

impl From<Corrupted> for Broken {
    fn from(cause: Corrupted) -> Broken {
        Broken::Corrupted(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::position::SharedWord;
    use super::*;

    #[test]
    fn a_handle_of_the_parent_says_what_the_child_can_do() {
        let said = Broken::Forked.to_string();
        assert!(said.contains("belongs to the process that this one was forked from"), "{said}");
        assert!(said.contains("attach anew"), "{said}");
    }

    #[test]
    fn a_corruption_is_told_as_it_was_found() {
        let cause = Corrupted { word: SharedWord::Tail, found: 9, lowest: 3, highest: 5, step: 1 };
        assert_eq!(Broken::from(cause), Broken::Corrupted(cause));
        assert_eq!(Broken::from(cause).to_string(), cause.to_string());
    }
}
