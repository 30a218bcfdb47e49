//! What is compared: one file per crate, and the list.

mod crossbeam_queue;
mod gil;
mod iceoryx2;
mod ipc_ring;
mod nexus_queue;
mod outcry;
mod que;
mod ringbuf;
mod ringfire;
mod ringmain_message;
mod ringmain_stream;
mod ringmain_trusted;
mod rtrb;
mod shaq;
mod shmem_ipc;

use std::error::Error;

use clap::ValueEnum;
use ringmain_measure::Channel;
use serde::{Deserialize, Serialize};

use crate::processes::{self, Processes, Worker};
use crate::threads::{self, Threads};
use crate::work::{Test, Work};

pub(crate) use iceoryx2::clean;

/// ringmain's rings: the first two as they are by default, the second with another alignment, the first with a trusted
/// peer.
pub(crate) const STREAM: &str = "ringmain-stream";
pub(crate) const MESSAGE: &str = "ringmain-message";
pub(crate) const MESSAGE_64: &str = "ringmain-message-64";
pub(crate) const TRUSTED: &str = "ringmain-stream-trusted";

/// All of them: every other subject is compared with each.
pub(crate) const RINGS: [&str; 4] = [STREAM, MESSAGE, MESSAGE_64, TRUSTED];

/// What the two ends of a ring are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Between {
    Threads,
    Processes,
}

/// Measures once, given the subject's name.
type Measure = fn(&mut Worker, &str, Work) -> Result<f64, Box<dyn Error>>;

/// Does the other process's part, over the ring of this name.
type Answer = fn(&str, Work, &Channel) -> Result<(), Box<dyn Error>>;

/// A crate, or one of ringmain's rings.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Its name in the registry.
    pub(crate) package: &'static str,
    pub(crate) between: Between,
    /// What both of its ends can do.
    pub(crate) tests: &'static [Test],
    /// What a reader of its figures must know; empty for nothing.
    pub(crate) note: &'static str,
    /// Why it is measured only where it is named.
    pub(crate) left_out: Option<&'static str>,
    measure: Measure,
    answer: Answer,
}

impl Subject {
    const fn processes<P: Processes>(name: &'static str, package: &'static str) -> Subject {
        Subject {
            name,
            package,
            between: Between::Processes,
            tests: &[Test::Rtt, Test::Single, Test::Batch],
            note: "",
            left_out: None,
            measure: |worker, name, work| worker.measure::<P>(name, work),
            answer: processes::answer::<P>,
        }
    }

    const fn threads<T: Threads>(name: &'static str) -> Subject {
        Subject {
            name,
            package: name,
            between: Between::Threads,
            tests: &[Test::Rtt, Test::Single, Test::Batch],
            note: "",
            left_out: None,
            measure: |worker, _, work| threads::measure::<T>(work, worker.processor()),
            answer: |_, _, _| Err("it works between threads".into()),
        }
    }

    const fn without_batches(mut self) -> Subject {
        self.tests = &[Test::Rtt, Test::Single];
        self
    }

    const fn only_there_and_back(mut self) -> Subject {
        self.tests = &[Test::Rtt];
        self
    }

    const fn note(mut self, note: &'static str) -> Subject {
        self.note = note;
        self
    }

    const fn left_out(mut self, why: &'static str) -> Subject {
        self.left_out = Some(why);
        self
    }

    /// Returns whether it can do this test.
    pub(crate) fn has(&self, test: Test) -> bool {
        self.tests.contains(&test)
    }

    /// Returns whether it is one of ringmain's rings.
    pub(crate) fn is_ringmain(&self) -> bool {
        self.package == "ringmain"
    }

    /// Measures once: nanoseconds of a round trip, or values per second.
    pub(crate) fn measure(&self, worker: &mut Worker, work: Work) -> Result<f64, Box<dyn Error>> {
        (self.measure)(worker, self.name, work)
    }
}

