//! The end of a holder is told once, to whom it concerns, after what that holder sent.

use loom::sync::{Arc, Mutex};
use loom::thread::{self, JoinHandle};
use loom_tests::checked::CheckedMemory;
use loom_tests::internals::Internals;
use loom_tests::killed::Killed;
use loom_tests::lock::Lock;
use loom_tests::model::{assert_reached, check, consumer, fails, pop, producer, push, reached, until};
use loom_tests::planted::Bug;
use loom_tests::ring::ends::Ends;
use loom_tests::ring::memory::{Memory, Role};
use loom_tests::ring::presence::{self, Presence};
use loom_tests::ring::stream::{Consumer, Producer};

/// What a model says of an end that somebody hears whom it does not concern.
const TOLD_TWICE: &str = "told of an end once too often";

/// What a model says of an end that nobody hears.
const NEVER_TOLD: &str = "never told of an end";

/// What a model says of an end that is told in front of what was sent.
const TOLD_EARLY: &str = "told of an end before the data";

/// Whether the lock of a role is held, as the kernel answers that.
type Held = Arc<Mutex<bool>>;

/// How a holder ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Leaves,
    Killed,
}

const ENDS: [End; 2] = [End::Leaves, End::Killed];

/// Returns what the holder of `role` said last, and whether it is there.
fn peer_now<M: Memory>(memory: &M, role: Role, held: &Held) -> (Presence, bool) {
    let said = presence::observe(memory.presence(role));
    let now = presence::observe(memory.presence(role));
    (said, matches!(now, Presence::Attached { .. }) && *held.lock().unwrap())
}

/// Returns the presence of a holder of `role` that has ended, if that concerns whoever asks.
fn ended<M: Memory>(memory: &M, role: Role, held: &Held, ends: &Ends) -> Option<Presence> {
    let said = presence::observe(memory.presence(role));
    let is_gone = match said {
        Presence::Never => false,
        Presence::Left { .. } => true,
        // The lock is asked for between two looks: the word is of the one who held it.
        Presence::Attached { .. } => !*held.lock().unwrap() && presence::observe(memory.presence(role)) == said,
    };
    (is_gone && ends.concern(said)).then_some(said)
}

/// A consumer and what it knows of the producers.
struct Reader<M: Memory> {
    consumer: Consumer<u64, M>,
    generation: u64,
    /// Whether a producer was there when it came.
    was_there: bool,
}

/// How a consumer finds out what concerns it.
type Come<M> = fn(&mut Consumer<u64, M>, &Held) -> (Ends, bool);

fn come<M: Memory>(consumer: &mut Consumer<u64, M>, held: &Held) -> (Ends, bool) {
    let (said, is_there) = peer_now(consumer.memory(), Role::Producer, held);
    // Behind the look at the producer: what it sent before it left is seen.
    let has_data = consumer.is_ready(1).unwrap();
    (Ends::attach(consumer.memory(), Role::Consumer, said, is_there, has_data), is_there)
}

impl<M: Memory> Reader<M> {
    fn comes(memory: M, held: &Held, come: Come<M>) -> Reader<M> {
        let mut consumer = consumer(memory);
        let generation = presence::store_attached(consumer.memory().presence(Role::Consumer), &[]);
        let (ends, was_there) = come(&mut consumer, held);
        consumer.set_ends(ends);
        Reader { consumer, generation, was_there }
    }

    fn ended(&self, held: &Held) -> Option<Presence> {
        ended(self.consumer.memory(), Role::Producer, held, self.consumer.ends())
    }

    /// Reads all that is there, and returns it with the end that is told then, if one is.
    fn drain(&mut self, held: &Held) -> (Vec<u64>, Option<Presence>) {
        let ended = self.ended(held);
        let popped = std::iter::from_fn(|| self.consumer.pop().ok()).collect();
        if let Some(peer) = ended {
            self.consumer.ends().mark_told(self.consumer.memory(), Role::Consumer, peer);
        }
        (popped, ended)
    }

    fn leaves(mut self) {
        self.consumer.leave(self.generation);
    }
}

