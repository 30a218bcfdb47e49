//! Standard streams that are closed, full, do not block, or have nobody at their other end; and what is said on them.

mod shell;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use ringmain::inspect::Inspection;
use ringmain::{PeerState, Role};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use shell::{Ring, Running, check, deserted, feed, redirected, ringmain, run, start, wait_for, write};

#[test]
fn a_closed_stdout_is_refused_before_anything_is_done() {
    let (ring, missing) = (Ring::new(), Ring::new());
    write(&[ring.name()], "precious\n", 0);
    let (name, new) = (ring.name(), missing.name());
    let create = ["create", new, "--kind", "message", "--capacity", "1"];
    let verbs: [&[&str]; 14] = [
        &["read", name],
        &["rm", name],
        &["rm", "--force", name],
        &create,
        &["ls"],
        &["stat", name],
        &["watch", "--count", "1"],
        &["tap", name],
        &["doctor"],
        &["completions", "bash"],
        &["man"],
        &["bench", "--quick"],
        &["chaos", "--seconds", "1"],
        &["--help"],
    ];
    for arguments in verbs {
        for (how, found) in [(">&-", "stdout is closed"), ("1</dev/null", "stdout is not open for that")] {
            let (_, error) = check(Running::start(&mut redirected(arguments, how)), 1);
            assert!(error.contains(found) && error.contains("/dev/null"), "{arguments:?}: {error}");
        }
    }
    assert!(!missing.exists());
    // What stands for nobody is not closed, however it was opened.
    check(Running::start(&mut redirected(&["stat", name], "1<>/dev/null")), 0);
    assert_eq!(run(&["read", name], 0).0, b"precious\n");
}

#[test]
fn a_closed_stdin_is_no_input_that_is_empty() {
    let ring = Ring::new();
    for (how, found) in [("<&-", "stdin is closed"), ("0>/dev/null", "stdin is not open for that")] {
        let (_, error) = check(Running::start(&mut redirected(&["write", ring.name()], how)), 1);
        assert!(error.contains(found), "{error}");
    }
    assert!(!ring.exists());
    // Others need none.
    check(Running::start(&mut redirected(&["completions", "bash"], "<&-")), 0);
    check(Running::start(&mut redirected(&["write", ring.name()], "0<>/dev/null")), 0);
}

#[test]
fn a_closed_stderr_is_refused_where_it_was_asked_for() {
    let ring = Ring::new();
    write(&[ring.name()], "precious\n", 0);
    for arguments in [&["read", ring.name(), "--progress"][..], &["chaos", "--seconds", "1"]] {
        let mut process = Running::start(&mut redirected(arguments, "2>&-"));
        assert_eq!(process.end().code(), Some(1), "{arguments:?}");
    }
    assert_eq!(check(Running::start(&mut redirected(&["read", ring.name()], "2>&-")), 0).0, b"precious\n");
}

/// Waits until nobody holds a role any more.
#[track_caller]
fn await_free(ring: &Ring, role: Role) {
    wait_for("a free role", || {
        let state = Inspection::open(ring.name()).ok()?.end(role).ok()?.state;
        (state != PeerState::Alive).then_some(())
    });
}

#[test]
fn a_reader_that_waits_sees_nobody_left_at_stdout() {
    let ring = Ring::new();
    // Nobody was there yet, one has left, one was killed.
    for round in 0..3 {
        let mut reader = start(&["read", ring.name(), "--follow"]);
        ring.await_holder(Role::Consumer);
        let mut first = [0; 5];
        if round > 0 {
            let mut writer = Running::start(ringmain(&["write", ring.name()]).stdin(Stdio::piped()));
            writer.child().stdin.as_mut().unwrap().write_all(b"some\n").unwrap();
            reader.child().stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
            if round == 1 {
                check(writer, 0);
            } else {
                writer.kill();
            }
            await_free(&ring, Role::Producer);
        }
        drop(reader.child().stdout.take());
        check(reader, 141);
        await_free(&ring, Role::Consumer);
    }
}

/// A socket as a server gives it to a reader, and its other end.
fn served(ring: &Ring) -> (Running, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    let reader = Running::start(ringmain(&["read", ring.name(), "--follow"]).stdout(OwnedFd::from(near)));
    ring.await_holder(Role::Consumer);
    (reader, far)
}

