//! Those who come to what a liar has made of a ring.

use ringmain::Error;

/// Attaches where the words allow it at this moment.
#[track_caller]
pub(crate) fn attach_if_allowed<H>(attach: Result<H, Error>) -> Option<H> {
    match attach {
        Ok(handle) => Some(handle),
        Err(Error::Corrupted { .. }) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// What the calls of one side came to.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) corrupted: u64,
}

impl Outcomes {
    /// Checks that there was something of each.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        println!("{what}: {self:?}");
        let Outcomes { done, refused, corrupted } = *self;
        assert!(done.min(refused).min(corrupted) > 0, "{what}: {self:?} say nothing");
    }
}
