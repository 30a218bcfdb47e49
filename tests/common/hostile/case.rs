//! One end of a ring as the victim of a liar, round after round.

use std::marker::PhantomData;

use ringmain::Options;

use super::guards::{avoid, surround};
use super::lies::{Shape, Start};
use super::words::Words;
use super::{Choices, Verdict, Victim, attached, path};

/// How long a round may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// It makes fewer calls than this.
    pub(crate) calls: u64,
    /// One in so many calls waits.
    pub(crate) patience: u64,
    /// One round in so many ends with a wait without a limit; none if it is 0.
    pub(crate) blocking: u64,
    /// In one round of so many it is looked whether the victim is still guarded: it takes longer than all else of a
    /// round.
    pub(crate) guard: u64,
}

/// A ring that is made anew for each round, and the end that is attached to it.
pub(crate) struct Case<V> {
    name: String,
    shape: Shape,
    stand: Option<(Words, Start)>,
    rounds: u64,
    victim: PhantomData<V>,
}

impl<V: Victim> Case<V> {
    /// Takes a name under which nothing stands.
    pub(crate) fn new(name: &str, shape: Shape) -> Case<V> {
        Case { name: name.to_owned(), shape, stand: None, rounds: 0, victim: PhantomData }
    }

    /// Makes a round with these choices; returns what the victim's calls came to, `None` if it could not attach.
    #[track_caller]
    pub(crate) fn round<C: Choices>(&mut self, choices: impl Fn() -> C, limits: Limits) -> Option<Verdict> {
        let is_looked_at = self.rounds % limits.guard == 0;
        self.rounds += 1;
        loop {
            let (words, start) = self.stand.get_or_insert_with(|| {
                V::make(&Options::new(&self.name), self.shape);
                let words = Words::of(&path(&self.name));
                let start = Start::of(&words, self.shape);
                (words, start)
            });
            let result = round::<V>(&self.name, words, start, &choices(), limits, is_looked_at);
            if !path(&self.name).exists() {
                // The victim took it for what a dead creator has left.
                self.stand = None;
            }
            // If there was no guard around the victim, it was no round.
            if let Some(verdict) = result {
                return verdict;
            }
        }
    }
}

#[track_caller]
fn round<V: Victim>(
    name: &str,
    words: &Words,
    start: &Start,
    choices: &impl Choices,
    limits: Limits,
    is_looked_at: bool,
) -> Option<Option<Verdict>> {
    let mut shadow = start.make(words, choices);
    let mut lie = |most| {
        for _ in 0..choices.below(most) {
            let (offset, value) = start.lie(words, choices);
            shadow.write(words, offset, value);
        }
    };
    lie(4);
    let options = Options::new(name).await_first_peer(false);
    let Some(mut victim) = attached(V::attach(&options)) else {
        shadow.check(words, V::owns);
        return Some(None);
    };
    if is_looked_at {
        if let Err(place) = surround(&path(name), words.address()) {
            drop(victim);
            avoid(place);
            return None;
        }
    }
    start.check_positions(words);
    let mut verdict = Verdict::default();
    let lies = 2 + choices.below(3);
    for _ in 0..choices.below(limits.calls) {
        verdict.hear(victim.call(choices, limits.patience));
        if choices.below(lies) == 0 {
            lie(4);
        }
    }
    if limits.blocking > 0 && choices.below(limits.blocking) == 0 {
        verdict.hear(victim.block(choices));
    }
    match choices.below(4) {
        0 => drop(victim),
        end => victim.close(end == 1).unwrap(),
    }
    shadow.check(words, V::owns);
    Some(Some(verdict))
}
