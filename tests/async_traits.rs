//! Handles that are awaited are streams and sinks, and those of bytes are read and written as sockets are.

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::io::ErrorKind;

use common::Ring;
use futures::executor::block_on;
use futures::{SinkExt, StreamExt, TryStreamExt};
use ringmain::{Async, Broken, PeerState, PushError, WaitError, stream};
use tasks::{ends, waits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn elements_go_from_a_stream_to_a_sink_until_it_ends() {
    let ring = Ring::new();
    let tx = ring.options().capacity(4).stream_producer::<u64>().unwrap().into_async().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap().into_async().unwrap();
    let sender = std::thread::spawn(|| block_on(futures::stream::iter(0..1000).map(Ok).forward(tx)));
    let received: Result<Vec<u64>, WaitError> = block_on((&mut rx).try_collect());
    assert_eq!(sender.join().unwrap(), Ok(()));
    assert_eq!(received, Ok((0..1000).collect()));
    // It goes on with the next producer.
    assert_eq!(ends(rx.next()), None);
    let mut tx = ring.options().stream_producer::<u64>().unwrap();
    assert_eq!(waits(rx.next(), || tx.push(7).unwrap()), Some(Ok(7)));
    assert_eq!(waits(rx.next(), || tx.abandon()), Some(Err(WaitError::Crashed)));
    // It ends by the error, and each further look is told it again.
    assert_eq!(ends(rx.next()), None);
    assert_eq!(ends(rx.next()), Some(Err(WaitError::Crashed)));
}

#[test]
fn messages_go_from_a_stream_to_a_sink_until_it_ends() {
    let ring = Ring::new();
    let tx = ring.options().capacity(4096).message_producer().unwrap().into_async().unwrap();
    let rx = ring.options().message_consumer().unwrap().into_async().unwrap();
    let messages: Vec<Vec<u8>> = (0..1000).map(|len| vec![7; len % 500]).collect();
    let sent = messages.clone();
    let sender = std::thread::spawn(|| block_on(futures::stream::iter(sent).map(Ok).forward(tx.into_sink(500))));
    assert_eq!(block_on(rx.try_collect::<Vec<_>>()), Ok(messages));
    assert_eq!(sender.join().unwrap(), Ok(()));
}

#[test]
fn a_sink_of_messages_refuses_longer_ones_and_waits_for_room_for_the_longest() {
    let ring = Ring::new();
    let tx = ring.options().capacity(4096).message_producer().unwrap().into_async().unwrap();
    let mut rx = ring.options().message_consumer().unwrap();
    let mut sink = tx.into_sink(2000);
    assert_eq!(ends(sink.send([1; 2001])), Err(WaitError::TooLong { len: 2001, max: 2000 }));
    assert_eq!(ends(sink.send([1; 2000])), Ok(()));
    assert_eq!(ends(sink.send([1; 1000])), Ok(()));
    // It has room for this one, and does not know which comes.
    assert_eq!(waits(sink.send([1; 10]), || rx.peek().unwrap().release()), Ok(()));
    assert_eq!(ends(<_ as SinkExt<&[u8]>>::close(&mut sink)), Ok(()));
    assert_eq!((rx.messages().count(), rx.peer()), (2, PeerState::Closed));
    let mut tx = sink.into_inner();
    assert_eq!(ends(tx.push(b"one")), Err(WaitError::Broken(Broken::Left)));
}

#[test]
fn a_sink_that_is_closed_has_left_the_ring_and_sends_no_more() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(4).stream_producer::<u64>().unwrap().into_async().unwrap();
    let mut rx = ring.options().stream_consumer::<u64>().unwrap().into_async().unwrap();
    assert_eq!(ends(tx.send(7)), Ok(()));
    assert_eq!(ends(SinkExt::<u64>::close(&mut tx)), Ok(()));
    assert_eq!((ends(rx.pop()), ends(rx.pop())), (Ok(7), Err(WaitError::Closed)));
    assert_eq!(ends(tx.send(8)), Err(WaitError::Broken(Broken::Left)));
    let mut tx = tx.into_inner();
    assert_eq!(tx.push(8), Err(PushError::Broken { value: 8, cause: Broken::Left }));
    assert_eq!(rx.get_mut().pop(), Err(ringmain::PopError::Empty));
    // The role is free when the handle is dropped.
    assert!(ring.options().stream_producer::<u64>().is_err());
    drop(tx);
    drop(ring.options().stream_producer::<u64>().unwrap());
}

