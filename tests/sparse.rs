//! Objects with less memory than their length: holes, in files that somebody made or punched. Whoever attaches or looks
//! gets an error, no signal, and takes no memory for them.

mod common;

use std::alloc::Layout;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use common::ends::{End, for_each_end};
use common::limits::have_own_shared_memory;
use common::{Ability, Child, Part, Ring, missing, path, refuses, word};
use ringmain::inspect::{Inspection, Tapped};
use ringmain::{Error, Options};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("visitor", visitor)]);
}

/// The size of a shared-memory file system that a process has for itself.
const OWN: u64 = 64 * 4096;

/// Opens an object for reading and writing.
fn open(name: &str) -> File {
    OpenOptions::new().read(true).write(true).open(path(name)).unwrap()
}

/// Takes the memory away from a part of an object.
fn punch(object: &File, offset: u64, len: u64) {
    fallocate(object, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len).unwrap();
}

/// Attaches to an object in all ways, looks at it, and tries to remove it; returns what came of each.
fn visit(name: &str) -> Vec<Result<(), Error>> {
    fn attach<E: End>(name: &str, outcomes: &mut Vec<Result<(), Error>>) {
        outcomes.push(E::attach(&Options::new(name)).map(drop));
    }
    let mut outcomes = vec![Inspection::open(name).map(drop), ringmain::unlink_if_free(name, Duration::ZERO)];
    for_each_end!(attach, name, &mut outcomes);
    outcomes
}

