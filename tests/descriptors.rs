//! What stands behind a descriptor is looked at before it is trusted: its kind, its seals, its length, what it says.

mod common;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::{env, fs};

use common::passed::{SEALS, leaves_no_descriptor, memory};
use common::{Ability, Child, Part, Ring, missing, word};
use ringmain::stream::Producer;
use ringmain::{Attribute, Error, Options, PeerState};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("refuser", refuser)]);
}

fn ring() -> Producer<u64> {
    Options::anonymous().capacity(8).stream_producer().unwrap()
}

/// Checks how an attach to a descriptor is refused, for all four handles, and that nothing is left.
#[track_caller]
fn check_descriptor(make: &dyn Fn() -> OwnedFd, is_expected: &dyn Fn(&Error) -> bool) {
    leaves_no_descriptor(|| {
        let options = Options::from_fd(make());
        let errors = [
            options.stream_producer::<u64>().unwrap_err(),
            options.stream_consumer::<u64>().unwrap_err(),
            options.message_producer().unwrap_err(),
            options.message_consumer().unwrap_err(),
        ];
        for error in errors {
            assert!(is_expected(&error), "{error:?}: {error}");
        }
    });
}

/// Attaches to what it should not, in a process where nobody else opens descriptors.
fn refuser(part: &mut Part) {
    check_unsealed(part.name());
    part.say("unsealed");
    check_other_kinds();
    part.say("kinds");
    check_garbage();
    part.say("garbage");
    check_damaged();
    part.say("damaged");
    part.hear();
}

fn check_unsealed(named: &str) {
    const SEALED: u32 = SealFlags::SHRINK.bits() | SealFlags::GROW.bits();
    fn seals_are(seals: SealFlags) -> impl Fn(&Error) -> bool {
        move |error| matches!(error, Error::Seals { found, expected: SEALED } if *found == seals.bits())
    }
    let whole = bytes_of_ring(ring().descriptor());
    for seals in [
        SealFlags::empty(),
        SealFlags::SHRINK,
        SealFlags::GROW,
        SealFlags::SEAL,
        SealFlags::SHRINK | SealFlags::SEAL,
        SealFlags::GROW | SealFlags::SEAL,
        SEALS | SealFlags::WRITE,
        SEALS | SealFlags::FUTURE_WRITE,
    ] {
        check_descriptor(&|| memory(&whole, seals), &seals_are(seals));
        check_descriptor(&|| memory(&[], seals), &seals_are(seals));
    }
    let path = env::temp_dir().join(format!("ringmain-{}", std::process::id()));
    let file = || {
        fs::write(&path, &whole).unwrap();
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        OwnedFd::from(file)
    };
    check_descriptor(&file, &|error| matches!(error, Error::Seals { .. }));
    // A named ring cannot be sealed, whatever it is otherwise.
    let tx = Options::new(named).capacity(8).unlink_on_close(true).stream_producer::<u64>().unwrap();
    check_descriptor(&|| tx.descriptor().try_clone_to_owned().unwrap(), &seals_are(SealFlags::SEAL));
}

/// Makes a pipe.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn check_other_kinds() {
    fn kind_is(kind: &'static str) -> impl Fn(&Error) -> bool {
        move |error| matches!(error, Error::NotRegular { found, .. } if *found == kind)
    }
    check_descriptor(&|| pipe().0, &kind_is("FIFO"));
    check_descriptor(&|| OwnedFd::from(UnixStream::pair().unwrap().0), &kind_is("socket or device"));
    check_descriptor(&|| fs::File::open("/dev/null").unwrap().into(), &kind_is("socket or device"));
    check_descriptor(&|| fs::File::open("/").unwrap().into(), &kind_is("directory"));
    // Huge pages come from a pool, which may be empty when they are touched.
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let huge = match memfd_create("huge", flags) {
        Ok(huge) => huge,
        Err(error) => return missing(Ability::HugePages, error),
    };
    ftruncate(&huge, 1 << 30).unwrap();
    fcntl_add_seals(&huge, SEALS).unwrap();
    let huge = || huge.try_clone().unwrap();
    check_descriptor(&huge, &kind_is("memory file of another file system"));
}

