//! A call that goes over what is there ends at what was there when it began, however fast the other end adds to it.

mod common;

use common::{Child, Part, Ring};
use ringmain::message::{Consumer, Producer};

/// How many messages a call may hand over that is to go over a few: far more than there is room for at once.
const TOO_MANY: usize = 10_000;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("pusher", pusher)]);
}

/// Pushes one message after the other, until its consumer is gone.
fn pusher(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    while tx.blocking().push(b"one more").is_ok() {}
}

fn ends(ring: &Ring) -> (Producer, Consumer) {
    let options = ring.options().capacity(4096);
    (options.message_producer().unwrap(), options.message_consumer().unwrap())
}

/// Calls `go_over` with what is to be done for each message: to push one more. So there is always one more.
#[track_caller]
fn check_with_one_more(go_over: impl FnOnce(&mut Consumer, &mut dyn FnMut()) -> usize) {
    let ring = Ring::new();
    let (mut tx, mut rx) = ends(&ring);
    for _ in 0..3 {
        tx.push(b"there").unwrap();
    }
    let mut pushed = 0;
    let found = go_over(&mut rx, &mut || {
        tx.push(b"one more").unwrap();
        pushed += 1;
        assert!(pushed < TOO_MANY, "the call has no end");
    });
    assert_eq!((found, pushed), (3, 3));
    // The others are still there.
    assert_eq!(rx.drain(usize::MAX, |record| assert_eq!(record.to_vec(), b"one more")), Ok(3));
    assert_eq!(rx.drain(usize::MAX, |_| {}), Ok(0));
}

#[test]
fn drain_ends_at_what_was_there_at_the_call() {
    check_with_one_more(|rx, one_more| rx.drain(usize::MAX, |_| one_more()).unwrap());
    check_with_one_more(|rx, one_more| rx.blocking().drain(usize::MAX, |_| one_more()).unwrap());
    check_with_one_more(|rx, one_more| {
        // SAFETY: both ends are of this process, and run the protocol.
        let mut rx = unsafe { rx.trust_peer() };
        rx.drain(usize::MAX, |_| one_more()).unwrap()
    });
}

#[test]
fn messages_ends_at_what_was_there_at_its_first_message() {
    check_with_one_more(|rx, one_more| {
        rx.messages().map(|message| assert_eq!(message.unwrap(), b"there")).map(|()| one_more()).count()
    });
}

#[test]
fn drain_ends_while_another_process_always_has_one_more() {
    let ring = Ring::new();
    let options = ring.options().capacity(1 << 16);
    let mut rx = options.message_consumer().unwrap();
    let _pusher = Child::start("pusher", ring.name(), &[]);
    let longest = (1 << 16) / 16;
    for _ in 0..100 {
        let mut found = 0;
        let drained = rx.blocking().drain(usize::MAX, |_| {
            found += 1;
            assert!(found <= longest, "more than the ring has room for");
            // It is slower than the other process, which fills what is given back.
            (0..10).for_each(|_| std::hint::spin_loop());
        });
        assert_eq!(drained, Ok(found));
    }
}
