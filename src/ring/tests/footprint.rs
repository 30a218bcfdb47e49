//! How many bytes and cache lines one message costs, as the accesses to the memory tell it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::mem;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use super::access::TestAccess;
use super::awake::Awake;
use super::heap::Heap;
use super::message::EAGER;
use super::{Memory, Role};
use crate::ring::message::{self, Geometry};
use crate::ring::stream::{self, Element};

const LINE: usize = 64;
const COUNT: usize = 64;
const CAPACITY: usize = 1 << 16;

/// What one end touched.
#[derive(Debug, Default)]
struct Touched {
    data: Vec<Range<usize>>,
    tail: usize,
    head: usize,
}

impl Touched {
    /// Returns the lines of what lies within a range.
    fn lines(&self, within: Range<usize>) -> BTreeSet<usize> {
        let cut = self.data.iter().map(|bytes| bytes.start.max(within.start)..bytes.end.min(within.end));
        cut.filter(|bytes| !bytes.is_empty()).flat_map(|bytes| bytes.start / LINE..=(bytes.end - 1) / LINE).collect()
    }

    fn start(&self) -> usize {
        self.data.iter().map(|bytes| bytes.start).min().expect("a message touches its bytes")
    }
}

/// Heap memory that remembers what one end touched of it.
#[derive(Debug)]
struct Watched {
    heap: Heap,
    touched: RefCell<Touched>,
}

impl Watched {
    fn new(heap: &Heap) -> Watched {
        Watched { heap: heap.clone(), touched: RefCell::default() }
    }

    /// Returns what was touched since the last call.
    fn take(&self) -> Touched {
        mem::take(&mut *self.touched.borrow_mut())
    }

    fn touch(&self, offset: usize, len: usize) {
        self.touched.borrow_mut().data.push(offset..offset + len);
    }
}

// SAFETY: every access is the heap's.
unsafe impl Memory for Watched {
    type Word = AtomicU64;
    type Parking = Awake;
    type Read<'a> = TestAccess<'a, *const u8>;
    type Write<'a> = TestAccess<'a, *mut u8>;

    fn told(&self) -> &AtomicU64 {
        self.heap.told()
    }

    fn parking(&self) -> Option<&Awake> {
        None
    }

    fn tail(&self) -> &AtomicU64 {
        self.touched.borrow_mut().tail += 1;
        self.heap.tail()
    }

    fn head(&self) -> &AtomicU64 {
        self.touched.borrow_mut().head += 1;
        self.heap.head()
    }

    fn presence(&self, role: Role) -> &AtomicU64 {
        self.heap.presence(role)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }

    fn is_mirrored(&self) -> bool {
        self.heap.is_mirrored()
    }

    fn own(&self, role: Role) -> NonNull<[u64; 2]> {
        self.heap.own(role)
    }

    unsafe fn header(&self, offset: usize) -> &AtomicU64 {
        self.touch(offset, size_of::<u64>());
        // SAFETY: the caller's promise.
        unsafe { self.heap.header(offset) }
    }

    unsafe fn read(&self, offset: usize, len: usize) -> TestAccess<'_, *const u8> {
        self.touch(offset, len);
        // SAFETY: the caller's promise.
        unsafe { self.heap.read(offset, len) }
    }

    unsafe fn write(&self, offset: usize, len: usize) -> TestAccess<'_, *mut u8> {
        self.touch(offset, len);
        // SAFETY: the caller's promise.
        unsafe { self.heap.write(offset, len) }
    }
}

/// What both ends touched, message by message: one more by the producer, which tells where the last one ends.
struct Log {
    producer: Vec<Touched>,
    consumer: Vec<Touched>,
}

fn stream<T: Element>() -> Log {
    let heap = Heap::new(CAPACITY);
    let capacity = CAPACITY / size_of::<T>();
    let mut producer = stream::Producer::<T, _>::attach(Watched::new(&heap), capacity, EAGER).unwrap();
    // In a flow: it takes no lines ahead.
    producer.pace.found_unread(1);
    producer.memory.take();
    let push = |_| {
        producer.push(T::zeroed()).unwrap();
        producer.memory.take()
    };
    let pushed = (0..=COUNT).map(push).collect();
    let mut consumer = stream::Consumer::<T, _>::attach(Watched::new(&heap), capacity, EAGER).unwrap();
    consumer.memory.take();
    let pop = |_| {
        consumer.pop().unwrap();
        consumer.memory.take()
    };
    Log { producer: pushed, consumer: (0..COUNT).map(pop).collect() }
}

fn messages(len: usize, align: usize) -> Log {
    let heap = Heap::new(CAPACITY);
    let geometry = Geometry::new(CAPACITY, align);
    let mut producer = message::Producer::attach(Watched::new(&heap), geometry, EAGER).unwrap();
    // In a flow: it takes no lines ahead.
    producer.pace.found_unread(1);
    producer.memory.take();
    let push = |_| {
        producer.push(&vec![7; len]).unwrap();
        producer.memory.take()
    };
    let pushed = (0..=COUNT).map(push).collect();
    let mut consumer = message::Consumer::attach(Watched::new(&heap), geometry, EAGER).unwrap();
    consumer.memory.take();
    let pop = |_| {
        consumer.pop(&mut vec![0; len]).unwrap();
        consumer.memory.take()
    };
    Log { producer: pushed, consumer: (0..COUNT).map(pop).collect() }
}

/// Writes what a message costs as a row of the table.
fn row(table: &mut String, ring: &str, len: usize, log: &Log) {
    let starts: Vec<usize> = log.producer.iter().map(Touched::start).collect();
    let bytes = starts[COUNT] - starts[0];
    assert!(bytes.is_multiple_of(COUNT), "{COUNT} messages of {len} bytes take {bytes}");
    let (mut least, mut most, mut behind, mut all) = (usize::MAX, 0, 0, BTreeSet::new());
    for (number, (pushed, popped)) in log.producer.iter().zip(&log.consumer).enumerate() {
        let end = starts[number + 1];
        let lines = pushed.lines(starts[number]..end);
        assert_eq!(popped.lines(0..CAPACITY), lines, "the consumer touches the lines of the record and no other");
        (least, most) = (least.min(lines.len()), most.max(lines.len()));
        behind += pushed.lines(end..CAPACITY).difference(&lines).count();
        all.extend(lines);
        // Each end stores its own position, and looks at the other one's only where it has to.
        assert_eq!([pushed.tail, pushed.head, popped.tail, popped.head], [1, 0, 0, 1]);
    }
    let lines = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let total = all.len();
    writeln!(table, "| {ring} | {len} | {} | {lines} | {total} | {behind} | 1 | 1 |", bytes / COUNT).unwrap();
}

#[test]
fn the_document_of_the_format_tells_what_a_message_costs() {
    let mut table = format!(
        "| ring | message | bytes | its lines | lines of {COUNT} messages | headers behind it in another line, of \
         {COUNT} | tail | head |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    row(&mut table, "stream", 8, &stream::<u64>());
    row(&mut table, "stream", 32, &stream::<[u64; 4]>());
    row(&mut table, "stream", 64, &stream::<[u64; 8]>());
    for align in [8, 64] {
        let ring = format!("messages, record alignment {align}");
        [8, 32, 64].into_iter().for_each(|len| row(&mut table, &ring, len, &messages(len, align)));
    }
    println!("{table}");
    let document = include_str!("../../../docs/format.md");
    table.lines().for_each(|line| assert!(document.contains(line), "docs/format.md lacks {line:?}"));
}
