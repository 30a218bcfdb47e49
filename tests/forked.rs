//! A handle belongs to its process: in a forked child each call says so and touches nothing, however the child was
//! made, and whatever its process id is.

mod common;

use std::fmt::Display;
use std::io::{IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{fs, io, process};

use common::ends::{End, LONG, as_end, check_hand_over, check_held, for_each_end, for_each_ring, small, trust};
use common::forks::{code, exit, fork};
use common::{Ability, Child, Part, Ring, missing, path};
use ringmain::{Broken, Interest, Options, PeerState, Role, WaitSet, Woken, message, stream};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("copier", as_end!(copier)),
        ("guards", guards),
        ("bytes", bytes),
        ("daemon", as_end!(daemon)),
        ("heir", as_end!(heir)),
        ("owner", as_end!(owner)),
        ("namespace", as_end!(namespace)),
    ]);
}

/// Forks without the C library, so that none of its handlers runs; `None` in the child.
fn clone(flags: libc::c_int) -> Option<Pid> {
    // SAFETY: no stack, and no memory that is shared: the same as a fork. The other thread of a part waits, and holds
    // no lock.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD | flags, 0, 0, 0, 0) };
    assert!(pid >= 0, "{}", io::Error::last_os_error());
    Pid::from_raw(pid as libc::pid_t)
}

/// The ways to fork.
const WAYS: [&str; 2] = ["fork", "clone"];

fn fork_by(way: &str) -> Option<Pid> {
    let child = match way {
        "fork" => fork(),
        "clone" => clone(0),
        "namespace" => clone(libc::CLONE_NEWPID),
        other => panic!("{other} is no way to fork"),
    };
    if child.is_none() {
        // One that hangs goes with its parent, which goes with the test.
        set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    }
    child
}

/// What is wrong with the calls of a child.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    /// Checks that a call is refused because of the fork.
    fn check<T, E: Display>(&mut self, call: &str, result: Result<T, E>) {
        match result.map_err(|error| error.to_string()) {
            Err(said) if said == Broken::Forked.to_string() => {}
            Err(said) => self.0.push(format!("{call} says {said:?}")),
            Ok(_) => self.0.push(format!("{call} succeeds")),
        }
    }

    /// Checks what a call that cannot be refused returns.
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, call: &str, found: T, expected: T) {
        if found != expected {
            self.0.push(format!("{call} returns {found:?}, expected {expected:?}"));
        }
    }

    /// Checks that a set finds a handle ready, so that its user's next call says what it is.
    fn ready(&mut self, call: &str, interest: Interest<'_>) {
        let woken = WaitSet::new().wait(&mut [interest], LONG);
        let is_told = matches!(&woken, Ok(Woken::Ready(ready)) if ready.clone().eq([0]));
        self.equal(call, (is_told, &woken), (true, &woken));
    }

    /// Checks that something does not panic.
    fn calm(&mut self, call: &str, attempt: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(attempt)).is_err() {
            self.0.push(format!("{call} panics"));
        }
    }

    /// Ends the child, with how many complaints there are.
    fn end(self) -> ! {
        self.0.iter().for_each(|complaint| eprintln!("in the child: {complaint}"));
        exit(self.0.len().min(100) as i32);
    }
}

/// All calls of a handle.
trait Calls {
    fn check(&mut self, complaints: &mut Complaints);
}

/// Checks the calls that each handle has.
fn check_common<E: End>(end: &mut E, said: &mut Complaints) {
    said.equal("peer_state", end.peer_state(), PeerState::Never);
    said.equal("peer_generation", end.peer_generation(), 0);
    said.equal("peer_changed", end.peer_changed(), false);
    said.equal("generation", end.generation(), 1);
    said.equal("position", end.position(), 0);
    said.equal("is_truncated", end.is_truncated(), false);
    said.equal("seal", end.seal().is_err(), true);
    end.is_orphaned();
    for strategy in common::ends::STRATEGIES {
        end.set_wait(strategy);
        said.check("a call without a limit", end.go(0, None));
        said.check("a call with a limit", end.go(0, Some(LONG)));
        said.check("a call without a wait", end.go(0, Some(Duration::ZERO)));
        said.check("wait_ready", end.wait_ready(LONG));
    }
}

