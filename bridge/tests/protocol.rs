//! The protocol without a network: queries and answers are lost, doubled, late and out of order, either end is killed
//! at any step, and both rings are small. What comes out of ring B is what went into ring A, once each.

use std::alloc::Layout;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use ringmain::{Options, message, stream};
use ringmain_bridge::fault::Fault;
use ringmain_bridge::flow::Flow;
use ringmain_bridge::metrics::{Metrics, Side};
use ringmain_bridge::mirror::{Mirror, Pushed, Wanted};
use ringmain_bridge::object::Object;
use ringmain_bridge::protocol::{Answer, Kind, Query, Shape};
use ringmain_bridge::source::{Ahead, Ring};
use ringmain_bridge::window::Window;

/// A pair of names, which are removed in the end.
struct Names([String; 2]);

impl Names {
    fn new() -> Names {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Names(["a", "b"].map(|side| format!("bridge-sim-{}-{count}-{side}", process::id())))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.0.iter().for_each(|name| drop(ringmain::unlink(name)));
    }
}

/// What goes in at A and comes out at B: the number of each unit stands in it.
trait Ends {
    type Rx: Ring;
    const KIND: Kind;

    fn make(name: &str) -> Self;
    fn reader(name: &str) -> Self::Rx;
    /// Pushes the unit of this number, if it fits.
    fn push(&mut self, number: u64) -> bool;
    /// Returns the position of the producer, and the number of its ring.
    fn tail(&self) -> u64;
    fn ring_id(&self) -> u64;
    /// Pops what is in ring B, and checks that it goes on with this number. Returns how many that was.
    fn pop(name: &str, next: u64) -> Result<u64, String>;
}

const CAPACITY: usize = 4096;

/// The message of a number: of any length, and with its number wherever a word of it lies.
fn message(number: u64) -> Vec<u8> {
    let len = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    number.to_le_bytes().repeat(1 + len as usize / 8)
}

struct Messages<const ALIGN: usize>(message::Producer);

impl<const ALIGN: usize> Ends for Messages<ALIGN> {
    type Rx = message::Consumer;
    const KIND: Kind = Kind::Message(ALIGN);

    fn make(name: &str) -> Self {
        Messages(Options::new(name).capacity(CAPACITY).record_alignment(ALIGN).message_producer().unwrap())
    }

    fn reader(name: &str) -> message::Consumer {
        Options::new(name).message_consumer().unwrap()
    }

    fn push(&mut self, number: u64) -> bool {
        match ALIGN {
            8 => self.0.push(&message(number)).is_ok(),
            _ => self.0.push_tagged(number, &message(number)).is_ok(),
        }
    }

    fn tail(&self) -> u64 {
        self.0.position()
    }

    fn ring_id(&self) -> u64 {
        self.0.ring_id()
    }

    fn pop(name: &str, next: u64) -> Result<u64, String> {
        let Ok(mut rx) = Options::new(name).message_consumer() else { return Ok(0) };
        let mut count = 0;
        let mut found = vec![0; CAPACITY];
        while let Ok((word, len)) = rx.pop_tagged(&mut found) {
            let number = next + count;
            if found[..len] != message(number) || ALIGN > 8 && word != number {
                return Err(format!("instead of {number} came {:02x?}", &found[..len.min(8)]));
            }
            count += 1;
        }
        Ok(count)
    }
}

struct Elements(stream::Producer<[u8]>);

/// No power of two, so that elements pass the end of the buffer at any byte.
const ELEMENT: Layout = Layout::new::<[u64; 3]>();

impl Ends for Elements {
    type Rx = stream::Consumer<[u8]>;
    const KIND: Kind = Kind::Stream(ELEMENT);

    fn make(name: &str) -> Self {
        Elements(Options::new(name).capacity(CAPACITY / 32).sized_stream_producer(ELEMENT).unwrap())
    }

    fn reader(name: &str) -> stream::Consumer<[u8]> {
        Options::new(name).sized_stream_consumer(ELEMENT).unwrap()
    }

    fn push(&mut self, number: u64) -> bool {
        self.0.push_slice(&number.to_le_bytes().repeat(3)).is_ok()
    }

    fn tail(&self) -> u64 {
        self.0.position()
    }

    fn ring_id(&self) -> u64 {
        self.0.ring_id()
    }

    fn pop(name: &str, next: u64) -> Result<u64, String> {
        let Ok(mut rx) = Options::new(name).sized_stream_consumer(ELEMENT) else { return Ok(0) };
        let mut count = 0;
        let mut found = [0; ELEMENT.size()];
        while rx.pop_slice(&mut found).is_ok() {
            let number = next + count;
            if found[..] != number.to_le_bytes().repeat(3) {
                return Err(format!("instead of {number} came {found:02x?}"));
            }
            count += 1;
        }
        Ok(count)
    }
}

/// What a network does to what it carries.
struct Network {
    queries: Vec<(u32, u64, Vec<u8>)>,
    answers: Vec<(u32, u64, Vec<u8>)>,
    is_bad: bool,
}