/// A producer comes, pushes so many elements and ends.
fn a_producer_ends<M: Memory + 'static>(memory: M, held: &Held, count: u64, end: End) -> JoinHandle<()> {
    let held = held.clone();
    thread::spawn(move || {
        *held.lock().unwrap() = true;
        let mut producer = producer(memory);
        let generation = presence::store_attached(producer.memory().presence(Role::Producer), &[]);
        (0..count).for_each(|value| push(&mut producer, value));
        if end == End::Leaves {
            producer.leave(generation);
        }
        *held.lock().unwrap() = false;
    })
}

/// A consumer comes while a producer is at work, reads until it is told of the end, and is told again. Another one
/// follows.
fn a_reader_is_told<M: Memory + Clone + 'static>(memory: M, end: End, drain: Drain<M>) {
    let held = Held::default();
    let holder = a_producer_ends(memory.clone(), &held, 1, end);
    let mut first = Reader::comes(memory.clone(), &held, come);
    let mut popped = Vec::new();
    let told = until(|| {
        let (more, ended) = drain(&mut first, &held);
        popped.extend(more);
        ended
    });
    holder.join().unwrap();
    assert_eq!((popped, told.generation()), (vec![0], 1), "{TOLD_EARLY}");
    assert_eq!(first.drain(&held), (vec![], Some(told)), "{NEVER_TOLD}");
    // It is killed. No producer has come since.
    assert_eq!(Reader::comes(memory, &held, come).drain(&held), (vec![], None), "{TOLD_TWICE}");
}

/// How a consumer reads.
type Drain<M> = fn(&mut Reader<M>, &Held) -> (Vec<u64>, Option<Presence>);

#[test]
fn a_consumer_is_told_of_an_end_and_its_successor_is_not() {
    for end in ENDS {
        check(move || a_reader_is_told(CheckedMemory::new(1), end, Reader::drain));
    }
}

#[test]
fn a_consumer_that_does_not_store_what_it_was_told_is_caught() {
    for end in ENDS {
        fails(TOLD_TWICE, move || a_reader_is_told(Bug::NotTold.memory(1), end, Reader::drain));
    }
}

#[test]
fn a_consumer_that_looks_at_the_ring_before_it_looks_at_the_producer_is_caught() {
    for end in ENDS {
        fails(TOLD_EARLY, move || {
            a_reader_is_told(CheckedMemory::new(1), end, |reader, held| {
                let popped: Vec<_> = std::iter::from_fn(|| reader.consumer.pop().ok()).collect();
                let ended = reader.ended(held);
                (popped, ended)
            });
        });
    }
}

/// The first consumer comes, does something and is killed; nobody has been told of an end. Another one follows.
fn a_successor_is_told<M: Memory + Clone + 'static>(
    memory: M,
    end: End,
    come_first: Come<M>,
    first: fn(&mut Reader<M>, &Held),
) {
    let held = Held::default();
    let holder = a_producer_ends(memory.clone(), &held, 1, end);
    first(&mut Reader::comes(memory.clone(), &held, come_first), &held);
    let mut second = Reader::comes(memory, &held, come);
    reached(if second.was_there { "the producer is there" } else { "the producer is not there" });
    holder.join().unwrap();
    let (popped, told) = second.drain(&held);
    reached(if popped.is_empty() { "nothing is left" } else { "data is left" });
    assert_eq!(told.map(Presence::generation), Some(1), "{NEVER_TOLD}");
}

fn pop_first<M: Memory>(first: &mut Reader<M>, _: &Held) {
    assert_eq!(pop(&mut first.consumer), 0);
}

const WHAT_A_SUCCESSOR_FINDS: [&str; 2] = ["the producer is there", "the producer is not there"];

#[test]
fn an_end_that_nobody_was_told_is_told_to_the_next_consumer_after_the_data() {
    for end in ENDS {
        check(move || a_successor_is_told(CheckedMemory::new(1), end, come, |_, _| ()));
        assert_reached(&WHAT_A_SUCCESSOR_FINDS);
        assert_reached(&["data is left"]);
        check(move || a_successor_is_told(CheckedMemory::new(1), end, come, pop_first));
        assert_reached(&WHAT_A_SUCCESSOR_FINDS);
        assert_reached(&["nothing is left"]);
    }
}