#[test]
fn a_reader_learns_that_the_peer_of_its_socket_is_gone_by_what_it_sends() {
    let ring = Ring::new();
    let (mut reader, mut far) = served(&ring);
    let mut writer = Running::start(ringmain(&["write", ring.name()]).stdin(Stdio::piped()));
    let mut send = |text: &[u8]| writer.child().stdin.as_mut().unwrap().write_all(text).unwrap();
    let mut some = [0; 5];
    // A peer that will send nothing more gets all.
    far.shutdown(Shutdown::Write).unwrap();
    send(b"some\n");
    far.read_exact(&mut some).unwrap();
    assert_eq!(&some, b"some\n");
    // Nothing tells that it is gone, until it answers what is sent.
    drop(far);
    thread::sleep(Duration::from_millis(350));
    assert!(reader.child().try_wait().unwrap().is_none());
    send(b"lost\n");
    check(reader, 141);
    assert_eq!(writer.end().code(), Some(141));
    await_free(&ring, Role::Consumer);
    // It is lost, and what comes after it is not.
    write(&[ring.name()], "kept\n", 0);
    assert_eq!(run(&["read", ring.name()], 0).0, b"kept\n");

    // One that leaves something unread says so at once, also to a reader that writes before it asks.
    for has_more in [false, true] {
        let (reader, far) = served(&ring);
        write(&[ring.name()], "unread", 0);
        wait_for("what is unread", || (far.peek(&mut [0; 6]).unwrap() == 6).then_some(()));
        if has_more {
            reader.signal(Signal::STOP);
            write(&[ring.name()], "more", 0);
        }
        drop(far);
        reader.signal(Signal::CONT);
        check(reader, 141);
    }
    assert_eq!(run(&["read", ring.name()], 0).0, b"more");
}

/// Ends of a pipe, which can be asked without waiting, and of a socket, which has to be asked before.
fn quiet() -> [(Stdio, Box<dyn Write>); 2] {
    let ((reader, writer), (near, far)) = (std::io::pipe().unwrap(), UnixStream::pair().unwrap());
    [(reader.into(), Box::new(writer)), (OwnedFd::from(near).into(), Box::new(far))]
}

#[test]
fn a_writer_with_a_quiet_stdin_sees_its_reader_leave() {
    for framing in ["bytes", "lines", "fixed:5"] {
        for (stdin, mut input) in quiet() {
            let ring = Ring::new();
            let count = if framing == "bytes" { "5" } else { "1" };
            let reader = start(&["read", ring.name(), "--framing", framing, "--count", count]);
            ring.await_holder(Role::Consumer);
            let writer = Running::start(ringmain(&["write", ring.name()]).stdin(stdin));
            input.write_all(b"some\n").unwrap();
            assert_eq!(check(reader, 0).0, b"some\n");
            check(writer, 141);
            await_free(&ring, Role::Producer);
            drop(input);
        }
    }
}

#[test]
fn a_writer_waits_on_for_a_quiet_stdin_while_its_reader_is_there() {
    let ring = Ring::new();
    let reader = start(&["read", ring.name()]);
    ring.await_holder(Role::Consumer);
    let (shared, mut stdin) = std::io::pipe().unwrap();
    let writer = Running::start(ringmain(&["write", ring.name()]).stdin(shared.try_clone().unwrap()));
    // Some slices.
    thread::sleep(Duration::from_millis(350));
    // Others who share it find it as it was.
    assert!(!fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK));
    stdin.write_all(b"late").unwrap();
    drop(stdin);
    check(writer, 0);
    assert_eq!(check(reader, 0).0, b"late");
}

#[test]
fn a_writer_that_fails_is_no_end_for_its_reader() {
    let cases: [(&str, &[u8], &[u8]); 3] = [
        ("fixed:4", b"goodba", b"good"),
        ("length", b"\x04\0\0\0good\x09\0\0\0bad", b"\x04\0\0\0good"),
        ("lines", &[b"good\n", &[b'x'; 5000][..]].concat(), b"good\n"),
    ];
    for (framing, input, expected) in cases {
        let ring = Ring::new();
        let error = write(&[ring.name(), "--framing", framing, "--capacity", "4K"], input, 1);
        let (output, told) = run(&["read", ring.name(), "--framing", framing], 3);
        assert_eq!(output, expected, "{error}");
        assert!(told.contains("failed"), "{told}");
    }
    for framing in ["bytes", "lines", "fixed:4"] {
        let ring = Ring::new();
        let folder = File::open("/").unwrap();
        let (_, error) =
            check(Running::start(ringmain(&["write", ring.name(), "--framing", framing]).stdin(folder)), 1);
        assert!(error.contains("cannot read stdin"), "{error}");
        run(&["read", ring.name()], 3);
    }
}