impl Calls for stream::Producer<u64> {
    fn check(&mut self, said: &mut Complaints) {
        check_common(self, said);
        said.equal("peer", self.peer(), PeerState::Never);
        said.equal("is_forked", self.is_forked(), true);
        said.equal("capacity", self.capacity(), 8);
        let pushed = self.push(7);
        said.equal("the element of push", pushed.err().and_then(|error| error.into_value()), Some(7));
        said.check("push", self.push(7));
        said.check("push_slice", self.push_slice(&[7; 3]));
        said.check("claim", self.claim(1));
        said.check("claim_up_to", self.claim_up_to(3));
        said.check("claim_contiguous", self.claim_contiguous(3));
        said.check("claim_blocking", self.blocking().claim(1));
        said.check("claim_timeout", self.within(LONG).claim(1));
        said.check("claim_up_to that waits", self.within(LONG).claim_up_to(3));
        said.check("claim_contiguous that waits", self.within(LONG).claim_contiguous(3));
        said.check("push that waits", self.within(LONG).push(7));
        said.check("push_slice that waits", self.within(LONG).push_slice(&[7; 3]));
        said.check("push_some", self.within(LONG).push_some(&[7; 3]));
        said.check("until_free", self.within(LONG).until_free(1));
        said.ready("writable", self.writable(1));
        said.check("free", self.free());
        said.check("is_full", self.is_full());
        said.equal("first_position", self.first_position(), 0);
        let mut trusted = trust!(self);
        said.check("claim_contiguous of a view", trusted.claim_contiguous(1));
    }
}

impl Calls for stream::Consumer<u64> {
    fn check(&mut self, said: &mut Complaints) {
        check_common(self, said);
        said.equal("peer", self.peer(), PeerState::Never);
        said.equal("is_forked", self.is_forked(), true);
        said.equal("capacity", self.capacity(), 8);
        said.check("pop", self.pop());
        said.check("pop_slice", self.pop_slice(&mut [0; 3]));
        said.check("peek", self.peek(1));
        said.check("peek_up_to", self.peek_up_to(3));
        said.check("peek_contiguous", self.peek_contiguous(3));
        said.check("peek_blocking", self.blocking().peek(1));
        said.check("peek_timeout", self.within(LONG).peek(1));
        said.check("peek_up_to that waits", self.within(LONG).peek_up_to(3));
        said.check("peek_contiguous that waits", self.within(LONG).peek_contiguous(3));
        said.check("pop that waits", self.within(LONG).pop());
        said.check("pop_slice that waits", self.within(LONG).pop_slice(&mut [0; 3]));
        said.check("pop_some", self.within(LONG).pop_some(&mut [0; 3]));
        said.check("until_available", self.within(LONG).until_available(1));
        match self.within(LONG).iter().next() {
            Some(result) => said.check("iter", result),
            None => said.0.push("iter ends".into()),
        }
        said.ready("readable", self.readable());
        said.ready("readable_for", self.readable_for(3));
        said.check("available", self.available());
        self.release();
        let mut trusted = trust!(self);
        said.check("peek_contiguous of a view", trusted.peek_contiguous(1));
    }
}

impl Calls for message::Producer {
    fn check(&mut self, said: &mut Complaints) {
        check_common(self, said);
        said.equal("peer", self.peer(), PeerState::Never);
        said.equal("is_forked", self.is_forked(), true);
        said.equal("alignment", self.record_alignment(), 64);
        said.check("push", self.push(b"seven"));
        said.check("push of nothing", self.push(b""));
        said.check("push_vectored", self.push_vectored(&[IoSlice::new(b"se"), IoSlice::new(b"ven")]));
        said.check("push_value", self.push_value(&7_u64));
        said.check("push_tagged", self.push_tagged(7, b"seven"));
        said.check("claim", self.claim(8));
        said.check("claim_blocking", self.blocking().claim(8));
        said.check("claim_timeout", self.within(LONG).claim(8));
        said.check("push that waits", self.within(LONG).push(b"seven"));
        said.check("push_tagged that waits", self.within(LONG).push_tagged(7, b"seven"));
        said.check("push_vectored that waits", self.within(LONG).push_vectored(&[IoSlice::new(b"seven")]));
        said.check("push_value that waits", self.within(LONG).push_value(&7_u64));
        said.check("until_free", self.within(LONG).until_free(8));
        said.ready("writable", self.writable(8));
        said.check("can_push", self.can_push(8));
        let mut batch = self.batch();
        said.check("push of a batch", batch.push(b"seven"));
        said.check("push_tagged of a batch", batch.push_tagged(7, b"seven"));
        said.check("push of a batch that waits", batch.within(LONG).push(b"seven"));
        said.check("until_free of a batch", batch.within(LONG).until_free(8));
        said.check("push_vectored of a batch", batch.push_vectored(&[IoSlice::new(b"seven")]));
        said.check("push_value of a batch", batch.push_value(&7_u64));
        said.check("claim of a batch", batch.claim(8));
        batch.commit();
        let mut trusted = trust!(self);
        said.check("claim of a view", trusted.claim(8));
    }
}

