//! A descriptor that is passed comes as one descriptor or not at all, and whatever else comes is refused and closed.

mod common;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;
use std::{fs, io, thread};

use common::passed::{RING, SEALS, Way, give, given, leaves_no_descriptor, memory};
use common::{Child, Part, Ring, output, refuses};
use ringmain::pass::{Answer, PassError, accept, inherit, inherited, offer, receive, send};
use ringmain::stream::Producer;
use ringmain::{Error, Options, PeerState};
use rustix::fs::{SealFlags, fstat};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("receiver", receiver),
        ("starved", starved),
        ("lister", lister),
        ("heir", heir),
        ("misled", misled),
        ("curious", curious),
        ("guest", guest),
        ("bystander", bystander),
    ]);
}

/// What a greeting says, from `docs/format.md`.
const MAGIC: u64 = 0x5353_4150_474e_4952;
const GREETING: [u64; 4] = [MAGIC, 2, 32, 0];

/// The last word of a greeting that asks for an answer.
const WANTS_AN_ANSWER: u64 = 1;

/// What an answer says, from there too.
const ANSWER_MAGIC: u64 = 0x444c_4f54_474e_4952;
const ANSWER: [u64; 4] = [ANSWER_MAGIC, 1, 512, 1];

fn bytes_of(words: [u64; 4]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn ring() -> Producer<u64> {
    Options::anonymous().capacity(8).stream_producer().unwrap()
}

/// Sends bytes, and so many descriptors of one object beside them.
#[track_caller]
fn send_by_hand(socket: &UnixStream, bytes: &[u8], descriptors: usize) {
    let object = memory(&[0], SealFlags::empty());
    let descriptors = vec![object.as_fd(); descriptors];
    let mut space = [MaybeUninit::uninit(); 2048];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    }
    assert_eq!(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL), Ok(bytes.len()));
}

/// Checks how a greeting is refused whose parts are sent by hand, each with so many descriptors, and that nothing is
/// left.
#[track_caller]
fn check_refused(parts: &[(&[u8], usize)], ends: bool, is_expected: impl Fn(&PassError) -> bool) {
    leaves_no_descriptor(|| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for (bytes, descriptors) in parts {
            send_by_hand(&theirs, bytes, *descriptors);
        }
        let theirs = (!ends).then_some(theirs);
        let error = receive(&ours).unwrap_err();
        assert!(is_expected(&error), "{error:?}: {error}");
        drop(theirs);
    });
}

/// Returns whether an error refuses this word.
fn is_of_word(error: &PassError, name: &str, value: u64, values: RangeInclusive<u64>) -> bool {
    matches!(error, PassError::OtherProtocol { word, found, expected }
        if (*word, *found, expected) == (name, value, &values))
}

