//! How a model is run, and what models are made of.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::Ordering;

use crate::checked::UNIT;
use crate::ring::error::{PopError, PushError};
use crate::ring::memory::{Memory, Word};
use crate::ring::stream::{Consumer, Producer};
use crate::weakened::Site;

/// How often a model preempts a thread where another could run, at most. Blocked and yielding threads do not count.
///
/// Two are enough to find every planted fault and every weakened ordering of these models. A third takes ten times as
/// long, and is left to `.ci/run`.
const PREEMPTIONS: usize = 2;

/// How often a model repeats a call that the other side has to make possible. The other side has fewer steps than that.
const TRIES: usize = 40;

/// What loom says where a write of a slot and a read or another write are not ordered.
pub const RACE: &str = "Causality violation: Concurrent";

/// What [`until`] says.
pub const NO_PROGRESS: &str = "no progress";

/// Has a model's panic told in one line, and one that is expected not at all. The stacks of loom's threads have no room
/// for a backtrace in an unoptimised build, and a test that overflows one while it prints hangs.
fn tell_panics_briefly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match TOLD.get() {
            Told::Usually => usual(panic),
            Told::Briefly => eprintln!("{panic}"),
            Told::NotAtAll => {}
        }));
    });
}

/// How panics of this thread are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Usually,
    Briefly,
    NotAtAll,
}

thread_local! {
    static TOLD: Cell<Told> = const { Cell::new(Told::Usually) };
}

/// Runs something with panics told like this.
fn with_panics<R>(told: Told, run: impl FnOnce() -> R) -> R {
    tell_panics_briefly();
    let before = TOLD.replace(told);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    TOLD.set(before);
    result.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Runs a model in every interleaving up to the bound on preemptions. It fails by a panic.
pub fn check(model: impl Fn() + Send + Sync + 'static) {
    with_panics(if TOLD.get() == Told::NotAtAll { Told::NotAtAll } else { Told::Briefly }, || run(model));
}

fn run(model: impl Fn() + Send + Sync + 'static) {
    REACHED.take();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

/// Runs a model whose interleavings are too many for a larger bound than the usual one, whatever is asked for.
pub fn check_large(model: impl Fn() + Send + Sync + 'static) {
    with_panics(Told::Briefly, || {
        REACHED.take();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(PREEMPTIONS);
        builder.check(model);
    });
}

/// Runs a model in every interleaving, without a bound.
pub fn check_unbounded(model: impl Fn() + Send + Sync + 'static) {
    with_panics(Told::Briefly, || {
        REACHED.take();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = None;
        builder.check(model);
    });
}

/// Runs a model that must fail, and fail for this reason.
///
/// # Panics
///
/// If the model passes, or fails with a message that does not contain `reason`.
#[track_caller]
pub fn fails(reason: &str, model: impl Fn() + Send + Sync + 'static) {
    let found = failure(model);
    assert!(found.contains(reason), "expected a failure with {reason:?}, found {found:?}");
}

/// Runs a model that must fail, for this reason, with each one of these orderings weakened.
///
/// # Panics
///
/// If the model passes with one of them, or fails with a message that does not contain `reason`.
#[track_caller]
pub fn fails_without(sites: &[Site], reason: &str, model: fn(Site)) {
    for &site in sites {
        let found = failure(move || model(site));
        assert!(found.contains(reason), "{site:?} weakened: expected a failure with {reason:?}, found {found:?}");
    }
}

/// Returns what a model fails with.
fn failure(model: impl Fn() + Send + Sync + 'static) -> String {
    match catch_unwind(AssertUnwindSafe(|| with_panics(Told::NotAtAll, || check(model)))) {
        Ok(()) => "none".to_owned(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("a panic without a message").to_owned(),
        },
    }
}

thread_local! {
    /// Loom runs all threads of a model on the thread of the test.
    static REACHED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that the model came to a state that it is there for.
pub fn reached(state: &'static str) {
    REACHED.with_borrow_mut(|states| states.insert(state));
}

/// Makes sure that the last check came to these states in some interleaving: a model that never does shows nothing.
///
/// # Panics
///
/// If it came to one of them in none.
#[track_caller]
pub fn assert_reached(expected: &[&'static str]) {
    REACHED.with_borrow(|states| {
        let missed: Vec<_> = expected.iter().filter(|&state| !states.contains(state)).collect();
        assert!(missed.is_empty(), "never reached: {missed:?}");
    });
}

/// Repeats a call that the other side has to make possible.
///
/// # Panics
///
/// If the other side does not.
#[track_caller]
pub fn until<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    for _ in 0..TRIES {
        if let Some(result) = attempt() {
            return result;
        }
        loom::thread::yield_now();
    }
    panic!("{NO_PROGRESS} in {TRIES} tries");
}

/// Attaches both ends to a ring the positions of which stand at `position`.
///
/// # Panics
///
/// If they cannot be attached.
pub fn ring<M: Memory + Clone>(memory: M, position: u64) -> (Producer<u64, M>, Consumer<u64, M>) {
    memory.tail().store(position, Ordering::Relaxed);
    memory.head().store(position, Ordering::Relaxed);
    (producer(memory.clone()), consumer(memory))
}

/// Attaches a producer.
///
/// # Panics
///
/// If it cannot be attached.
pub fn producer<M: Memory>(memory: M) -> Producer<u64, M> {
    let slots = memory.len() / UNIT;
    Producer::attach(memory, slots, 0).expect("a sound head")
}

/// Attaches a consumer.
///
/// # Panics
///
/// If it cannot be attached.
pub fn consumer<M: Memory>(memory: M) -> Consumer<u64, M> {
    let slots = memory.len() / UNIT;
    Consumer::attach(memory, slots, 0).expect("a sound tail")
}

/// Pushes an element as soon as a slot is free. Whether it had to wait is noted as `"full"`.
///
/// # Panics
///
/// If none becomes free, or the head is none that can be.
#[track_caller]
pub fn push<M: Memory>(producer: &mut Producer<u64, M>, value: u64) {
    until(|| match producer.push(value) {
        Ok(()) => Some(()),
        Err(PushError::Full(_)) => {
            reached("full");
            None
        }
        Err(error) => panic!("{error}"),
    });
}

/// Pops an element as soon as one is there. Whether it had to wait is noted as `"empty"`.
///
/// # Panics
///
/// If none comes, or the tail is none that can be.
#[track_caller]
pub fn pop<M: Memory>(consumer: &mut Consumer<u64, M>) -> u64 {
    until(|| match consumer.pop() {
        Ok(value) => Some(value),
        Err(PopError::Empty) => {
            reached("empty");
            None
        }
        Err(error) => panic!("{error}"),
    })
}