/// Visits objects with holes in a file system that has no page left.
fn visitor(part: &mut Part) {
    if let Err(error) = have_own_shared_memory(OWN) {
        return part.say(error);
    }
    part.say("ready");
    let make = |name: &str| drop(Options::new(name).capacity(512).create_stream(Layout::new::<u64>()).unwrap());
    for name in ["first", "second"] {
        make(name);
    }
    // A header without memory, and one that says the truth of a data area that has none.
    punch(&open("first"), 0, 4096);
    punch(&open("second"), 4096, 4096);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path("sparse")).unwrap().set_len(8192).unwrap();
    let mut filling = File::create(path("filling")).unwrap();
    while filling.write_all(&[1; 4096]).is_ok() {}
    for name in ["first", "second", "sparse"] {
        let blocks = open(name).metadata().unwrap().blocks();
        for outcome in visit(name) {
            match (name, outcome) {
                ("second", Err(Error::Sparse { len: 8192, reserved: 4096, .. } | Error::Mismatch { .. })) => {}
                ("first" | "sparse", Err(Error::NotARing { len: 8192, magic: 0, .. })) => {}
                (_, other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(open(name).metadata().unwrap().blocks(), blocks, "{name}");
    }
    part.say("visited");
}

#[test]
fn holes_in_full_shared_memory_are_errors_and_no_signals() {
    let ring = Ring::new();
    let mut visitor = match Child::start_as_root("visitor", ring.name(), &[]) {
        Ok(child) => child,
        Err(refused) => return missing(Ability::MountNamespace, refused),
    };
    match visitor.hear().as_str() {
        "ready" => {}
        refused => return missing(Ability::MountNamespace, refused),
    }
    visitor.says("visited");
    visitor.join();
}

#[test]
fn a_ring_with_a_punched_hole_is_refused_to_whoever_comes() {
    fn check<E: End>() {
        let ring = Ring::new();
        drop(E::attach(&E::of_bytes(ring.options(), 4 * 4096)).unwrap());
        let object = open(ring.name());
        punch(&object, 2 * 4096, 4096);
        let blocks = object.metadata().unwrap().blocks();
        refuses!(
            E::attach(&ring.options()),
            Error::Sparse { len, reserved, .. } if (len, reserved) == (5 * 4096, 4 * 4096)
        );
        refuses!(Inspection::open(ring.name()), Error::Sparse { .. });
        assert_eq!(object.metadata().unwrap().blocks(), blocks);
    }
    for_each_end!(check);
}

#[test]
fn memory_behind_the_end_hides_no_hole_from_whoever_looks() {
    let ring = Ring::new();
    drop(ring.options().capacity(4 * 4096).stream_producer::<u8>().unwrap());
    let (object, seen) = (open(ring.name()), Inspection::open(ring.name()).unwrap());
    seen.check().unwrap();
    punch(&object, 2 * 4096, 2 * 4096);
    fallocate(&object, FallocateFlags::KEEP_SIZE, 5 * 4096, 2 * 4096).unwrap();
    let found = object.metadata().unwrap();
    assert_eq!((found.len(), found.blocks() * 512), (5 * 4096, 5 * 4096));
    let looks =
        [Inspection::open(ring.name()).map(drop), seen.check(), ringmain::unlink_if_free(ring.name(), Duration::ZERO)];
    for look in looks {
        match look {
            Err(Error::Sparse { len, reserved, .. }) => assert_eq!((len, reserved), (5 * 4096, 3 * 4096)),
            Err(error) => panic!("{error:?}"),
            Ok(()) => return missing(Ability::PageCounts, "the memory behind the end was counted"),
        }
    }
    assert_eq!(object.metadata().unwrap().blocks(), found.blocks());
}

/// Makes a sealed memory file of one page with the header of a ring, and of the length that this claims. So many bytes
/// of memory lie behind its end.
fn lie(capacity: usize, behind: u64) -> OwnedFd {
    let small = File::from(Options::anonymous().capacity(8).create_stream(Layout::new::<u64>()).unwrap());
    let mut header = [0; 4096];
    small.read_exact_at(&mut header, 0).unwrap();
    let len = 4096 + 8 * capacity as u64;
    for (offset, value) in [(word::CAPACITY, capacity as u64), (word::SEGMENT_LENGTH, len)] {
        header[offset as usize..][..8].copy_from_slice(&value.to_ne_bytes());
    }
    let file = File::from(memfd_create("lie", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap());
    file.write_all_at(&header, 0).unwrap();
    file.set_len(len).unwrap();
    if behind > 0 {
        fallocate(&file, FallocateFlags::KEEP_SIZE, len, behind).unwrap();
    }
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    file.into()
}

#[test]
fn a_sparse_sealed_memory_file_is_refused_and_takes_no_memory() {
    let file = lie(1 << 20, 0);
    let (options, watched) = (Options::from_fd(file.try_clone().unwrap()), File::from(file));
    let blocks = watched.metadata().unwrap().blocks();
    refuses!(options.stream_consumer::<u64>(), Error::Sparse { reserved: 4096, .. });
    refuses!(options.stream_producer::<u64>(), Error::Sparse { reserved: 4096, .. });
    assert_eq!(watched.metadata().unwrap().blocks(), blocks);
}

#[test]
fn memory_behind_the_end_hides_no_hole() {
    let file = lie(1024, 2 * 4096);
    let (options, watched) = (Options::from_fd(file.try_clone().unwrap()), File::from(file));
    let found = watched.metadata().unwrap();
    assert_eq!((found.len(), found.blocks() * 512), (3 * 4096, 3 * 4096));
    match options.prefault(false).stream_producer::<u64>() {
        Err(Error::Sparse { len, reserved, .. }) => assert_eq!((len, reserved), (3 * 4096, 4096)),
        Err(error) => panic!("{error:?}"),
        Ok(_) => return missing(Ability::PageCounts, "the memory behind the end was counted"),
    }
    assert_eq!(watched.metadata().unwrap().blocks(), found.blocks());
}

#[test]
fn a_ring_that_is_larger_than_allowed_is_refused_before_it_is_mapped() {
    fn check<E: End>() {
        let ring = Ring::new();
        drop(E::attach(&E::of_bytes(ring.options(), 4 * 4096)).unwrap());
        let limited = |limit| E::attach(&ring.options().max_capacity(limit));
        refuses!(
            limited(4 * 4096 - 1),
            Error::TooLarge { found, limit, .. } if (found, limit) == (4 * 4096, 4 * 4096 - 1)
        );
        drop(limited(4 * 4096).unwrap());
        drop(E::attach(&ring.options()).unwrap());
    }
    for_each_end!(check);
}

#[test]
fn a_tap_of_a_ring_that_loses_its_memory_takes_none() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(1 << 20).message_producer().unwrap();
    tx.push(&[7; 100_000]).unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    let object = open(ring.name());
    punch(&object, 4096 + 8192, 1 << 19);
    let blocks = object.metadata().unwrap().blocks();
    let (mut tap, mut bytes) = (seen.tap().longest(50_000), Vec::new());
    assert_eq!(tap.next(&mut bytes), Ok(Tapped::Unit { position: 0 }));
    assert_eq!((bytes.len(), tap.last_len()), (50_000, 100_000));
    assert!(bytes[..8000].iter().all(|&byte| byte == 7) && bytes[9000..].iter().all(|&byte| byte == 0));
    refuses!(seen.check(), Error::Sparse { .. });
    assert_eq!(object.metadata().unwrap().blocks(), blocks);
}

#[test]
fn a_long_message_is_copied_in_part() {
    let ring = Ring::new();
    let mut tx = ring.options().capacity(1 << 24).message_producer().unwrap();
    tx.push(&vec![1; 5 << 20]).unwrap();
    let seen = Inspection::open(ring.name()).unwrap();
    let (mut tap, mut bytes) = (seen.tap(), Vec::new());
    assert_eq!(tap.next(&mut bytes), Ok(Tapped::Unit { position: 0 }));
    assert_eq!((bytes.len(), bytes.capacity() <= 2 << 20, tap.last_len()), (1 << 20, true, 5 << 20));
}

#[test]
fn a_large_element_is_copied_in_part() {
    let ring = Ring::new();
    let element = Layout::from_size_align(5 << 20, 1).unwrap();
    let mut tx = ring.options().capacity(2).sized_stream_producer(element).unwrap();
    assert_eq!(tx.push_slice(&vec![1; 5 << 20]), Ok(1));
    let seen = Inspection::open(ring.name()).unwrap();
    let (mut tap, mut bytes) = (seen.tap(), Vec::new());
    assert_eq!(tap.next(&mut bytes), Ok(Tapped::Unit { position: 0 }));
    assert_eq!((bytes.len(), bytes.capacity() <= 2 << 20, tap.last_len()), (1 << 20, true, 5 << 20));
}