/// Receives what it should not, in a process where nobody else opens descriptors.
fn receiver(part: &mut Part) {
    let greeting = bytes_of(GREETING);
    let whole = greeting.as_slice();
    let changed = |at: usize, value: u64| {
        let mut words = GREETING;
        words[at] = value;
        bytes_of(words)
    };
    for descriptors in [0, 1, 3] {
        check_refused(&[(&changed(0, 7), descriptors)], false, |error| is_of_word(error, "magic", 7, MAGIC..=MAGIC));
        check_refused(&[(&changed(1, 1), descriptors)], false, |error| is_of_word(error, "version", 1, 2..=2));
        check_refused(&[(&changed(2, 24), descriptors)], false, |error| is_of_word(error, "length", 24, 32..=32));
        check_refused(&[(&changed(3, 2), descriptors)], false, |error| is_of_word(error, "wishes", 2, 0..=1));
    }
    // A stranger that waits for an answer is not waited for.
    check_refused(&[(b"GET / HTTP/1.1\r\n", 0)], false, |error| {
        matches!(error, PassError::OtherProtocol { word: "magic", .. })
    });
    check_refused(&[(whole, 0)], false, |error| matches!(error, PassError::Descriptors { found: 0, expected: 1 }));
    for count in [2, 3, 4, 32] {
        check_refused(
            &[(whole, count)],
            false,
            |error| matches!(error, PassError::Descriptors { found, expected: 1 } if *found == count),
        );
    }
    check_refused(&[(&whole[..10], 1), (&whole[10..], 1)], false, |error| {
        matches!(error, PassError::Descriptors { found: 2, expected: 1 })
    });
    // More than there is room for are not even received.
    check_refused(&[(whole, 253)], false, |error| matches!(error, PassError::Truncated { expected: 1, .. }));
    // As many as can be, again and again.
    let parts: Vec<(&[u8], usize)> = whole.chunks(1).map(|byte| (byte, 253)).collect();
    check_refused(&parts, false, |error| matches!(error, PassError::Truncated { expected: 1, .. }));
    for len in [0, 1, 7, 8, 31] {
        for descriptors in [0, 1] {
            let parts: &[(&[u8], usize)] = if len == 0 { &[] } else { &[(&whole[..len], descriptors)] };
            check_refused(
                parts,
                true,
                |error| matches!(error, PassError::Ended { found, expected: 32 } if *found == len),
            );
        }
    }
    part.say("greeted");
    for ways in [0, 1] {
        leaves_no_descriptor(|| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            match ways {
                0 => ours.set_nonblocking(true).unwrap(),
                _ => ours.set_read_timeout(Some(Duration::from_millis(1))).unwrap(),
            }
            // As long as nothing has come, it can be asked again.
            refuses!(receive(&ours), PassError::Os { source, .. } if source.kind() == ErrorKind::WouldBlock);
            send_by_hand(&theirs, whole, 1);
            receive(&ours).unwrap();
            send_by_hand(&theirs, &whole[..10], 1);
            refuses!(receive(&ours), PassError::Unfinished { found: 10, expected: 32, source }
                if source.kind() == ErrorKind::WouldBlock);
        });
    }
    part.say("waited");
    part.hear();
}

#[test]
fn what_is_no_greeting_is_refused_and_its_descriptors_are_closed() {
    let mut receiver = Child::start("receiver", "passing", &[]);
    receiver.says("greeted");
    receiver.says("waited");
}

/// Receives a descriptor when it can have no more of them.
fn starved(part: &mut Part) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    send(&theirs, ring().descriptor()).unwrap();
    let limits = getrlimit(Resource::Nofile);
    let next = memory(&[0], SealFlags::empty());
    let full = Rlimit { current: Some(next.as_raw_fd() as u64), maximum: limits.maximum };
    drop(next);
    setrlimit(Resource::Nofile, full).unwrap();
    let refused = receive(&ours);
    let sent = send(&theirs, &theirs);
    setrlimit(Resource::Nofile, limits).unwrap();
    refuses!(refused, PassError::Truncated { found: 0, expected: 1 });
    sent.unwrap();
    part.say("starved");
    part.hear();
}

#[test]
fn a_process_without_room_for_a_descriptor_is_told() {
    Child::start("starved", "passing", &[]).says("starved");
}

#[test]
fn a_greeting_that_comes_byte_by_byte_is_received() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (at, byte) in bytes_of(GREETING).into_iter().enumerate() {
                send_by_hand(&theirs, &[byte], usize::from(at == 0));
                thread::sleep(Duration::from_millis(1));
            }
        });
        receive(&ours).unwrap();
    });
}

#[test]
fn a_socket_carries_other_bytes_before_between_and_after() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let rings = [ring(), ring()];
    theirs.write_all(b"before").unwrap();
    send(&theirs, rings[0].descriptor()).unwrap();
    send(&theirs, rings[1].descriptor()).unwrap();
    theirs.write_all(b"after").unwrap();
    let mut bytes = [0; 6];
    ours.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"before");
    for ring in &rings {
        let received = receive(&ours).unwrap();
        assert_eq!(fstat(&received).unwrap().st_ino, fstat(ring.descriptor()).unwrap().st_ino);
        assert_eq!(fcntl_getfd(&received).unwrap(), FdFlags::CLOEXEC);
    }
    let mut bytes = [0; 5];
    ours.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"after");
}

/// Asks the system for credentials of whoever sends (`SO_PASSCRED`), or for a descriptor of its process, with each
/// byte that a socket receives.
#[track_caller]
fn ask_for(socket: &UnixStream, option: libc::c_int) {
    let yes: libc::c_int = 1;
    let len = size_of_val(&yes) as libc::socklen_t;
    // SAFETY: the option is a number, which lives through the call.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const yes).cast(), len) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
}