/// Takes one of what is under way: the first, or in a bad network any, which may stay, and come once more.
fn deliver<T: Clone>(rng: &mut Rng, is_bad: bool, all: &mut Vec<T>) -> Option<T> {
    if all.is_empty() {
        return None;
    }
    if is_bad && rng.u8(..) < 20 {
        all.swap_remove(rng.usize(..all.len()));
        return None;
    }
    let at = if is_bad && rng.u8(..) < 60 { rng.usize(..all.len()) } else { 0 };
    Some(if is_bad && rng.u8(..) < 20 { all[at].clone() } else { all.remove(at) })
}

/// How much is sent in a run.
const UNITS: u64 = 400;

/// Runs everything in one thread, in an order that a seed chooses. Returns what went wrong.
fn run<E: Ends>(seed: u64, fault: Option<Fault>) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let names = Names::new();
    let [a, b] = &names.0;
    let mut tx = E::make(a);
    let capacity = if let Kind::Stream(_) = E::KIND { CAPACITY / 32 } else { CAPACITY };
    let shape = Shape { ring_id: tx.ring_id(), kind: E::KIND, capacity: capacity as u64, tag: String::new() };
    let wanted = Wanted { name: b.clone(), capacity: None, mode: 0o600, owner: None, follows_new: false };
    let mut network = Network { queries: Vec::new(), answers: Vec::new(), is_bad: true };
    let (mut pushed, mut popped, mut now, mut sender) = (0, 0, Instant::now(), 0);
    let mut mirror: Option<Mirror> = None;
    let mut steps = 0;
    while popped < UNITS || !network.queries.is_empty() {
        // One sender after the other, each of which is killed in the end.
        sender += 1;
        let mut rx = E::reader(a);
        let metrics = Arc::new(Metrics::new(Side::Send, a));
        let window = Window::new(4, rx.position());
        let mut flow = Flow::new(shape.clone(), [7; 16], "sim".into(), Object::default(), window, fault, metrics);
        let mut source = rx.ahead();
        let mut is_greeted = false;
        loop {
            steps += 1;
            now += Duration::from_millis(rng.u64(..8));
            network.is_bad = steps < 20_000;
            if steps > 60_000 {
                return Err(format!("nothing moves: {pushed} pushed, {popped} popped"));
            }
            match rng.u8(..100) {
                0 if network.is_bad => break,
                1 if network.is_bad => mirror = None,
                2..=25 => {
                    while pushed < UNITS && rng.u8(..) > 60 && tx.push(pushed) {
                        pushed += 1;
                    }
                }
                26..=35 => popped += E::pop(b, popped)?,
                36..=60 if flow.window().can_send(now) && (is_greeted || flow.window().is_empty()) => {
                    let next = flow.next(&mut source, !is_greeted, None, now).map_err(|error| error.to_string())?;
                    network.queries.extend(next.map(|(number, payload)| (sender, number, payload)));
                }
                61..=80 => {
                    let Some((from, number, payload)) = deliver(&mut rng, network.is_bad, &mut network.queries) else {
                        continue;
                    };
                    let asked = Query::read(&payload).map_err(|malformed| malformed.to_string())?;
                    let mirror = match &mut mirror {
                        Some(mirror) => mirror,
                        None => {
                            mirror.insert(Mirror::attach(&wanted, &shape, asked.head).map_err(|it| it.to_string())?.0)
                        }
                    };
                    if fault == Some(Fault::AnswerEarly) && asked.first == mirror.tail() {
                        let tail = asked.first + (asked.records.len() / E::KIND.unit()) as u64;
                        network.answers.push((from, number, Answer::At { tail, free: 0 }.write()));
                        if network.is_bad && rng.u8(..) < 9 {
                            // Killed before the push.
                            continue;
                        }
                    }
                    let done = match fault {
                        Some(Fault::NoPositionCheck) => mirror.push_here(asked.records),
                        _ => mirror.push(asked.first, asked.records),
                    };
                    let done = done.map_err(|refusal| refusal.to_string())?;
                    assert!(matches!(done, Pushed::All | Pushed::Part(_) | Pushed::Duplicate | Pushed::Gap));
                    let answer = Answer::At { tail: mirror.tail(), free: mirror.free() };
                    network.answers.push((from, number, answer.write()));
                }
                _ => {
                    let Some((to, number, answer)) = deliver(&mut rng, network.is_bad, &mut network.answers) else {
                        // What was lost ends without an answer, some time.
                        let oldest = flow.window().oldest().filter(|&at| now - at > Duration::from_secs(1));
                        if oldest.is_some() {
                            (0..=steps).for_each(|number| _ = flow.failed(&mut source, number, now));
                        }
                        continue;
                    };
                    let Ok(Answer::At { tail, .. }) = Answer::read(&answer) else { return Err("no answer".into()) };
                    if to == sender {
                        flow.answered(&mut source, number, tail, now).map_err(|failure| failure.to_string())?;
                        is_greeted = true;
                    }
                }
            }
            if popped == UNITS && flow.window().is_empty() && network.queries.is_empty() {
                break;
            }
        }
        let head = source.position();
        drop(source);
        rx.abandon();
        if popped == UNITS && head == tx.tail() && network.queries.is_empty() {
            break;
        }
    }
    let tail = mirror.map_or(tx.tail(), |mirror| mirror.tail());
    if (popped, tail) != (UNITS, tx.tail()) {
        return Err(format!("{popped} came, and the tails are {} and {tail}", tx.tail()));
    }
    Ok(())
}