#[test]
fn a_consumer_that_counts_as_told_when_it_comes_is_caught() {
    fn come_and_be_told<M: Memory>(consumer: &mut Consumer<u64, M>, held: &Held) -> (Ends, bool) {
        let (ends, was_there) = come(consumer, held);
        let said = presence::observe(consumer.memory().presence(Role::Producer));
        ends.mark_told(consumer.memory(), Role::Consumer, said);
        (ends, was_there)
    }
    for end in ENDS {
        fails(NEVER_TOLD, move || a_successor_is_told(CheckedMemory::new(1), end, come_and_be_told, pop_first));
    }
}

#[test]
fn a_consumer_that_counts_as_told_before_it_has_read_the_data_is_caught() {
    for end in ENDS {
        fails(NEVER_TOLD, move || {
            a_successor_is_told(CheckedMemory::new(1), end, come, |first, held| {
                if let Some(peer) = first.ended(held) {
                    first.consumer.ends().mark_told(first.consumer.memory(), Role::Consumer, peer);
                }
                pop_first(first, held);
            });
        });
    }
}

/// The first consumer reads what is there and leaves in order, whatever the producer does meanwhile. Another one
/// follows.
fn a_reader_leaves<M: Memory + Clone + 'static>(memory: M, end: End, come_second: Come<M>) {
    let held = Held::default();
    let holder = a_producer_ends(memory.clone(), &held, 1, end);
    let mut first = Reader::comes(memory.clone(), &held, come);
    let read = first.consumer.pop().is_ok();
    first.leaves();
    let mut second = Reader::comes(memory, &held, come_second);
    holder.join().unwrap();
    let (popped, told) = second.drain(&held);
    assert_eq!(popped.is_empty(), read, "an element was lost or repeated");
    if !read {
        reached("data is left");
        assert!(told.is_some(), "{NEVER_TOLD}");
    } else if second.was_there {
        reached("the producer is there");
        assert!(told.is_some(), "{NEVER_TOLD}");
    } else if told.is_none() {
        reached("the end was left behind");
    }
}

#[test]
fn data_that_a_consumer_leaves_behind_brings_the_end_back() {
    for end in ENDS {
        check(move || a_reader_leaves(CheckedMemory::new(1), end, come));
        assert_reached(&["data is left", "the producer is there", "the end was left behind"]);
    }
}

#[test]
fn a_consumer_that_looks_for_data_before_it_looks_at_the_producer_is_caught() {
    for end in ENDS {
        fails(NEVER_TOLD, move || {
            a_reader_leaves(CheckedMemory::new(1), end, |consumer, held| {
                let has_data = consumer.is_ready(1).unwrap();
                let (said, is_there) = peer_now(consumer.memory(), Role::Producer, held);
                (Ends::attach(consumer.memory(), Role::Consumer, said, is_there, has_data), is_there)
            });
        });
    }
}

/// A consumer is killed after so many writes: that it came, the head, what it was told. Another one follows.
fn a_reader_is_cut<M>(memory: M, writes: usize)
where
    M: Memory<Word: Clone> + Clone + 'static,
{
    const TOLD: usize = 3;
    let held = Held::default();
    let holder = a_producer_ends(memory.clone(), &held, 1, End::Leaves);
    let mut first = Reader::comes(Killed::after(writes, memory.clone()), &held, come);
    assert_eq!(pop(&mut first.consumer), 0);
    until(|| first.drain(&held).1);
    holder.join().unwrap();
    let (popped, told) = Reader::comes(memory, &held, come).drain(&held);
    assert_eq!(popped.is_empty(), writes > 1, "an element was lost or repeated");
    assert_eq!(told.is_none(), writes >= TOLD, "{}", if told.is_none() { NEVER_TOLD } else { TOLD_TWICE });
}

#[test]
fn a_consumer_that_is_killed_anywhere_leaves_the_end_to_be_told_once() {
    for writes in 0..4 {
        check(move || a_reader_is_cut(CheckedMemory::new(1), writes));
    }
}

#[test]
fn a_consumer_that_hands_its_role_on_leaves_the_end_to_the_next_one() {
    for end in ENDS {
        check(move || {
            let (memory, held) = (CheckedMemory::new(1), Held::default());
            let holder = a_producer_ends(memory.clone(), &held, 0, end);
            let mut first = Reader::comes(memory.clone(), &held, come);
            first.consumer.hand_on(first.generation);
            let mut second = Reader::comes(memory, &held, come);
            holder.join().unwrap();
            assert!(second.drain(&held).1.is_some(), "{NEVER_TOLD}");
        });
    }
}