impl Calls for message::Consumer {
    fn check(&mut self, said: &mut Complaints) {
        check_common(self, said);
        said.equal("peer", self.peer(), PeerState::Never);
        said.equal("is_forked", self.is_forked(), true);
        said.equal("alignment", self.record_alignment(), 64);
        said.check("pop", self.pop(&mut [0; 64]));
        said.check("pop into nothing", self.pop(&mut []));
        said.check("pop_into", self.pop_into(&mut Vec::new()));
        said.check("pop_value", self.pop_value::<u64>());
        said.check("peek", self.peek());
        said.check("peek_blocking", self.blocking().peek());
        said.check("peek_timeout", self.within(LONG).peek());
        said.check("pop that waits", self.within(LONG).pop(&mut [0; 64]));
        said.check("pop_tagged", self.pop_tagged(&mut [0; 64]));
        said.check("pop_tagged that waits", self.within(LONG).pop_tagged(&mut [0; 64]));
        said.check("pop_into that waits", self.within(LONG).pop_into(&mut Vec::new()));
        said.check("pop_value that waits", self.within(LONG).pop_value::<u64>());
        said.check("until_available", self.within(LONG).until_available());
        said.check("drain that waits", self.within(LONG).drain(3, |_| {}));
        match self.within(LONG).messages().next() {
            Some(result) => said.check("messages that wait", result),
            None => said.0.push("messages that wait end".into()),
        }
        said.ready("readable", self.readable());
        said.check("drain", self.drain(3, |_| {}));
        said.check("is_empty", self.is_empty());
        match self.messages().next() {
            Some(result) => said.check("messages", result),
            None => said.0.push("messages ends".into()),
        }
        let mut batch = self.peek_batch();
        batch.rewind();
        said.check("next_len of a batch", batch.next_len());
        said.check("next_len of a batch that waits", batch.within(LONG).next_len());
        said.check("append_next of a batch that waits", batch.within(LONG).append_next(&mut Vec::new()));
        said.check("copy_next of a batch that waits", batch.within(LONG).copy_next(&mut [0; 64]));
        said.check("append_next of a batch", batch.append_next(&mut Vec::new()));
        said.check("copy_next of a batch", batch.copy_next(&mut [0; 64]));
        said.check("next_word of a batch", batch.next_word());
        said.check("release_to of a batch", batch.release_to(0));
        batch.release();
        self.release();
        let mut trusted = trust!(self);
        said.check("peek of a view", trusted.peek());
        said.check("drain of a view", trusted.drain(3, |_| {}));
    }
}

/// Checks that nothing of a ring is changed by what its process does.
#[track_caller]
fn unchanged<R>(name: &str, during: impl FnOnce() -> R) -> R {
    let before = fs::read(path(name)).unwrap();
    let result = during();
    assert!(fs::read(path(name)).unwrap() == before, "the ring has changed");
    result
}

/// Lets a forked child make all calls of both ends, drop them, and close them; and a child of that once more.
fn copier<E: End + Calls>(part: &mut Part)
where
    E::Peer: Calls,
{
    let way: String = part.argument(1);
    let options = small(part.options()).unlink_on_close(true);
    let mut end = E::attach(&options).unwrap();
    let mut peer = E::Peer::attach(&options).unwrap();
    check_hand_over(&mut end, &mut peer);
    // So that there is something to take, and that all can be pushed. Each end is one that produces.
    assert!(end.try_go(0));
    let parent = process::id();
    let before = fs::read(path(part.name())).unwrap();
    let Some(child) = fork_by(&way) else {
        let mut said = Complaints::default();
        if way == "namespace" {
            said.equal("the process id", process::id(), parent);
        }
        end.check(&mut said);
        peer.check(&mut said);
        // A child of the child, in which nobody has attached in between.
        let Some(child) = fork_by(&way) else {
            let mut said = Complaints::default();
            end.check(&mut said);
            peer.check(&mut said);
            said.calm("abandon", || end.abandon());
            said.calm("into_fd", || drop(peer.into_fd()));
            said.end();
        };
        said.equal("a child of the child", code(child), Some(0));
        said.calm("close", || end.close());
        said.calm("a drop", || drop(peer));
        said.end();
    };
    let ended = code(child);
    assert!(fs::read(path(part.name())).unwrap() == before, "the ring has changed");
    part.say(format!("{ended:?}"));
    assert!(peer.try_go(0));
    check_hand_over(&mut end, &mut peer);
    part.say("flows");
    part.hear();
}

