//! Rings that are made by somebody who takes neither end.

mod common;

use std::alloc::Layout;
use std::time::Duration;

use common::{Ring, check_flow, refuses};
use ringmain::inspect::{Inspection, Kind};
use ringmain::stream::{Consumer, Producer};
use ringmain::{Attribute, Creation, Error, Options, PeerState, Role};

#[track_caller]
fn check_unused(ring: &Ring) -> Kind {
    let seen = Inspection::open(ring.name()).unwrap();
    for role in [Role::Producer, Role::Consumer] {
        assert_eq!(seen.end(role).unwrap().state, PeerState::Never);
    }
    seen.kind()
}

#[test]
fn a_ring_that_was_made_has_had_nobody_at_its_ends() {
    let (stream, message) = (Ring::new(), Ring::new());
    drop(stream.options().capacity(64).create_stream(Layout::new::<u64>()).unwrap());
    drop(message.options().capacity(64).record_alignment(32).create_message().unwrap());
    assert_eq!(check_unused(&stream), Kind::Stream { element_size: 8, element_align: 8 });
    assert_eq!(check_unused(&message), Kind::Message { record_alignment: 32 });

    let mut tx: Producer<u64> = stream.options().stream_producer().unwrap();
    check_flow(&mut tx, &mut stream.options().stream_consumer().unwrap());
    message.options().message_producer().unwrap().push(b"hello").unwrap();
    assert_eq!(message.options().message_consumer().unwrap().pop(&mut [0; 8]), Ok(5));
}

#[test]
fn making_a_ring_that_stands_finds_it_and_disturbs_nobody() {
    let ring = Ring::new();
    let mut tx: Producer<u64> = ring.options().capacity(64).stream_producer().unwrap();
    let mut rx: Consumer<u64> = ring.options().stream_consumer().unwrap();
    drop(ring.options().capacity(64).create_stream(Layout::new::<u64>()).unwrap());
    drop(ring.options().create_stream(Layout::new::<u64>()).unwrap());
    check_flow(&mut tx, &mut rx);
    refuses!(
        ring.options().capacity(64).create(Creation::New).create_stream(Layout::new::<u64>()),
        Error::AlreadyExists { .. }
    );
    refuses!(
        ring.options().capacity(64).create_stream(Layout::new::<u32>()),
        Error::Mismatch { what: Attribute::ElementSize, found: 8, expected: 4, .. }
    );
    refuses!(ring.options().create_message(), Error::Mismatch { what: Attribute::Kind, .. });
}

#[test]
fn what_no_ring_can_be_is_not_made() {
    let ring = Ring::new();
    refuses!(ring.options().create_stream(Layout::new::<u64>()), Error::NotFound { .. });
    for (size, align) in [(0, 1), (12, 8), (8192, 8192)] {
        let layout = Layout::from_size_align(size, align).unwrap();
        refuses!(ring.options().capacity(4).create_stream(layout), Error::InvalidOption { option: "elements", .. });
    }
    refuses!(Options::anonymous().create_message(), Error::NoCapacity);
    // There is nothing to wait for.
    let new = ring.options().create(Creation::New).wait_for(Duration::MAX);
    refuses!(new.create_stream(Layout::new::<u64>()), Error::NoCapacity);
    refuses!(new.message_consumer(), Error::NoCapacity);
    assert!(!ring.exists());
}

#[test]
fn a_ring_of_any_type_is_accepted_where_that_is_asked_for_if_its_elements_are_as_large() {
    let ring = Ring::new();
    drop(ring.options().capacity(64).type_tag("price").create_stream(Layout::new::<u64>()).unwrap());
    refuses!(
        ring.options().stream_producer::<[u8; 8]>(),
        Error::Mismatch { what: Attribute::ElementAlign, found: 8, expected: 1, .. }
    );
    refuses!(ring.options().stream_producer::<u64>(), Error::OtherTypeTag { .. });
    refuses!(
        ring.options().any_type(true).stream_producer::<[u8; 4]>(),
        Error::Mismatch { what: Attribute::ElementSize, .. }
    );
    let mut tx = ring.options().any_type(true).stream_producer::<[u8; 8]>().unwrap();
    let mut rx = ring.options().type_tag("price").stream_consumer::<u64>().unwrap();
    tx.push(7_u64.to_ne_bytes()).unwrap();
    assert_eq!(rx.pop(), Ok(7));
}