/// Receives by sockets that ask the system for more than what was sent, in a process where nobody else opens
/// descriptors.
fn curious(part: &mut Part) {
    let greeting = bytes_of(GREETING);
    for options in [&[libc::SO_PASSCRED][..], &[libc::SO_PASSPIDFD], &[libc::SO_PASSCRED, libc::SO_PASSPIDFD]] {
        let asking = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            options.iter().for_each(|&option| ask_for(&ours, option));
            (ours, theirs)
        };
        leaves_no_descriptor(|| {
            let (ours, theirs) = asking();
            send(&theirs, ring().descriptor()).unwrap();
            receive(&ours).unwrap();
        });
        // With each byte once more, and with one descriptor too many.
        for descriptors in [1, 2, 253] {
            leaves_no_descriptor(|| {
                let (ours, theirs) = asking();
                for (at, byte) in greeting.iter().enumerate() {
                    send_by_hand(&theirs, &[*byte], if at == 0 { descriptors } else { 0 });
                }
                let received = receive(&ours);
                assert_eq!(received.is_ok(), descriptors == 1, "{received:?}");
            });
        }
        // Nothing comes with an answer, whatever was sent beside it.
        leaves_no_descriptor(|| {
            let (ours, theirs) = asking();
            let mut offer = offer(&ours, ring().descriptor()).unwrap();
            let mut answer = bytes_of(ANSWER);
            answer.resize(512, 0);
            send_by_hand(&theirs, &answer, 7);
            assert_eq!(offer.answer().unwrap(), Answer::Attached);
        });
    }
    part.say("curious");
    part.hear();
}

#[test]
fn what_the_system_sends_beside_a_greeting_is_closed() {
    Child::start("curious", "passing", &[]).says("curious");
}

/// Sends bytes one after the other, each long before the limit of whoever receives them, and stops when that is gone.
fn drip(socket: &UnixStream, bytes: &[u8]) {
    for byte in bytes {
        let mut socket = socket;
        if socket.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(LIMIT / 4);
    }
}

/// The limit of a socket that is dripped into: all bytes take far longer.
const LIMIT: Duration = Duration::from_millis(100);

#[test]
fn a_limit_holds_for_a_whole_greeting_and_a_whole_answer() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LIMIT)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| drip(&theirs, &bytes_of(GREETING)[..31]));
        refuses!(receive(&ours), PassError::Unfinished { found: 1..31, expected: 32, source }
            if source.kind() == ErrorKind::WouldBlock);
        ours.shutdown(Shutdown::Both).unwrap();
    });
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LIMIT)).unwrap();
    let mut offer = offer(&ours, ring().descriptor()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| drip(&theirs, &[&bytes_of(ANSWER)[..], &[0; 100]].concat()));
        refuses!(offer.answer(), PassError::Os { source, .. } if source.kind() == ErrorKind::WouldBlock);
        ours.shutdown(Shutdown::Both).unwrap();
    });
}

/// Attaches to what it is given, or not, and keeps that.
fn guest(part: &mut Part) {
    let kind: String = part.argument(0);
    part.say("ready");
    match kind.as_str() {
        "consumer" => {
            let mut rx = accept(part.socket(), |ring| Options::from_fd(ring).stream_consumer::<u64>()).unwrap();
            part.say(rx.blocking().pop().unwrap());
        }
        "second" => {
            let second = accept(part.socket(), |ring| Options::from_fd(ring).stream_consumer::<u64>());
            part.say(second.is_err());
        }
        "receiver" => {
            let ring = receive(part.socket()).unwrap();
            part.say(fstat(&ring).unwrap().st_ino);
        }
        "mistaken" => {
            let refused = accept(part.socket(), |ring| Options::from_fd(ring).message_consumer()).unwrap_err();
            part.say(refused);
        }
        _ => std::process::abort(),
    }
    part.hear();
}

