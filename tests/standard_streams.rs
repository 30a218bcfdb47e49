//! A program that has closed its standard streams prints into no ring: what is kept of a ring has other numbers.

mod common;

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use common::ends::{End, as_end, check_hand_over, for_each_ring, small};
use common::passed::RING;
use common::{Child, Part, Ring};
use ringmain::inspect::Inspection;
use ringmain::{Options, pass};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("closer", as_end!(closer)), ("heir", as_end!(heir))]);
}

/// Closes those of the standard streams that a bit is set for.
fn close_streams(bits: i32) {
    for number in (0..3).filter(|number| bits & (1 << number) != 0) {
        // SAFETY: the number is open or not, and nothing in this process owns it but the standard library, which never
        // closes it.
        unsafe { libc::close(number) };
    }
}

/// Returns which of the standard numbers stand for something.
fn open_streams() -> i32 {
    (0..3).filter(|number| fs::read_link(format!("/proc/self/fd/{number}")).is_ok()).map(|number| 1 << number).sum()
}

/// Prints as a program does that does not know that nobody listens.
fn print(bits: i32) {
    for number in (0..3).filter(|number| bits & (1 << number) != 0) {
        let words = b"server started\n";
        // SAFETY: the bytes are as many as it is told; a number that is not open is an error.
        unsafe { libc::write(number, words.as_ptr().cast(), words.len()) };
    }
}

/// Closes standard streams in each combination, and has everything that can be kept of a ring made while they are
/// closed.
fn closer<E: End>(part: &mut Part) {
    let streams: Vec<OwnedFd> = [std::io::stdin().as_fd(), std::io::stdout().as_fd(), std::io::stderr().as_fd()]
        .map(|stream| rustix::io::fcntl_dupfd_cloexec(stream, 10).unwrap())
        .into();
    let (ours, theirs) = UnixStream::pair().unwrap();
    for bits in 0..8 {
        for is_named in [true, false] {
            close_streams(bits);
            let mut failures = Vec::new();
            let mut check = |what: &'static str| {
                if open_streams() & bits != 0 {
                    failures.push(what);
                }
                print(bits);
            };
            let options = small(if is_named { part.options() } else { Options::anonymous() });
            let mut end = E::attach(&options).unwrap();
            check("create");
            let ends = match is_named {
                true => options.clone(),
                false => {
                    pass::send(&ours, end.descriptor()).unwrap();
                    let received = pass::receive(&theirs).unwrap();
                    check("receive");
                    Options::from_fd(received)
                }
            };
            let mut peer = E::Peer::attach(&ends).unwrap();
            check("attach");
            check_hand_over(&mut end, &mut peer);
            let descriptor = end.into_fd();
            check("into_fd");
            let made = if is_named {
                let view = Inspection::open(part.name()).unwrap();
                check("inspect");
                drop(view);
                small(part.options()).create_message().or_else(|_| small(Options::anonymous()).create_message())
            } else {
                small(Options::anonymous()).create_message()
            };
            check("make");
            drop((descriptor, made.unwrap(), peer));
            check("all");
            if is_named {
                ringmain::unlink(part.name()).unwrap();
            }
            for (number, stream) in (0..).zip(&streams) {
                // SAFETY: it takes numbers; what was open at the second is one of the standard streams, or nothing.
                unsafe { libc::dup2(stream.as_raw_fd(), number) };
            }
            if !failures.is_empty() {
                part.say(format_args!("{bits:03b}: {failures:?}"));
            }
        }
    }
    part.say("all");
}

/// Opens what it inherited while its standard streams are closed.
fn heir<E: End>(part: &mut Part) {
    let mut words = String::from("all");
    let kept = rustix::io::fcntl_dupfd_cloexec(part.socket().as_fd(), 10).unwrap();
    for bits in 0..8 {
        close_streams(bits);
        let inherited = pass::inherited(RING).unwrap();
        if inherited.as_raw_fd() < 3 {
            words = format!("{bits:03b}: {}", inherited.as_raw_fd());
        }
        let end = E::attach(&Options::from_fd(inherited)).unwrap();
        if open_streams() & bits != 0 {
            words = format!("{bits:03b}: attach");
        }
        drop(end);
        // SAFETY: numbers; the line to the test goes back to where it was, the others stay closed.
        unsafe { libc::dup2(kept.as_raw_fd(), 0) };
    }
    part.say(words);
}

#[test]
fn what_is_kept_of_a_ring_has_no_number_of_a_standard_stream() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut closer = Child::start("closer", ring.name(), &[&E::PART]);
        closer.says("all");
        closer.join();
    }
    for_each_ring!(check);
}

#[test]
fn what_was_inherited_has_no_number_of_a_standard_stream() {
    fn check<E: End>() {
        let end = E::Peer::attach(&small(Options::anonymous())).unwrap();
        let mut heir = Child::start_by("heir", "anonymous", &[&E::PART], |command| {
            pass::inherit(command, end.descriptor(), RING).unwrap();
        });
        heir.says("all");
        heir.join();
    }
    for_each_ring!(check);
}