/// Runs with many seeds; `RINGMAIN_BRIDGE_SEEDS` says how many.
fn seeds() -> u64 {
    std::env::var("RINGMAIN_BRIDGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(40)
}

fn check<E: Ends>() {
    for seed in 0..seeds() {
        if let Err(text) = run::<E>(seed, None) {
            panic!("seed {seed}: {text}");
        }
    }
}

#[test]
fn messages_arrive_once_each_and_in_order() {
    check::<Messages<8>>();
    check::<Messages<64>>();
}

#[test]
fn elements_arrive_once_each_and_in_order() {
    check::<Elements>();
}

#[test]
fn each_planted_fault_is_found() {
    for fault in [Fault::ReleaseEarly, Fault::NoPositionCheck, Fault::AnswerEarly] {
        let found = (0..seeds()).filter(|&seed| run::<Messages<8>>(seed, Some(fault)).is_err()).count();
        assert!(found > 0, "{fault:?} was not found by any of {} seeds", seeds());
        println!("{fault:?}: found by {found} of {} seeds", seeds());
    }
}

/// Bytes that a stranger sends: some of them almost right.
fn strange(rng: &mut Rng, sane: &[u8]) -> Vec<u8> {
    let mut bytes = if rng.bool() { sane.to_vec() } else { (0..rng.usize(..300)).map(|_| rng.u8(..)).collect() };
    for _ in 0..rng.usize(..4) {
        if !bytes.is_empty() {
            let at = rng.usize(..bytes.len());
            let any = rng.u8(..);
            bytes[at] = rng.choice([0, 1, 8, 64, 127, 255, any]).unwrap_or(any);
        }
    }
    bytes.truncate(if rng.u8(..) < 40 { rng.usize(..=bytes.len()) } else { bytes.len() });
    bytes
}

#[test]
fn whatever_comes_from_the_network_is_an_error_or_leaves_a_sound_ring() {
    for kind in [Kind::Message(8), Kind::Message(32), Kind::Stream(ELEMENT)] {
        let names = Names::new();
        let shape = Shape { ring_id: 7, kind, capacity: 4096, tag: "t".into() };
        let wanted = Wanted { name: names.0[1].clone(), capacity: None, mode: 0o600, owner: None, follows_new: false };
        let (mut mirror, _) = Mirror::attach(&wanted, &shape, 0).unwrap();
        let mut rng = Rng::with_seed(7);
        let mut sound = 0;
        for _ in 0..200 * seeds() {
            let mut sane = Vec::new();
            let (sender, name) = ([1; 16], "n".to_owned());
            let first = mirror.tail();
            let (shape, object) = (shape.clone(), Object::default());
            let query = Query { shape, sender, name, object, first, head: 0, end: None, records: &[] };
            query.begin(&mut sane);
            match kind {
                Kind::Message(align) => {
                    for len in 0..rng.usize(..5) {
                        let append = |buffer: &mut Vec<u8>| {
                            buffer.extend(vec![7; len * 9]);
                            Ok::<_, ()>(len * 9)
                        };
                        ringmain_bridge::records::write(&mut sane, align, 1, append).unwrap();
                    }
                }
                Kind::Stream(element) => sane.extend(vec![7; element.size() * rng.usize(..5)]),
            }
            let bytes = strange(&mut rng, &sane);
            let _ = Answer::read(&bytes);
            if let Ok(asked) = Query::read(&bytes) {
                if mirror.push(asked.first, asked.records).is_ok() {
                    sound += 1;
                }
                let _ = mirror.wait(asked.records, Duration::ZERO);
            }
            match kind {
                Kind::Message(align) => {
                    let options = Options::new(&wanted.name).any_type(true).record_alignment(align);
                    let mut rx = options.message_consumer().unwrap();
                    while rx.pop_into(&mut Vec::new()).is_ok() {}
                    assert_eq!(rx.position(), mirror.tail());
                }
                Kind::Stream(element) => {
                    let mut rx = Options::new(&wanted.name).any_type(true).sized_stream_consumer(element).unwrap();
                    while rx.pop_slice(&mut [0; 240]).is_ok() {}
                    assert_eq!(rx.position(), mirror.tail());
                }
            }
        }
        assert!(sound > 0, "nothing that came was sound");
    }
}
