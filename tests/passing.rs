//! A descriptor that is passed comes as one descriptor or not at all, and whatever else comes is refused and closed.

mod common;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;
use std::{fs, io, thread};

use common::passed::{RING, SEALS, Way, give, given, leaves_no_descriptor, memory};
use common::{Child, Part, output, refuses};
use ringmain::pass::{PassError, inherit, inherited, receive, send};
use ringmain::stream::Producer;
use ringmain::{Error, Options};
use rustix::fs::{SealFlags, fstat};
use rustix::io::{FdFlags, fcntl_getfd};
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
    ]);
}

/// What a greeting says, from `docs/format.md`.
const MAGIC: u64 = 0x5353_4150_474e_4952;
const GREETING: [u64; 3] = [MAGIC, 1, 24];

fn bytes_of(words: [u64; 3]) -> Vec<u8> {
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
        check_refused(&[(&changed(0, 7), descriptors)], false, |error| {
            matches!(error, PassError::Magic { found: 7, expected: MAGIC })
        });
        check_refused(&[(&changed(1, 2), descriptors)], false, |error| {
            matches!(error, PassError::Version { found: 2, expected: 1 })
        });
        check_refused(&[(&changed(2, 25), descriptors)], false, |error| {
            matches!(error, PassError::Length { found: 25, expected: 24 })
        });
    }
    // A stranger that waits for an answer is not waited for.
    check_refused(&[(b"GET / HTTP/1.1\r\n", 0)], false, |error| matches!(error, PassError::Magic { .. }));
    check_refused(&[(whole, 0)], false, |error| matches!(error, PassError::Descriptors { found: 0, expected: 1 }));
    for count in 2..=4 {
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
    for count in [32, 253] {
        check_refused(&[(whole, count)], false, |error| matches!(error, PassError::Truncated { expected: 1, .. }));
    }
    for len in [0, 1, 7, 8, 23] {
        for descriptors in [0, 1] {
            let parts: &[(&[u8], usize)] = if len == 0 { &[] } else { &[(&whole[..len], descriptors)] };
            check_refused(
                parts,
                true,
                |error| matches!(error, PassError::Ended { found, expected: 24 } if *found == len),
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
            refuses!(receive(&ours), PassError::Unfinished { found: 10, expected: 24, source }
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

#[test]
fn a_socket_that_asks_for_credentials_receives_all_the_same() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    rustix::net::sockopt::set_socket_passcred(&ours, true).unwrap();
    send(&theirs, ring().descriptor()).unwrap();
    receive(&ours).unwrap();
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
        PassError::NotRegular { number } => format!("not regular {number}"),
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

#[test]
fn what_can_not_be_inherited_is_refused() {
    let mut command = Command::new("never");
    for name in ["", "A=B", "A\0"] {
        let inherited_by = inherit(&mut command, ring().descriptor(), name);
        refuses!(inherited_by, PassError::Variable { name: found } if found == name);
        refuses!(inherited(name), PassError::Variable { .. });
    }
    let (reader, _writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    refuses!(inherit(&mut command, &reader, RING), PassError::NotRegular { .. });
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
    let error = PassError::Version { found: 2, expected: 1 };
    assert!(error.to_string().contains("version 2, expected 1"), "{error}");
    let error = Error::Seals { found: 3, expected: SEALS.bits() };
    assert!(
        error
            .to_string()
            .contains("are F_SEAL_SEAL | F_SEAL_SHRINK, expected F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW"),
        "{error}"
    );
    assert!(Error::Seals { found: 0, expected: 7 }.to_string().contains("are none"));
}