/// Reads all of a ring.
fn bytes_of_ring(ring: impl AsFd) -> Vec<u8> {
    let mut bytes = vec![0; fstat(&ring).unwrap().st_size as usize];
    assert_eq!(rustix::io::pread(ring, &mut bytes, 0), Ok(bytes.len()));
    bytes
}

fn check_garbage() {
    for len in [0, 1, 8, 4095, 4096, 4096 + 64, 8192, 1 << 20] {
        check_descriptor(
            &|| memory(&vec![0; len], SEALS),
            &|error| matches!(error, Error::NotARing { len: found, magic: 0, .. } if *found == len as u64),
        );
        let magic = if len < 4096 { 0 } else { u64::from_ne_bytes([0xa5; 8]) };
        check_descriptor(
            &|| memory(&vec![0xa5; len], SEALS),
            &|error| matches!(error, Error::NotARing { magic: found, .. } if *found == magic),
        );
    }
    // A ring's magic, and nothing like a ring behind it.
    let mut bytes = vec![0xa5; 8192];
    bytes[..8].copy_from_slice(b"RINGMAIN");
    check_descriptor(&|| memory(&bytes, SEALS), &|error| {
        matches!(error, Error::Mismatch { what: Attribute::LayoutVersion, .. })
    });
}

fn check_damaged() {
    let rings = [
        bytes_of_ring(ring().descriptor()),
        bytes_of_ring(Options::anonymous().capacity(4096).message_producer().unwrap().descriptor()),
    ];
    let attach = |bytes: &[u8], is_expected: &dyn Fn(&Error) -> bool| {
        leaves_no_descriptor(|| {
            let options = Options::from_fd(memory(bytes, SEALS));
            let (stream, message) = (options.stream_consumer::<u64>(), options.message_consumer());
            for error in [stream.map(drop), message.map(drop)] {
                let error = error.unwrap_err();
                assert!(
                    matches!(error, Error::Mismatch { what: Attribute::Kind, .. }) || is_expected(&error),
                    "{error:?}"
                );
            }
        });
    };
    for bytes in &rings {
        // Of another length than it says.
        for len in [4096, bytes.len() - 1, bytes.len() + 1, 2 * bytes.len()] {
            let mut bytes = bytes.clone();
            bytes.resize(len, 0);
            let len = len as u64;
            attach(
                &bytes,
                &|error| matches!(error, Error::Mismatch { what: Attribute::ObjectLength, found, .. } if *found == len),
            );
        }
        // With one bit of its identity turned, or an impossible position.
        for row in (word::LAYOUT_VERSION..=word::RECORD_ALIGN).step_by(8) {
            for bit in [0, 12, 40, 63] {
                let mut bytes = bytes.clone();
                bytes[row as usize + bit / 8] ^= 1 << (bit % 8);
                attach(&bytes, &|error| matches!(error, Error::Mismatch { .. }));
            }
        }
        for position in [word::HEAD, word::TAIL] {
            let mut bytes = bytes.clone();
            bytes[position as usize + 7] = 0x80;
            attach(&bytes, &|error| matches!(error, Error::Corrupted { .. }));
        }
    }
}

#[test]
fn what_is_no_ring_is_refused_and_leaves_no_descriptor() {
    let ring = Ring::new();
    let mut refuser = Child::start("refuser", ring.name(), &[]);
    for words in ["unsealed", "kinds", "garbage", "damaged"] {
        refuser.says(words);
    }
}

#[test]
fn a_descriptor_that_was_lent_keeps_no_role_and_no_name() {
    let ring = Ring::new();
    let options = ring.options().capacity(8).unlink_on_close(true);
    let tx = options.stream_producer::<u64>().unwrap();
    let rx = options.clone().unlink_on_close(false).stream_consumer::<u64>().unwrap();
    let lent = tx.descriptor().try_clone_to_owned().unwrap();
    tx.close().unwrap();
    assert!(!ring.exists() && rx.is_orphaned());
    assert_eq!(rx.peer_state(), PeerState::Closed);
    // The name is free for a new ring, and so are its roles.
    drop((options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap()));
    drop(lent);
}