/// Both ends of a ring of bytes.
fn bytes() -> (Ring, Async<stream::Producer<u8>>, Async<stream::Consumer<u8>>) {
    let ring = Ring::new();
    let tx = ring.options().capacity(64).stream_producer::<u8>().unwrap().into_async().unwrap();
    let rx = ring.options().stream_consumer::<u8>().unwrap().into_async().unwrap();
    (ring, tx, rx)
}

/// What is sent through a ring that is far smaller.
fn text() -> Vec<u8> {
    (0..10_000_u32).map(|number| (number % 251) as u8).collect()
}

#[test]
fn tokio_copies_bytes_through_a_ring_to_their_end() {
    let (_ring, mut tx, mut rx) = bytes();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let received = runtime.block_on(async {
        let writer = tokio::spawn(async move {
            let copied = tokio::io::copy(&mut &text()[..], &mut tx).await.unwrap();
            AsyncWriteExt::shutdown(&mut tx).await.unwrap();
            (copied, tx)
        });
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut rx, &mut received).await.unwrap();
        let (copied, mut tx) = writer.await.unwrap();
        assert_eq!(copied, 10_000);
        assert_eq!(AsyncWriteExt::write(&mut tx, b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        received
    });
    assert_eq!(received, text());
}

#[test]
fn tokio_copies_both_ways_between_rings_and_a_socket() {
    let (there, back) = (bytes(), bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let echoed = runtime.block_on(async {
        let (mut socket, mut other) = tokio::net::UnixStream::pair().unwrap();
        // Whoever is at the socket sends back what comes.
        let echo = tokio::spawn(async move {
            let (mut reader, mut writer) = other.split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        });
        let mut rings = tokio::io::join(there.2, back.1);
        let bridge = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut rings, &mut socket).await.unwrap() });
        let (mut tx, mut rx) = (there.1, back.2);
        let writer = tokio::spawn(async move {
            tx.write_all(&text()).await.unwrap();
        });
        let mut echoed = Vec::new();
        AsyncReadExt::read_to_end(&mut rx, &mut echoed).await.unwrap();
        writer.await.unwrap();
        echo.await.unwrap();
        assert_eq!(bridge.await.unwrap(), (10_000, 10_000));
        echoed
    });
    assert_eq!(echoed, text());
}

#[test]
fn futures_copy_bytes_through_a_ring_to_their_end() {
    let (_ring, mut tx, mut rx) = bytes();
    let received = block_on(async {
        let mut received = Vec::new();
        let text = text();
        let writer = async {
            futures::io::copy(&text[..], &mut tx).await.unwrap();
            futures::AsyncWriteExt::close(&mut tx).await.unwrap();
        };
        futures::join!(writer, async { futures::AsyncReadExt::read_to_end(&mut rx, &mut received).await.unwrap() });
        received
    });
    assert_eq!(received, text());
    assert_eq!(block_on(futures::AsyncWriteExt::write(&mut tx, b"more")).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_reader_is_told_of_a_crash_and_a_writer_that_nobody_reads() {
    let (_ring, tx, mut rx) = bytes();
    let mut buffer = [0; 4];
    let read = waits(AsyncReadExt::read(&mut rx, &mut buffer), || {
        let mut tx = tx.into_inner();
        tx.push_slice(b"ab").unwrap();
        tx.abandon();
    });
    assert_eq!((read.unwrap(), &buffer[..2]), (2, &b"ab"[..]));
    let crashed = block_on(AsyncReadExt::read(&mut rx, &mut buffer)).unwrap_err();
    assert_eq!(crashed.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(ends(AsyncReadExt::read(&mut rx, &mut [])).unwrap(), 0);

    let (_ring, mut tx, rx) = bytes();
    drop(rx);
    assert_eq!(ends(AsyncWriteExt::write(&mut tx, b"")).unwrap(), 0);
    assert_eq!(ends(AsyncWriteExt::write(&mut tx, b"ab")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let (_ring, mut tx, rx) = bytes();
    assert_eq!(ends(AsyncWriteExt::write(&mut tx, &[7; 100])).unwrap(), 64);
    assert_eq!(ends(AsyncWriteExt::flush(&mut tx)).unwrap(), ());
    let broken = waits(AsyncWriteExt::write(&mut tx, b"ab"), || drop(rx)).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
}