/// What a consumer was told passes to the next one by the lock of their role.
fn readers_in_sequence<M: Memory + Clone + 'static>(memory: M, lock: Lock) {
    let held = Held::default();
    a_producer_ends(memory.clone(), &held, 0, End::Leaves).join().unwrap();
    let (firsts, seconds, lock_of_producer) = (memory.clone(), memory, held.clone());
    let first = move || Reader::comes(firsts, &held, come).drain(&held).1;
    let second = move || Reader::comes(seconds, &lock_of_producer, come).drain(&lock_of_producer).1;
    let (first, second) = lock.pass(first, second).join().unwrap();
    assert!(first.is_some(), "{NEVER_TOLD}");
    assert!(second.is_none(), "{TOLD_TWICE}");
}

#[test]
fn what_a_consumer_was_told_rests_on_the_lock_of_the_role() {
    check(|| readers_in_sequence(CheckedMemory::new(1), Lock::Kernel));
    fails(TOLD_TWICE, || readers_in_sequence(CheckedMemory::new(1), Lock::Unordered));
}

/// A producer and what it knows of the consumers.
fn a_writer_comes<M: Memory>(memory: M, held: &Held) -> (Producer<u64, M>, Ends, (Presence, bool)) {
    let producer = producer(memory);
    presence::store_attached(producer.memory().presence(Role::Producer), &[]);
    let (said, is_there) = peer_now(producer.memory(), Role::Consumer, held);
    let ends = Ends::attach(producer.memory(), Role::Producer, said, is_there, false);
    (producer, ends, (said, is_there))
}

/// Two consumers come and end, one after the other.
fn readers_end<M: Memory + Clone + 'static>(memory: M, held: &Held, end: End) -> JoinHandle<()> {
    let held = held.clone();
    thread::spawn(move || {
        for _ in 0..2 {
            *held.lock().unwrap() = true;
            let mut consumer = consumer(memory.clone());
            let generation = presence::store_attached(consumer.memory().presence(Role::Consumer), &[]);
            if end == End::Leaves {
                consumer.leave(generation);
            }
            *held.lock().unwrap() = false;
        }
    })
}

/// The first producer is there before the consumers, the second one comes meanwhile, the third one after them.
fn writers_are_told<M: Memory + Clone + 'static>(memory: M, end: End, third_ends: Option<Ends>) {
    let held = Held::default();
    let (first, ends, _) = a_writer_comes(memory.clone(), &held);
    let holders = readers_end(memory.clone(), &held, end);
    let (second, second_ends, (said, is_there)) = a_writer_comes(memory.clone(), &held);
    holders.join().unwrap();
    let told = |producer: &Producer<u64, M>, ends| {
        ended(producer.memory(), Role::Consumer, &held, ends).map(Presence::generation)
    };
    // It hears it again by each further call.
    assert_eq!([(); 2].map(|()| told(&first, &ends)), [Some(2); 2], "{NEVER_TOLD}");
    let came_after_all = said.generation() == 2 && !is_there;
    reached(if came_after_all { "after all" } else { "before the last one has ended" });
    if came_after_all {
        assert_eq!(told(&second, &second_ends), None, "{TOLD_TWICE}");
    } else {
        assert_eq!(told(&second, &second_ends), Some(2), "{NEVER_TOLD}");
    }
    let (third, ends, _) = a_writer_comes(memory, &held);
    assert_eq!(told(&third, &third_ends.unwrap_or(ends)), None, "{TOLD_TWICE}");
}

#[test]
fn a_producer_is_told_of_consumers_that_end_after_it_came_alone() {
    for end in ENDS {
        check(move || writers_are_told(CheckedMemory::new(1), end, None));
        assert_reached(&["after all", "before the last one has ended"]);
    }
}

#[test]
fn a_producer_that_does_not_look_who_is_gone_already_is_caught() {
    for end in ENDS {
        fails(TOLD_TWICE, move || writers_are_told(CheckedMemory::new(1), end, Some(Ends::default())));
    }
}
