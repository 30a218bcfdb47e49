//! One thread against itself: what the calls on messages cost when the cache lines do not move.
//!
//! What two processes reach is measured by `ringmain bench`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringmain::Options;
use ringmain::message::{Consumer, Producer};

/// Makes a ring without a name.
fn ring(alignment: usize) -> (Producer, Consumer) {
    let name = format!("bench-message-{}", std::process::id());
    let options = Options::new(&name).capacity(1 << 16).record_alignment(alignment);
    let tx = options.message_producer().expect("the ring is created");
    let rx = options.message_consumer().expect("the ring is there");
    ringmain::unlink(&name).expect("the name is there");
    (tx, rx)
}

fn values(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push_value and pop_value of 32 bytes");
    group.throughput(Throughput::Elements(1));
    for alignment in [8, 64] {
        let (mut tx, mut rx) = ring(alignment);
        group.bench_function(format!("alignment {alignment}"), |bencher| {
            bencher.iter(|| {
                tx.push_value(black_box(&[7_u64; 4])).expect("there is room");
                black_box(rx.pop_value::<[u64; 4]>().expect("a message is there"))
            });
        });
    }
    group.finish();
}

fn bytes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push and pop of bytes");
    for len in [7, 32, 100, 1024, 16_384] {
        let (mut tx, mut rx) = ring(8);
        let (source, mut target) = (vec![7; len], vec![0; len]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(len.to_string(), |bencher| {
            bencher.iter(|| {
                tx.push(black_box(&source)).expect("there is room");
                rx.pop(black_box(&mut target)).expect("a message is there")
            });
        });
    }
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batches of 32 bytes");
    for len in [8, 64] {
        let (mut tx, mut rx) = ring(8);
        group.throughput(Throughput::Elements(len));
        group.bench_function(format!("batch and drain of {len}"), |bencher| {
            bencher.iter(|| {
                let mut batch = tx.batch();
                for number in 0..black_box(len) {
                    batch.push_value(&[number; 4]).expect("there is room");
                }
                batch.commit();
                let mut sum = 0;
                let read = |record: &ringmain::message::Record<'_>| sum += record.value::<u64>(8).unwrap_or(0);
                assert_eq!(rx.drain(usize::MAX, read), Ok(len as usize));
                black_box(sum)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, values, bytes, batches);
criterion_main!(benches);