/// Starts a process that plays a part, checks what it says, and waits for its end.
#[track_caller]
fn check_says(part: &str, ring: &Ring, arguments: &[&dyn Display], words: &[&str]) {
    let mut child = Child::start(part, ring.name(), arguments);
    words.iter().for_each(|words| child.says(words));
    child.join();
}

#[test]
fn each_call_of_a_forked_child_is_refused_and_touches_nothing() {
    fn check<E: End>(way: &str) {
        let ring = Ring::new();
        let mut copier = Child::start("copier", ring.name(), &[&E::PART, &way]);
        copier.says("Some(0)");
        copier.says("flows");
        check_held::<E>(&ring, copier.pid());
        assert!(ring.exists());
        copier.say("end");
        copier.join();
        assert!(!ring.exists());
    }
    for way in WAYS {
        // Each plays with both ends.
        for_each_ring!(check, way);
    }
}

/// Starts a copier as the first process of a namespace, whose child is the first process of another one.
fn namespace<E: End>(part: &mut Part) {
    // SAFETY: of what is shared between threads, it changes nothing: new children alone are in the new namespace.
    if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWPID) } {
        return part.say(error);
    }
    part.say("ready");
    let name = part.name().to_owned();
    let mut copier = Child::start("copier", &name, &[&E::PART, &"namespace"]);
    part.say(copier.hear());
    part.say(copier.hear());
    copier.say("end");
    copier.join();
}

#[test]
fn a_forked_child_with_the_process_id_of_its_parent_is_refused() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut namespace = match Child::start_as_root("namespace", ring.name(), &[&E::PART]) {
            Ok(namespace) => namespace,
            Err(refused) => return missing(Ability::PidNamespace, refused),
        };
        match namespace.hear().as_str() {
            "ready" => {}
            refused => return missing(Ability::PidNamespace, refused),
        }
        namespace.says("Some(0)");
        namespace.says("flows");
        namespace.join();
    }
    for_each_ring!(check);
}

