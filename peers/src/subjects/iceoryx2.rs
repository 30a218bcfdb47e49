//! iceoryx2: publish and subscribe, with one publisher and one subscriber. A batch is one sample, a slice of 64 values.

use std::error::Error;
use std::fs;

use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    BackpressureStrategy, FileName, LogLevel, Path, SemanticString, SignalHandlingMode, ipc, set_log_level,
};

use crate::processes::Processes;
use crate::values::{self, Value};
use crate::work::{self, BATCH, Test, Work};

pub(crate) enum Iceoryx2 {}

/// The publisher, and the node that keeps it in the system.
pub(crate) struct Sender<const WORDS: usize> {
    publisher: PublisherOf<WORDS>,
    _node: Node<ipc::Service>,
}

enum PublisherOf<const WORDS: usize> {
    Values(Publisher<ipc::Service, Value<WORDS>, ()>),
    Batches(Publisher<ipc::Service, [Value<WORDS>], ()>),
}

/// The subscriber, and the node that keeps it in the system.
pub(crate) struct Receiver<const WORDS: usize> {
    subscriber: SubscriberOf<WORDS>,
    _node: Node<ipc::Service>,
}

enum SubscriberOf<const WORDS: usize> {
    Values(Subscriber<ipc::Service, Value<WORDS>, ()>),
    Batches(Subscriber<ipc::Service, [Value<WORDS>], ()>),
}

/// Makes a node whose files are of this run alone: their names begin as those of its rings.
fn node(name: &str) -> Result<Node<ipc::Service>, Box<dyn Error>> {
    set_log_level(LogLevel::Error);
    let (run, _) = name.rsplit_once('-').ok_or("a ring's name has its number after a dash")?;
    let mut config = Config::default();
    config.global.prefix = FileName::new(format!("{run}-").as_bytes())?;
    config.global.set_root_path(&Path::new(root(run).as_bytes())?);
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    Ok(builder.create()?)
}

/// Returns where a run keeps the files that are not in shared memory.
fn root(run: &str) -> String {
    format!("/tmp/{run}/")
}

/// Removes what this run left behind: its last node's own segment stays.
pub(crate) fn clean() {
    let run = format!("peers-{}", std::process::id());
    let _ = fs::remove_dir_all(root(&run));
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let mine = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{run}-")));
    for entry in mine {
        let _ = fs::remove_file(entry.path());
    }
}

/// Opens or creates the service of this name, for values of this type.
macro_rules! service {
    ($node:expr, $name:expr, $payload:ty, $buffer:expr) => {
        $node
            .service_builder(&$name.try_into()?)
            .publish_subscribe::<$payload>()
            .enable_safe_overflow(false)
            .history_size(0)
            .max_publishers(1)
            .max_subscribers(1)
            .subscriber_max_buffer_size($buffer)
            .open_or_create()?
    };
}

impl Processes for Iceoryx2 {
    type Sender<const WORDS: usize> = Sender<WORDS>;
    type Receiver<const WORDS: usize> = Receiver<WORDS>;

    fn create<const WORDS: usize>(name: &str, work: Work) -> Result<Sender<WORDS>, Box<dyn Error>> {
        let node = node(name)?;
        // It says that it could not deliver, and the caller spins.
        let full = BackpressureStrategy::DiscardData;
        let publisher = if work.test == Test::Batch {
            let service = service!(node, name, [Value<WORDS>], work.capacity / BATCH);
            let builder = service.publisher_builder().initial_max_slice_len(BATCH);
            PublisherOf::Batches(builder.backpressure_strategy(full).create()?)
        } else {
            let service = service!(node, name, Value<WORDS>, work.capacity);
            PublisherOf::Values(service.publisher_builder().backpressure_strategy(full).create()?)
        };
        Ok(Sender { publisher, _node: node })
    }

    fn attach<const WORDS: usize>(name: &str, work: Work) -> Result<Receiver<WORDS>, Box<dyn Error>> {
        let node = node(name)?;
        let subscriber = if work.test == Test::Batch {
            let service = service!(node, name, [Value<WORDS>], work.capacity / BATCH);
            SubscriberOf::Batches(service.subscriber_builder().create()?)
        } else {
            let service = service!(node, name, Value<WORDS>, work.capacity);
            SubscriberOf::Values(service.subscriber_builder().create()?)
        };
        Ok(Receiver { subscriber, _node: node })
    }
}

impl<const WORDS: usize> work::Sender for Sender<WORDS> {
    #[inline(always)]
    fn push(&mut self, number: u64) -> Option<()> {
        let PublisherOf::Values(publisher) = &self.publisher else { return None };
        let sample = publisher.loan_uninit().ok()?.write_payload(values::of_number(number));
        (sample.send().ok()? == 1).then_some(())
    }

    #[inline(always)]
    fn push_batch(&mut self, first: u64) -> Option<()> {
        let PublisherOf::Batches(publisher) = &self.publisher else { return None };
        let sample = publisher.loan_slice_uninit(BATCH).ok()?;
        let sample = sample.write_from_fn(|at| values::of_number(first + at as u64));
        (sample.send().ok()? == 1).then_some(())
    }
}

impl<const WORDS: usize> work::Receiver for Receiver<WORDS> {
    #[inline(always)]
    fn pop(&mut self) -> Option<u64> {
        let SubscriberOf::Values(subscriber) = &self.subscriber else { return None };
        let sample = subscriber.receive().ok()??;
        Some(values::number(sample.payload()))
    }

    #[inline(always)]
    fn pop_batch(&mut self) -> Option<u64> {
        let SubscriberOf::Batches(subscriber) = &self.subscriber else { return None };
        let sample = subscriber.receive().ok()??;
        Some(sample.payload().iter().fold(0, |sum: u64, value| sum.wrapping_add(values::number(value))))
    }
}
