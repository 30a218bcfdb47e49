//! What stands under the name and is no ring: an error that says what it is, no wait, no following, and it is left
//! alone.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use common::ends::{End, for_each_end, small};
use common::{Ring, refuses};
use ringmain::{Creation, Error};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Attaches with every choice of creation, with and without a capacity, in either role of either ring.
fn all_attempts(ring: &Ring) -> Vec<Result<(), Error>> {
    fn attempt<E: End>(ring: &Ring, attempts: &mut Vec<Result<(), Error>>) {
        for creation in [Creation::IfMissing, Creation::New, Creation::Never] {
            let options = ring.options().create(creation);
            attempts.extend([E::attach(&options).map(drop), E::attach(&small(options)).map(drop)]);
        }
    }
    let mut attempts = Vec::new();
    for_each_end!(attempt, ring, &mut attempts);
    attempts
}

/// Puts bytes under the ring's name.
#[track_caller]
fn put(ring: &Ring, bytes: &[u8]) {
    let object = OpenOptions::new().write(true).create_new(true).mode(0o600).open(ring.path());
    object.unwrap().write_all(bytes).unwrap();
}

/// Checks that every attach refuses these bytes as no ring, and leaves them alone.
#[track_caller]
fn check_foreign(bytes: &[u8], expected_magic: u64) {
    let ring = Ring::new();
    put(&ring, bytes);
    let inode = fs::metadata(ring.path()).unwrap().ino();
    let unlink = ringmain::unlink_if_free(ring.name(), Duration::ZERO);
    for attempt in all_attempts(&ring).into_iter().chain([unlink]) {
        refuses!(attempt, Error::NotARing { len, magic, .. } if (len, magic) == (bytes.len() as u64, expected_magic));
    }
    assert_eq!(fs::metadata(ring.path()).unwrap().ino(), inode);
    assert!(fs::read(ring.path()).unwrap() == bytes, "the bytes have changed");
}

#[test]
fn a_file_that_is_no_ring_is_refused_and_left_alone() {
    let letters: Vec<u8> = (0..3 * 4096_u32).map(|at| b'a' + (at % 26) as u8).collect();
    check_foreign(&letters, u64::from_ne_bytes(*b"abcdefgh"));
}

#[test]
fn a_file_that_is_shorter_than_a_header_is_refused_and_left_alone() {
    check_foreign(b"x", 0);
    check_foreign(&[0; 4095], 0);
}

#[test]
fn an_empty_file_and_one_of_zeros_are_refused_and_left_alone() {
    check_foreign(&[], 0);
    check_foreign(&[0; 4096], 0);
    check_foreign(&[0; 3 * 4096], 0);
}

#[test]
fn a_file_of_zeros_with_something_behind_the_identity_is_refused_and_left_alone() {
    // The words of the roles, the bytes behind the positions, around the second part of the identity, the last byte of
    // the header, the first one behind it, and the last of all.
    for at in [0x80, 0x88, 0x9f, 0x100, 0x108, 0x17f, 0x188, 0x1ff, 0x208, 0x27f, 0x2d0, 0xfff, 0x1000, 0x1fff] {
        let mut bytes = vec![0; 2 * 4096];
        bytes[at] = 1;
        check_foreign(&bytes, 0);
    }
}

/// Checks that every attach and `unlink` refuse what stands under the name, and leave it there.
#[track_caller]
fn check_not_regular(expected: &str, put: impl FnOnce(&Path)) {
    let ring = Ring::new();
    put(&ring.path());
    let stood = fs::symlink_metadata(ring.path()).unwrap();
    for attempt in all_attempts(&ring).into_iter().chain([ringmain::unlink(ring.name())]) {
        refuses!(attempt, Error::NotRegular { found, .. } if found == expected);
    }
    let stands = fs::symlink_metadata(ring.path()).unwrap();
    assert_eq!((stands.ino(), stands.mode()), (stood.ino(), stood.mode()));
}

#[test]
fn a_fifo_is_refused_at_once() {
    check_not_regular("FIFO", |path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap());
}

#[test]
fn a_directory_is_refused() {
    check_not_regular("directory", |path| fs::create_dir(path).unwrap());
}

#[test]
fn a_socket_is_refused() {
    check_not_regular("socket or device", |path| {
        drop(UnixListener::bind(path).unwrap());
        assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
    });
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let target = Ring::new();
    target.make::<u64>(8);
    let stood = fs::read(target.path()).unwrap();
    check_not_regular("symbolic link", |path| symlink(target.path(), path).unwrap());
    assert!(fs::read(target.path()).unwrap() == stood, "the ring that the link leads to has changed");
}

#[test]
fn a_symbolic_link_to_nothing_creates_nothing() {
    let target = Ring::new();
    check_not_regular("symbolic link", |path| symlink(target.path(), path).unwrap());
    assert!(!target.exists());
}