/// Everything that is compared.
pub(crate) static ALL: [Subject; 16] = [
    Subject::processes::<ringmain_stream::Stream>(STREAM, "ringmain"),
    Subject::processes::<ringmain_message::Message<8>>(MESSAGE, "ringmain")
        .note("the message ring as it is by default: records at multiples of 8 bytes, so one of 8 bytes takes 16"),
    Subject::processes::<ringmain_message::Message<64>>(MESSAGE_64, "ringmain").note(
        "the message ring with `record_alignment(64)`: records at multiples of 64 bytes, so one of 8 bytes takes \
            64",
    ),
    Subject::processes::<ringmain_trusted::TrustedStream>(TRUSTED, "ringmain").note(
        "the stream ring by claims and peeks of `trust_peer`: slices in place, as the other crates give them; an \
            unsafe promise",
    ),
    Subject::threads::<rtrb::Rtrb>("rtrb"),
    Subject::threads::<ringbuf::Ringbuf>("ringbuf"),
    Subject::threads::<gil::Gil>("gil").note("`spsc`; batches in place, by an unsafe call of its writer"),
    Subject::threads::<nexus_queue::NexusQueue>("nexus-queue").without_batches().note("`spsc`; it has no batches"),
    Subject::threads::<crossbeam_queue::Crossbeam>("crossbeam-queue")
        .without_batches()
        .note("`ArrayQueue`, made for many producers and many consumers; it has no batches"),
    Subject::processes::<iceoryx2::Iceoryx2>("iceoryx2", "iceoryx2").note(
        "publish and subscribe, one of each; what is full is tried again; a batch is one sample, a slice of 64 \
            values",
    ),
    Subject::processes::<shaq::Shaq>("shaq", "shaq")
        .note("4.3.0: later releases need a library feature that Rust 1.95 does not have (`isolate_highest_one`)"),
    Subject::processes::<ringfire::Ringfire>("ringfire", "ringfire").note(
        "`LosslessBackpressure`, one reader; a batch is copied from a slice and into one, and a full ring makes its \
         writer spin, then yield",
    ),
    Subject::processes::<que::Que>("que", "que")
        .without_batches()
        .note(
            "`lossless`; each push is followed by `sync`, without which it is not visible; its consumer has no \
            batches",
        )
        .left_out(
            "delivers wrong values: its `pop` reads the slot first and the position after it, so what was published in \
             between is returned as the slot was before. `sizes --subject que` shows it",
        ),
    Subject::processes::<ipc_ring::IpcRing>("ipc_ring", "ipc_ring")
        .without_batches()
        .note("a system call (`FUTEX_WAKE`) at each push and each pop, which cannot be turned off; it has no batches"),
    Subject::processes::<outcry::Outcry>("outcry", "outcry").only_there_and_back().note(
        "a broadcast, one reader, in as many bytes as the values have; round trips only, since its writer never waits: \
         whoever reads more slowly loses values, and is told so (`Overrun`)",
    ),
    Subject::processes::<shmem_ipc::ShmemIpc>("shmem-ipc", "shmem-ipc").note(
        "its rings without their eventfds, so that nobody sleeps; 1016 values of 8 bytes, 1022 of 32, 1023 of the \
         others, since it fills whole pages",
    ),
];

/// A crate that cannot be built here, so that this program has nothing of it.
pub(crate) struct NotBuilt {
    pub(crate) name: &'static str,
    /// The newest that was tried.
    pub(crate) version: &'static str,
    pub(crate) why: &'static str,
}

/// Everything that would be compared, if it could be built.
pub(crate) static NOT_BUILT: [NotBuilt; 1] = [NotBuilt {
    name: "tachyon-ipc",
    version: "0.5.1",
    why: "is a library in C++23 that GCC 12.2 does not compile (`__has_feature`, and `alignas` behind an attribute): \
          0.1.3, 0.2.0, 0.3.5, 0.4.2 and 0.5.1 were tried",
}];

/// Returns the subject of this name.
pub(crate) fn named(name: &str) -> Result<&'static Subject, String> {
    ALL.iter().find(|subject| subject.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|subject| subject.name).collect();
        format!("subject {name:?}; expected one of {}", names.join(", "))
    })
}

/// Does the other process's part for a subject.
pub(crate) fn answer(name: &str, ring: &str, work: Work, channel: &Channel) -> Result<(), Box<dyn Error>> {
    (named(name)?.answer)(ring, work, channel)
}
