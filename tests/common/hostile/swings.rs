//! A thread that swings a word between what can be and what cannot, as fast as it can, under a victim that works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringmain::Options;

use super::guards::{avoid, surround};
use super::lies::{Shape, header};
use super::words::Words;
use super::{Choices, Verdict, Victim, attached, path, word};

/// A victim makes fewer calls than this of one handle. One call in so many waits.
const VISIT: u64 = 100;
const PATIENCE: u64 = 1000;

/// It goes on until so many of its handles were poisoned.
const CALLS_PER_LIE: u64 = 5000;

/// How many calls a victim makes at least between two reports.
const REPORT: u64 = 1000;

/// The size of each record, if it is not their headers that swing; and how many elements come at once.
const STEP: u64 = 64;

/// The thread that swings.
pub(crate) struct Liar<'a, C> {
    words: &'a Words,
    shape: Shape,
    choices: C,
    /// A position only grows, so this is the lowest one that can be.
    lowest: u64,
}

impl<C: Choices> Liar<'_, C> {
    /// Lets the consumer read everything at once. The producer finds all room, or an absurd head.
    pub(crate) fn swing_head(&mut self) {
        let tail = self.words.read(word::TAIL);
        self.swing(word::HEAD, tail);
    }

    /// Lets the producer be a little ahead. The consumer finds what lies in the ring, or an absurd tail.
    pub(crate) fn swing_tail(&mut self) {
        let ahead = self.words.read(word::HEAD).wrapping_add(STEP * self.choices.below(8));
        if ahead.wrapping_sub(self.lowest) < 1 << 32 {
            self.lowest = ahead;
        }
        self.swing(word::TAIL, self.lowest);
    }

    /// Stores a position that can be, or one that cannot. It may stand for long, if the victim has the only
    /// processor.
    fn swing(&self, word: u64, position: u64) {
        let absurd = [1 << 63, u64::MAX, 3, 8192, 4097, 1 << 32][self.choices.below(6) as usize];
        let is_absurd = self.choices.below(16) == 0;
        self.words.write(word, position.wrapping_add(if is_absurd { absurd } else { 0 }));
    }

    /// Swings the header of the message at the head between lengths that can be, and those that cannot.
    pub(crate) fn swing_headers(&mut self) {
        let head = self.words.read(word::HEAD);
        let at = word::DATA + head % self.shape.capacity / 8 * 8;
        self.words.write(word::TAIL, head);
        for len in [8, 2000, 40, 0, 8, 600] {
            self.words.write(at, header(len));
        }
        if self.choices.below(16) == 0 {
            let absurd = [u64::MAX, header(4089), header(1 << 40), 2, header(8000)][self.choices.below(5) as usize];
            self.words.write(at, absurd);
        }
    }
}

/// Ends the liar when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the calls of a victim came to under a liar.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swung {
    pub(crate) handles: u64,
    /// How many of them were poisoned.
    pub(crate) poisoned: u64,
    pub(crate) calls: u64,
    /// How many of them did something.
    pub(crate) done: u64,
}

/// Makes as many calls as a victim while another thread swings. It is reported now and then that it goes on.
#[track_caller]
pub(crate) fn swing<V: Victim, C: Choices + Send>(
    name: &str,
    shape: Shape,
    calls: u64,
    [ours, theirs]: [C; 2],
    swing: fn(&mut Liar<'_, C>),
    mut report: impl FnMut(),
) -> Swung {
    V::make(&Options::new(name), shape);
    let words = Words::of(&path(name));
    if !V::owns(word::TAIL) {
        // Wherever the tail comes to stand, messages are there.
        (word::DATA..words.len()).step_by(STEP as usize).for_each(|offset| words.write(offset, header(STEP - 8)));
    }
    let options = Options::new(name).await_first_peer(false);
    let is_over = AtomicBool::new(false);
    let (mut swung, mut told) = (Swung::default(), 0);
    thread::scope(|scope| {
        let mut liar = Liar { words: &words, shape, choices: theirs, lowest: 0 };
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                swing(&mut liar);
            }
        });
        // How often the two meet depends on the processors that there are.
        // The liar ends, and with it the process, if a call panics too.
        let _over = Over(is_over);
        while swung.calls < calls || swung.poisoned < calls / CALLS_PER_LIE {
            // On a single processor, too, the liar shall come to its turn.
            thread::yield_now();
            // What lies in the past is right again: who comes may stay.
            let [own, other] = if V::owns(word::TAIL) { [word::TAIL, word::HEAD] } else { [word::HEAD, word::TAIL] };
            words.write(other, words.read(own));
            let Some(verdict) = visit::<V>(&options, name, &words, &ours) else { continue };
            swung.handles += 1;
            swung.poisoned += u64::from(verdict.poison.is_some());
            swung.calls += verdict.done + verdict.refused;
            swung.done += verdict.done;
            if swung.calls >= told + REPORT {
                told = swung.calls;
                report();
            }
        }
    });
    swung
}

/// Attaches, and makes some calls; one more if the handle is poisoned. `None` if it could not.
fn visit<V: Victim>(options: &Options, name: &str, words: &Words, choices: &impl Choices) -> Option<Verdict> {
    let mut victim = attached(V::attach(options))?;
    if choices.below(16) == 0 {
        if let Err(place) = surround(&path(name), words.address()) {
            drop(victim);
            avoid(place);
            return None;
        }
    }
    let mut verdict = Verdict::default();
    for _ in 0..choices.below(VISIT) {
        verdict.hear(victim.call(choices, PATIENCE));
        if verdict.poison.is_some() {
            verdict.hear(victim.call(choices, PATIENCE));
            break;
        }
    }
    Some(verdict)
}
