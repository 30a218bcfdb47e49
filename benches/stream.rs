//! One thread against itself: what the calls cost when the cache lines do not move.
//!
//! What two processes reach is measured by `ringmain bench`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringmain::Options;
use ringmain::stream::{Consumer, Element, Producer};

/// Makes a ring without a name.
fn ring<T: Element>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let name = format!("bench-{}", std::process::id());
    let options = Options::new(&name).capacity(capacity);
    let tx = options.stream_producer().expect("the ring is created");
    let rx = options.stream_consumer().expect("the ring is there");
    ringmain::unlink(&name).expect("the name is there");
    (tx, rx)
}

fn single<T: Element>(criterion: &mut Criterion, name: &str, value: T) {
    let (mut tx, mut rx) = ring::<T>(1024);
    let mut group = criterion.benchmark_group("push and pop");
    group.throughput(Throughput::Bytes(size_of::<T>() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            tx.push(black_box(value)).expect("there is room");
            black_box(rx.pop().expect("an element is there"))
        });
    });
    group.finish();
}

fn singles(criterion: &mut Criterion) {
    single(criterion, "u64", 7_u64);
    single(criterion, "64 bytes", [7_u64; 8]);
    single(criterion, "1024 bytes", [7_u64; 128]);
}

fn slices(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slices of u64");
    for len in [8, 64, 512] {
        let (mut tx, mut rx) = ring::<u64>(1024);
        let (source, mut target) = (vec![7; len], vec![0; len]);
        group.throughput(Throughput::Elements(len as u64));
        group.bench_function(format!("push_slice and pop_slice of {len}"), |bencher| {
            bencher.iter(|| {
                assert_eq!(tx.push_slice(black_box(&source)), Ok(len));
                assert_eq!(rx.pop_slice(black_box(&mut target)), Ok(len));
            });
        });
        group.bench_function(format!("claim and peek of {len}"), |bencher| {
            bencher.iter(|| {
                let mut claim = tx.claim(len).expect("there is room");
                claim.fill(0..black_box(len as u64));
                claim.commit();
                let peek = rx.peek(len).expect("the elements are there");
                let sum: u64 = peek.iter().sum();
                peek.release();
                black_box(sum)
            });
        });
    }
    group.finish();
}

fn attach(criterion: &mut Criterion) {
    let name = format!("bench-attach-{}", std::process::id());
    let options = Options::new(&name).capacity(4096).unlink_on_close(true);
    let tx = options.stream_producer::<u64>().expect("the ring is created");
    let mut group = criterion.benchmark_group("attach and detach");
    let stays = Options::new(&name);
    group.bench_function("a ring of 32 KiB that stands", |bencher| {
        bencher.iter(|| stays.stream_consumer::<u64>().expect("the role is free"));
    });
    drop(tx);
    let fresh = Options::new(&name).capacity(4096).unlink_on_close(true);
    group.bench_function("a ring of 32 KiB, created and removed", |bencher| {
        bencher.iter(|| fresh.stream_consumer::<u64>().expect("the name is free"));
    });
    group.finish();
}

criterion_group!(benches, singles, slices, attach);
criterion_main!(benches);