/// Takes each guard, forks, and lets the child do with it all that can be done.
fn guards(part: &mut Part) {
    let way: String = part.argument(0);
    let options = small(part.options()).unlink_on_close(true);
    let mut tx: stream::Producer<u64> = options.stream_producer().unwrap();
    let mut rx: stream::Consumer<u64> = options.stream_consumer().unwrap();
    tx.push_slice(&[1, 2, 3]).unwrap();
    // Of bytes, for those that the system moves.
    let mut byte_tx = Options::anonymous().capacity(64).stream_producer::<u8>().unwrap();
    let byte_ring = Options::from_fd(byte_tx.descriptor().try_clone_to_owned().unwrap());
    let mut byte_rx = byte_ring.stream_consumer::<u8>().unwrap();
    byte_tx.push_slice(b"bytes").unwrap();
    let mut message_tx = Options::anonymous().capacity(4096).message_producer().unwrap();
    let message_ring = Options::from_fd(message_tx.descriptor().try_clone_to_owned().unwrap());
    let mut message_rx = message_ring.message_consumer().unwrap();
    message_tx.push(b"message").unwrap();
    message_tx.push(b"another").unwrap();

    /// Forks with a guard, and lets the child do this.
    macro_rules! child {
        ($name:expr, $($call:expr),+) => {
            $(
                let Some(child) = fork_by(&way) else {
                    let mut said = Complaints::default();
                    said.calm(stringify!($call), || { let _ = $call; });
                    said.end();
                };
                part.say(format!("{}: {:?}", $name, code(child)));
            )+
        };
    }

    let mut claim = tx.claim(2).unwrap();
    child!("claim", claim.set(0, 7), claim.copy_from_slice(0, &[7, 8]), claim.fill([7]), claim.len(), claim.parts());
    let claim = tx.claim(2).unwrap();
    let mut claim = Some(claim);
    child!(
        "claim",
        claim.take().unwrap().commit(),
        claim.take().unwrap().commit_first(1),
        claim.take().unwrap().abort()
    );
    let peek = rx.peek(2).unwrap();
    child!("peek", peek.get(0), peek.copy_to_slice(0, &mut [0; 2]), peek.iter().count(), peek.len());
    let mut peek = Some(rx.peek(2).unwrap());
    child!("peek", peek.take().unwrap().release(), peek.take().unwrap().release_first(1));
    let mut claim = byte_tx.claim(8).unwrap();
    let zeros = fs::File::open("/dev/zero").unwrap();
    child!("claim of bytes", assert_eq!(claim.read_from(&zeros).unwrap_err().to_string(), Broken::Forked.to_string()));
    let peek = byte_rx.peek(2).unwrap();
    let nowhere = fs::File::create("/dev/null").unwrap();
    child!("peek of bytes", assert_eq!(peek.write_to(&nowhere).unwrap_err().to_string(), Broken::Forked.to_string()));
    let mut claim = Some(message_tx.claim(16).unwrap());
    child!(
        "claim of a message",
        claim.as_mut().unwrap().write_at(0, b"seven"),
        claim.as_mut().unwrap().write_value_at(0, &7_u64),
        claim.as_mut().unwrap().set_word(7),
        claim.as_mut().unwrap().written(),
        assert!(claim.as_mut().unwrap().write(b"seven").is_err()),
        claim.take().unwrap().commit(),
        claim.take().unwrap().commit_len(1),
        claim.take().unwrap().abort()
    );
    let mut batch = message_tx.batch();
    batch.push(b"one").unwrap();
    let mut batch = Some(batch);
    child!(
        "batch",
        assert!(batch.as_mut().unwrap().push(b"two").is_err()),
        batch.take().unwrap().commit(),
        batch.take().unwrap().abort()
    );
    let mut record = Some(message_rx.peek().unwrap());
    child!(
        "record",
        record.as_ref().unwrap().copy_to(&mut [0; 16]),
        record.as_ref().unwrap().to_vec(),
        record.as_ref().unwrap().value::<u8>(0),
        assert_eq!(record.as_ref().unwrap().word(), 0),
        record.take().unwrap().release()
    );
    let mut batch = message_rx.peek_batch();
    batch.append_next(&mut Vec::new()).unwrap();
    let mut batch = Some(batch);
    child!(
        "peek batch",
        assert!(batch.as_mut().unwrap().next_len().is_err()),
        assert!(batch.as_mut().unwrap().append_next(&mut Vec::new()).is_err()),
        assert!(batch.as_mut().unwrap().release_to(0).is_err()),
        batch.take().unwrap().release()
    );
    part.say("end");
    // What was there is there.
    let mut elements = [0; 8];
    assert_eq!(rx.pop_slice(&mut elements), Ok(3));
    assert_eq!(elements[..3], [1, 2, 3]);
    assert_eq!(byte_rx.available().unwrap(), 5);
    let mut came = Vec::new();
    assert_eq!(message_rx.drain(8, |message| came.push(message.to_vec())).unwrap(), 2);
    assert_eq!(came, [b"message", b"another"]);
    part.say("flows");
}

#[test]
fn a_guard_that_was_taken_before_a_fork_touches_nothing_in_the_child() {
    for way in WAYS {
        let ring = Ring::new();
        let mut guards = Child::start("guards", ring.name(), &[&way]);
        let said = std::iter::from_fn(|| Some(guards.hear()).filter(|said| said != "end"));
        let wrong: Vec<String> = said.filter(|said| !said.ends_with(": Some(0)")).collect();
        assert!(wrong.is_empty(), "{way}: {wrong:?}");
        guards.says("flows");
        guards.join();
    }
}

/// Lets a forked child use the traits of `std::io`.
fn bytes(part: &mut Part) {
    let way: String = part.argument(0);
    let options = part.options().capacity(64).unlink_on_close(true);
    let mut tx = options.stream_producer::<u8>().unwrap();
    let mut rx = options.stream_consumer::<u8>().unwrap();
    tx.write_all(b"bytes").unwrap();
    let ended = unchanged(part.name(), || {
        let Some(child) = fork_by(&way) else {
            let mut said = Complaints::default();
            for nonblocking in [false, true] {
                tx.set_nonblocking(nonblocking);
                rx.set_nonblocking(nonblocking);
                said.check("write", tx.write(b"more"));
                said.check("write_all", tx.write_all(b"more"));
                said.check("read", rx.read(&mut [0; 8]));
                said.check("read_to_end", rx.read_to_end(&mut Vec::new()));
                let mut trusted = trust!(rx);
                said.check("read of a view", trusted.read(&mut [0; 8]));
                said.check("fill_buf", io::BufRead::fill_buf(&mut trusted).map(<[u8]>::len));
            }
            said.end();
        };
        code(child)
    });
    part.say(format!("{ended:?}"));
    drop(tx);
    let mut text = String::new();
    rx.read_to_string(&mut text).unwrap();
    part.say(text);
}