#[test]
fn a_sender_is_told_whether_its_ring_was_attached_and_why_not() {
    let guest = |kind: &str| {
        let mut guest = Child::start("guest", "passing", &[&kind]);
        guest.says("ready");
        guest
    };
    let mut tx = ring();
    let mut consumer = guest("consumer");
    assert_eq!(offer(consumer.socket(), tx.descriptor()).unwrap().answer().unwrap(), Answer::Attached);
    assert_eq!(tx.peer_state(), PeerState::Alive);
    // Its reason is that of the error of whoever attaches.
    let mut second = guest("second");
    let answered = offer(second.socket(), tx.descriptor()).unwrap().answer();
    let expected = format!("has a consumer already: process {}", consumer.pid());
    refuses!(answered, PassError::Refused { reason } if reason.contains(&expected));
    second.says(true);
    tx.push(7).unwrap();
    consumer.says(7);
    let tx = ring();
    let mut receiver = guest("receiver");
    assert_eq!(offer(receiver.socket(), tx.descriptor()).unwrap().answer().unwrap(), Answer::Received);
    receiver.says(fstat(tx.descriptor()).unwrap().st_ino);
    let mut mistaken = guest("mistaken");
    let answered = offer(mistaken.socket(), tx.descriptor()).unwrap().answer();
    refuses!(answered, PassError::Refused { reason } if reason.contains("has kind 1 (stream), expected 2 (message)"));
    mistaken.says("the ring that was received cannot be attached");
    assert_eq!(tx.peer_state(), PeerState::Never);
    // Whoever asks for no answer gets none: the next that comes is what the guest says.
    let mut consumer = guest("consumer");
    send(consumer.socket(), tx.descriptor()).unwrap();
    let mut tx = tx;
    tx.blocking().push(8).unwrap();
    consumer.says(8);
    // One that ends without an answer.
    let mut aborter = guest("aborter");
    let mut offered = offer(aborter.socket(), tx.descriptor()).unwrap();
    refuses!(offered.answer(), PassError::Ended { found: 0, expected: 512 } | PassError::Os { .. });
    aborter.end();
}

#[test]
fn a_greeting_that_is_refused_is_answered_if_it_asks_for_that() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut offered = offer(&ours, ring().descriptor()).unwrap();
    // A second descriptor beside the last bytes.
    let mut words = GREETING;
    words[3] = WANTS_AN_ANSWER;
    receive(&theirs).unwrap();
    assert_eq!(offered.answer().unwrap(), Answer::Received);
    let mut second = offer(&ours, ring().descriptor()).unwrap();
    let greeting = bytes_of(words);
    receive(&theirs).unwrap();
    send_by_hand(&ours, &greeting, 3);
    refuses!(receive(&theirs), PassError::Descriptors { found: 3, expected: 1 });
    assert_eq!(second.answer().unwrap(), Answer::Received);
    // It is that of the greeting by hand, behind which nothing is left.
    let mut answer = [0; 512];
    (&ours).read_exact(&mut answer).unwrap();
    assert_eq!(answer[..24], bytes_of(ANSWER)[..24]);
    assert!(String::from_utf8_lossy(&answer[32..]).starts_with("3 descriptors came with the greeting, expected 1"));
    ours.set_nonblocking(true).unwrap();
    assert_eq!((&ours).read(&mut answer).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_answer_comes_in_parts_and_what_is_none_is_refused() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut offered = offer(&ours, ring().descriptor()).unwrap();
    let mut answer = bytes_of(ANSWER);
    answer.resize(512, 0);
    for part in answer.chunks(100) {
        refuses!(offered.answer(), PassError::Os { source, .. } if source.kind() == ErrorKind::WouldBlock);
        theirs.write_all(part).unwrap();
    }
    theirs.write_all(b"after").unwrap();
    for _ in 0..2 {
        assert_eq!(offered.answer().unwrap(), Answer::Attached);
    }
    let mut after = [0; 5];
    (&ours).read_exact(&mut after).unwrap();
    assert_eq!(&after, b"after");
    let refused = [
        ("magic", 7, ANSWER_MAGIC..=ANSWER_MAGIC),
        ("version", 2, 1..=1),
        ("length", 513, 512..=512),
        ("answer", 4, 1..=3),
    ];
    for (at, (word, value, expected)) in refused.into_iter().enumerate() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut offered = offer(&ours, ring().descriptor()).unwrap();
        let mut words = ANSWER;
        words[at] = value;
        let mut answer = bytes_of(words);
        answer.resize(512, 0);
        theirs.write_all(&answer).unwrap();
        let refused = offered.answer().unwrap_err();
        assert!(is_of_word(&refused, word, value, expected), "{refused:?}");
    }
}