#[test]
fn what_is_written_to_a_ring_that_nobody_can_find_is_no_success() {
    for framing in ["bytes", "lines", "fixed:5"] {
        let ring = Ring::new();
        let mut writer = Running::start(ringmain(&["write", ring.name(), "--framing", framing]).stdin(Stdio::piped()));
        ring.await_holder(Role::Producer);
        run(&["rm", "--force", ring.name()], 0);
        writer.child().stdin.take().unwrap().write_all(b"some\n").unwrap();
        assert!(check(writer, 1).1.contains("the ring's name is gone"));
    }
}

#[test]
fn all_rings_are_removed_where_that_cannot_be_printed() {
    let rings = || [(); 4].map(|()| Ring::new());
    let made = |rings: &[Ring; 4]| {
        rings.iter().for_each(|ring| drop(ring.options().capacity(8).create_message().unwrap()));
    };
    let first = rings();
    made(&first);
    let names = first.each_ref().map(Ring::name);
    check(Running::start(ringmain(&[&["rm"], &names[..]].concat()).stdout(deserted())), 141);
    assert!(!first.iter().any(Ring::exists));

    let second = rings();
    made(&second);
    let names = second.each_ref().map(Ring::name);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let (_, error) = check(Running::start(ringmain(&[&["rm"], &names[..]].concat()).stdout(full())), 1);
    assert!(error.lines().count() == 1 && error.contains("cannot write to stdout"), "{error}");
    assert!(!second.iter().any(Ring::exists));

    // One error for each that is not removed, and it counts.
    let third = rings();
    made(&third);
    let names = third.each_ref().map(Ring::name);
    let names = ["rm", names[0], "act-missing", names[1], "act-absent", names[2], names[3]];
    let (_, error) = check(Running::start(ringmain(&names).stdout(deserted())), 1);
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(!third.iter().any(Ring::exists));
    // A name that cannot be is refused before anything is removed.
    let ring = Ring::new();
    drop(ring.options().capacity(8).create_message().unwrap());
    run(&["rm", ring.name(), "no/name"], 2);
    assert!(ring.exists());
}

/// A pipe of one page whose writers do not block.
fn narrow() -> (File, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    fcntl_setfl(writer.as_fd(), fcntl_getfl(writer.as_fd()).unwrap() | OFlags::NONBLOCK).unwrap();
    (reader.into(), writer)
}

#[test]
fn everything_is_written_to_a_stdout_that_does_not_block() {
    let ring = Ring::new();
    write(&[ring.name(), "--capacity", "256K"], "0123456789abcdef\n".repeat(10_000), 0);
    let tap = ["tap", ring.name(), "--format", "text"];
    let verbs: [&[&str]; 4] = [&tap, &["man", "bench"], &["bench", "--help"], &["read", ring.name()]];
    for arguments in verbs {
        // The ring is read once only.
        let expected = match arguments[0] {
            "read" => "0123456789abcdef\n".repeat(10_000).into_bytes(),
            _ => run(arguments, 0).0,
        };
        assert!(expected.len() > 4096, "{arguments:?}");
        let (mut reader, writer) = narrow();
        let process = Running::start(ringmain(arguments).stdout(writer));
        // It meets a full pipe first.
        thread::sleep(Duration::from_millis(100));
        let mut output = Vec::new();
        reader.read_to_end(&mut output).unwrap();
        check(process, 0);
        assert!(output == expected, "{arguments:?}: {} of {} bytes", output.len(), expected.len());
    }
}