#[test]
fn each_read_and_write_of_a_forked_child_is_refused() {
    for way in WAYS {
        check_says("bytes", &Ring::new(), &[&way], &["Some(0)", "bytes"]);
    }
}

/// Forks, as a daemon does, and lets the child attach.
fn daemon<E: End>(part: &mut Part) {
    // It has attached before, and left.
    drop(E::attach(&small(Options::anonymous())).unwrap());
    let options = small(part.options());
    let Some(child) = fork_by(&part.argument::<String>(1)) else {
        let moved = E::attach(&options).is_ok_and(|mut end| (0..4).all(|number| end.go(number, Some(LONG)).is_ok()));
        exit(i32::from(!moved));
    };
    part.say(format!("{:?}", code(child)));
}

#[test]
fn a_daemon_that_forks_first_attaches_in_the_child() {
    fn check<E: End>(way: &str) {
        let ring = Ring::new();
        let mut peer = E::Peer::attach(&small(ring.options())).unwrap();
        if E::ROLE == Role::Consumer {
            (0..4).for_each(|number| assert!(peer.try_go(number)));
        }
        check_says("daemon", &ring, &[&E::PART, &way], &["Some(0)"]);
        if E::ROLE == Role::Producer {
            (0..4).for_each(|number| assert!(peer.try_go(number)));
        }
    }
    for way in WAYS {
        for_each_end!(check, way);
    }
}

/// Leaves a ring after a fork, and lets the child attach to it then, beside its copy of the handle.
fn heir<E: End + Calls>(part: &mut Part) {
    let options = small(part.options());
    let end = E::attach(&options).unwrap();
    let (mut tried, mut trying) = UnixStream::pair().unwrap();
    let (mut left, mut leaving) = UnixStream::pair().unwrap();
    let Some(child) = fork_by(&part.argument::<String>(1)) else {
        let mut copy = end;
        let mut said = Complaints::default();
        said.equal("the refusal of a role that the parent holds", E::attach(&options).is_err(), true);
        trying.write_all(&[0]).unwrap();
        left.read_exact(&mut [0]).unwrap();
        match E::attach(&options) {
            Ok(own) => said.equal("generation", own.generation(), 2),
            Err(error) => said.0.push(format!("attach says {error}")),
        }
        copy.check(&mut said);
        drop(copy);
        said.end();
    };
    tried.read_exact(&mut [0]).unwrap();
    end.close();
    leaving.write_all(&[0]).unwrap();
    part.say(format!("{:?}", code(child)));
}

#[test]
fn a_child_attaches_anew_once_its_parent_has_left() {
    fn check<E: End>(way: &str) {
        check_says("heir", &Ring::new(), &[&E::PART, &way], &["Some(0)"]);
    }
    for way in WAYS {
        for_each_end!(check, way);
    }
}

/// Lets a child attach a ring of its own, and make all calls of its parent's; and a child of that the calls of both.
fn owner<E: End + Calls>(part: &mut Part) {
    let way: String = part.argument(1);
    let mut inherited = E::attach(&small(part.options())).unwrap();
    let ended = unchanged(part.name(), || {
        let Some(child) = fork_by(&way) else {
            let mut said = Complaints::default();
            let mut own = E::attach(&small(Options::anonymous())).unwrap();
            inherited.check(&mut said);
            let Some(child) = fork_by(&way) else {
                let mut said = Complaints::default();
                let _third = E::attach(&small(Options::anonymous())).unwrap();
                inherited.check(&mut said);
                own.check(&mut said);
                said.end();
            };
            said.equal("a child of the child", code(child), Some(0));
            said.equal("peer_state of its own", own.peer_state(), PeerState::Never);
            own.exhaust();
            own.close();
            inherited.check(&mut said);
            said.end();
        };
        code(child)
    });
    part.say(format!("{ended:?}"));
    inherited.exhaust();
    part.say(inherited.generation());
}

#[test]
fn a_child_that_attaches_a_ring_of_its_own_is_refused_that_of_its_parent() {
    fn check<E: End>(way: &str) {
        check_says("owner", &Ring::new(), &[&E::PART, &way], &["Some(0)", "1"]);
    }
    for way in WAYS {
        for_each_end!(check, way);
    }
}