#[test]
fn a_send_that_can_not_be_is_an_error() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    refuses!(send(&ours, ring().descriptor()), PassError::Os { source, .. } if source.kind() == ErrorKind::BrokenPipe);
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    // It fills the socket, or the system's limit of descriptors on their way.
    let ring = ring();
    let full = (0..100_000).find_map(|_| send(&ours, ring.descriptor()).err()).unwrap();
    let is_expected = |source: &io::Error| {
        source.kind() == ErrorKind::WouldBlock || source.raw_os_error() == Some(libc::ETOOMANYREFS)
    };
    refuses!(Err::<(), _>(full), PassError::Os { source, .. } if is_expected(&source));
}

/// Says how many memory files this process has open.
fn lister(part: &mut Part) {
    part.say(memory_files());
}

fn memory_files() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("/memfd:")).count()
}

/// Inherits a ring, attaches, and starts a process of its own.
fn heir(part: &mut Part) {
    part.say(memory_files());
    let ring = given(part);
    let again = inherited(RING).unwrap();
    let mut rx = Options::from_fd(ring).stream_consumer::<u64>().unwrap();
    let mut lister = Child::start("lister", "passing", &[]);
    part.say(lister.hear());
    let mut misled = Child::start("misled", "passing", &[]);
    part.say(misled.hear());
    drop(again);
    part.say(rx.blocking().pop().unwrap());
    part.hear();
}

/// Says why it has inherited nothing.
fn misled(part: &mut Part) {
    let error = inherited(RING).unwrap_err();
    part.say(match &error {
        PassError::Missing { .. } => "missing".into(),
        PassError::Malformed { found, .. } => format!("malformed {}", found.to_string_lossy()),
        PassError::NotInherited { number, .. } => format!("not inherited {number}"),
        PassError::OtherFile { number, found, expected, .. } => {
            format!("other file {number} {} {}", found.1 != expected.1, expected.1)
        }
        PassError::NotARing { number, source: Error::NotRegular { .. } } => format!("not regular {number}"),
        error => format!("{error:?}"),
    });
}

#[test]
fn a_program_inherits_the_one_descriptor_that_is_meant_for_it() {
    let mut tx = ring();
    let others = [ring(), ring()];
    let (ours, theirs) = UnixStream::pair().unwrap();
    send(&theirs, others[0].descriptor()).unwrap();
    let _received = receive(&ours).unwrap();
    let _attached =
        Options::from_fd(others[1].descriptor().try_clone_to_owned().unwrap()).stream_consumer::<u64>().unwrap();
    let mut command = Command::new("never");
    inherit(&mut command, others[1].descriptor(), RING).unwrap();
    Child::start("lister", "passing", &[]).says(0);
    let mut heir = give("heir", tx.descriptor(), Way::Inheritance);
    heir.says(1);
    // What it starts in its turn inherits nothing, and is told so by name.
    heir.says(0);
    let said = heir.hear();
    assert!(said.starts_with("not inherited "), "{said}");
    tx.push(7).unwrap();
    heir.says(7);
}

#[test]
fn a_variable_that_lies_is_not_believed() {
    let says = |value: Option<String>, expected: &str| {
        let mut misled = Child::start_by("misled", "passing", &[], |command| {
            command.env_remove(RING);
            if let Some(value) = value {
                command.env(RING, value);
            }
        });
        misled.says(expected);
    };
    says(None, "missing");
    for garbage in ["", "3", "three", "3:1", "-1:2:3", "3:1:2:3", "99999999999:1:2", "03:1:2"] {
        says(Some(garbage.into()), &format!("malformed {garbage}"));
    }
    says(Some("1000:1:2".into()), "not inherited 1000");
    // Standard output is the null device.
    says(Some("1:1:2".into()), "other file 1 true 2");
    let null = fs::metadata("/dev/null").unwrap();
    says(Some(format!("1:{}:{}", null.dev(), null.ino())), "not regular 1");
}

/// Is told by a lie that one of its own descriptors is a ring, and says what came of that.
fn bystander(part: &mut Part) {
    let number: i32 = part.argument(0);
    // SAFETY: it was left open for this process.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let before = fcntl_getfd(descriptor).unwrap();
    let refused = inherited(RING).unwrap_err();
    let after = fcntl_getfd(descriptor).unwrap();
    let source = std::error::Error::source(&refused).map_or_else(String::new, ToString::to_string);
    part.say(format!("{} {} {refused}: {source}", before.is_empty(), after == before));
}