#[test]
fn what_is_said_is_written_to_a_stderr_that_does_not_block() {
    let (mut reader, writer) = narrow();
    let names: Vec<String> = (0..200).map(|at| format!("act-missing-{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut process = Running::start(ringmain(&[&["rm"], &names[..]].concat()).stderr(writer));
    thread::sleep(Duration::from_millis(100));
    let mut errors = String::new();
    reader.read_to_string(&mut errors).unwrap();
    assert_eq!(process.end().code(), Some(1));
    assert_eq!(errors.lines().count(), names.len(), "{errors}");
}

#[test]
fn a_ring_that_is_made_is_told_and_one_that_stands_is_not() {
    let ring = Ring::new();
    let note = write(&[ring.name()], "x", 0);
    assert_eq!(note, format!("made ring {} (1 MiB, bytes); no reader is there yet\n", ring.name()));
    assert_eq!(run(&["read", ring.name()], 0).1, "");
    let ring = Ring::new();
    let reader = start(&["read", ring.name(), "--framing", "fixed:24", "--capacity", "96K"]);
    ring.await_holder(Role::Consumer);
    assert_eq!(write(&[ring.name()], [7; 48], 0), "");
    let (output, note) = check(reader, 0);
    let expected = format!("made ring {} (96 KiB, elements of 24 bytes); waiting for a writer\n", ring.name());
    assert_eq!((&*output, &*note), (&[7; 48][..], &*expected));
    let ring = Ring::new();
    let note = write(&[ring.name(), "--framing", "lines", "--capacity", "64K"], "x\n", 0);
    assert!(note.contains("(64 KiB, messages)"), "{note}");
    // Of many who come at once, one has made it.
    let ring = Ring::new();
    let mut comers: Vec<Running> = (0..8).map(|_| feed(&["write", ring.name()], "")).collect();
    comers.extend((0..8).map(|_| start(&["read", ring.name(), "--count", "0"])));
    let errors = comers.into_iter().map(|process| String::from_utf8(process.output().stderr).unwrap());
    assert_eq!(errors.filter(|text| text.contains("made ring")).count(), 1);
}

#[test]
fn advice_names_options_of_the_command() {
    let ring = Ring::new();
    drop(ring.options().capacity(64).create_message().unwrap());
    let (_, error) = run(&["create", ring.name(), "--kind", "stream", "--capacity", "64"], 1);
    assert!(error.contains("--kind message is what stands"), "{error}");
    assert!(write(&[ring.name(), "--capacity", "1M"], "", 1).contains("--capacity 4096 is what stands"));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(ring.path(), Some(65_534), None).unwrap();
        assert!(write(&[ring.name()], "", 1).contains("--owner 65534"));
        write(&[ring.name(), "--owner", "65534"], "mine\n", 0);
    }
    let one = Ring::new();
    let (text, _) = run(&["create", one.name(), "--kind", "stream", "--capacity", "1"], 0);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("a stream of 1 element of 1 byte aligned to 1"), "{text}");
    let error = write(&["act-never", "--framing", "fixed:2", "--no-create"], "", 1);
    assert!(error.contains("ringmain ls"), "{error}");
    let odd = Ring::new();
    let error = write(&[odd.name(), "--framing", "fixed:2"], "abc", 1);
    assert!(error.contains("1 byte was left over"), "{error}");
}

/// Frames that a length precedes, each with its number.
fn numbered(count: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let frame = |number: u32| {
        let len = random.usize(4..=4092);
        let mut frame = (len as u32).to_le_bytes().to_vec();
        frame.extend(number.to_le_bytes());
        frame.resize(4 + len, number as u8);
        frame
    };
    (0..count).flat_map(frame).collect()
}

#[test]
fn a_process_behind_readers_that_are_killed_gets_whole_frames() {
    let ring = Ring::new();
    const COUNT: u32 = 20_000;
    let framing = ["--framing", "length", "--capacity", "256K"];
    let writer = feed(&[&["write", ring.name()], &framing[..]].concat(), numbered(COUNT));
    wait_for("the ring", || Inspection::open(ring.name()).ok());
    let (reader, pipe) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let persistent = thread::spawn(move || {
        let (mut reader, mut next, mut frames) = (File::from(reader), 0, 0_u32);
        let mut prefix = [0; 4];
        while reader.read_exact(&mut prefix).is_ok() {
            let len = u32::from_le_bytes(prefix) as usize;
            assert!((4..=4092).contains(&len), "frame {frames} has {len} bytes");
            let mut frame = vec![0; len];
            reader.read_exact(&mut frame).unwrap();
            let number = u32::from_le_bytes(*frame.first_chunk().unwrap());
            assert!(frame[4..].iter().all(|&byte| byte == number as u8), "frame {number} is torn");
            assert!(number <= next, "after {next} comes {number}");
            next = next.max(number + 1);
            frames += 1;
            if frames.is_multiple_of(16) {
                // Slower than whoever writes: the pipe is full as a rule.
                thread::sleep(Duration::from_millis(1));
            }
        }
        (next, frames)
    });
    let mut random = fastrand::Rng::with_seed(2);
    let start = || {
        let end = Stdio::from(pipe.try_clone().unwrap());
        Running::start(ringmain(&["read", ring.name(), "--framing", "length"]).stdout(end))
    };
    for _ in 0..20 {
        let mut reader = start();
        thread::sleep(Duration::from_micros(random.u64(5_000..40_000)));
        reader.kill();
    }
    let last = start();
    drop(pipe);
    assert_eq!(last.output().status.code(), Some(0));
    check(writer, 0);
    let (next, frames) = persistent.join().unwrap();
    assert_eq!(next, COUNT);
    println!("{} frames were repeated", frames - COUNT);
}