#[test]
fn a_descriptor_that_is_no_ring_is_left_as_it_is() {
    let named = Ring::new();
    named.make::<u64>(8);
    let file = Ring::new();
    fs::write(file.path(), [0; 8192]).unwrap();
    let open = |path| OwnedFd::from(fs::File::options().read(true).write(true).open(path).unwrap());
    let no_ring = "does not stand for a ring without a name";
    for (object, expected) in [
        (open(file.path()), "the seals of this descriptor's object are"),
        (open(named.path()), "the seals of this descriptor's object are"),
        (memory(&[7; 8192], SealFlags::empty()), "the seals of this descriptor's object are"),
        (memory(&[7; 8192], SEALS), "of 8192 bytes is no ring: it begins with 0x0707070707070707"),
        (memory(&[7; 4], SEALS), "of 4 bytes is no ring"),
        (memory(&[], SEALS), "of 0 bytes is no ring"),
    ] {
        let stat = fstat(&object).unwrap();
        let number = object.as_raw_fd();
        let mut bystander = Child::start_by("bystander", "passing", &[&number], |command| {
            command.env(RING, format!("{number}:{}:{}", stat.st_dev, stat.st_ino));
            // SAFETY: between fork and exec it makes one system call; the descriptor is open until the child runs.
            let leave_open = move || fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::empty());
            // SAFETY: it neither allocates nor takes a lock.
            unsafe { command.pre_exec(move || leave_open().map_err(Into::into)) };
        });
        let said = bystander.hear();
        assert!(said.starts_with("true true "), "{said}");
        assert!(said.contains(no_ring) && said.contains(expected), "{said}");
        refuses!(inherit(&mut Command::new("never"), &object, RING), PassError::NotARing { .. });
    }
}

#[test]
fn what_can_not_be_inherited_is_refused() {
    let mut command = Command::new("never");
    for name in ["", "A=B", "A\0"] {
        let inherited_by = inherit(&mut command, ring().descriptor(), name);
        refuses!(inherited_by, PassError::Variable { name: found } if found == name);
        refuses!(inherited(name), PassError::Variable { .. });
    }
    let (reader, _writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    refuses!(inherit(&mut command, &reader, RING), PassError::NotARing { source: Error::NotRegular { .. }, .. });
    assert_eq!(command.get_envs().count(), 0);
    refuses!(inherited("RINGMAIN_TEST_NOTHING"), PassError::Missing { .. });
}

#[test]
fn a_command_starts_several_processes_with_the_ring_it_was_given() {
    let tx = ring();
    let number = fstat(tx.descriptor()).unwrap().st_ino;
    let mut command = Command::new("sh");
    command.args(["-c", "test -e /proc/self/fd/${RINGMAIN_TEST_RING%%:*} && echo ${RINGMAIN_TEST_RING##*:}"]);
    inherit(&mut command, tx.descriptor(), RING).unwrap();
    // The command has a copy of its own.
    drop(tx);
    for _ in 0..2 {
        let output = output(&mut command);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{number}\n"));
    }
    let plain = output(Command::new("sh").args(["-c", "ls -l /proc/self/fd"]));
    assert!(!String::from_utf8(plain.stdout).unwrap().contains("memfd:"));
}

#[test]
fn errors_say_what_was_found_and_what_was_expected() {
    for (error, said) in [
        (PassError::OtherProtocol { word: "version", found: 2, expected: 1..=1 }, "version 2, expected 1;"),
        (PassError::OtherProtocol { word: "answer", found: 4, expected: 1..=3 }, "answer 4, expected 1 to 3;"),
        (
            PassError::OtherProtocol { word: "magic", found: u64::MAX, expected: MAGIC..=MAGIC },
            "magic 0xffffffffffffffff, expected 0x53534150474e4952;",
        ),
    ] {
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = Error::Seals { found: 3, expected: SEALS.bits() };
    assert!(
        error
            .to_string()
            .contains("are F_SEAL_SEAL | F_SEAL_SHRINK, expected F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW"),
        "{error}"
    );
    assert!(Error::Seals { found: 0, expected: 7 }.to_string().contains("are none"));
}
