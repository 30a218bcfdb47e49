//! Who may write a ring: its owner, its mode, and what the process's umask and user make of them.

mod common;

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use common::{Child, Part, Ring, refuses, skip};
use ringmain::{Error, Options};
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use rustix::thread::set_thread_uid;

/// A user who is not the one of the tests.
const NOBODY: u32 = 65_534;

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("masked", masked), ("stranger", stranger)]);
}

/// Creates a ring with the given mode under the given umask, as root or as somebody else.
fn masked(part: &mut Part) {
    umask(Mode::from_raw_mode(part.argument(0)));
    if part.argument(2) {
        give_up_privileges();
    }
    part.say(outcome(options(part).mode(part.argument(1)).stream_producer::<u64>()));
}

/// Attaches as another user, to a ring of the given owner.
fn stranger(part: &mut Part) {
    give_up_privileges();
    part.say(outcome(options(part).owner(part.argument(0)).stream_producer::<u64>()));
}

/// Becomes another user, if this is root: nothing is denied to root.
fn give_up_privileges() {
    if geteuid().is_root() {
        set_thread_uid(rustix::fs::Uid::from_raw(NOBODY)).unwrap();
    }
}

fn options(part: &Part) -> Options {
    part.options().capacity(8)
}

fn outcome<H>(attach: Result<H, Error>) -> String {
    match attach {
        Ok(_) => "attached".into(),
        Err(Error::WrongOwner { found, expected, .. }) => format!("owner {found}, expected {expected}"),
        Err(Error::PermissionDenied { source, .. }) => format!("denied: {:?}", source.kind()),
        Err(error) => format!("{error:?} {:?}", error.source()),
    }
}

fn mode(ring: &Ring) -> u32 {
    fs::metadata(ring.path()).unwrap().mode() & 0o7777
}

fn set_mode(ring: &Ring, mode: u32) {
    fs::set_permissions(ring.path(), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_ring_is_closed_to_others_unless_asked_otherwise() {
    let ring = Ring::new();
    ring.make::<u64>(8);
    assert_eq!(mode(&ring), 0o600);
}

/// Checks the mode of rings made under every umask, also one that is against the owner.
#[track_caller]
fn check_modes(unprivileged: bool) {
    for mask in [0o000, 0o022, 0o077, 0o777] {
        for asked in [0o600, 0o640, 0o660, 0o666, 0o777] {
            let ring = Ring::new();
            let mut masked = Child::start("masked", ring.name(), &[&mask, &asked, &unprivileged]);
            masked.says("attached");
            masked.join();
            assert_eq!(mode(&ring), asked, "asked for {asked:o} under a umask of {mask:o}");
        }
    }
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    check_modes(false);
}

#[test]
fn a_user_without_privileges_gets_the_mode_asked_for_whatever_the_umask() {
    check_modes(true);
}

#[test]
fn a_ring_that_more_users_can_write_than_asked_is_refused() {
    for (stands, asked) in [(0o666, 0o600), (0o602, 0o600), (0o620, 0o600), (0o666, 0o660), (0o622, 0o644)] {
        let ring = Ring::new();
        ring.make::<u64>(8);
        set_mode(&ring, stands);
        let options = ring.options().mode(asked);
        refuses!(options.stream_producer::<u64>(), Error::TooOpen { found, expected, .. } if (found, expected) == (stands, asked));
        refuses!(options.stream_consumer::<u64>(), Error::TooOpen { found, expected, .. } if (found, expected) == (stands, asked));
        ring.options().mode(stands).stream_producer::<u64>().unwrap();
    }
}

#[test]
fn a_ring_that_fewer_users_can_write_than_asked_is_accepted() {
    for (stands, asked) in [(0o600, 0o666), (0o644, 0o600), (0o660, 0o666), (0o600, 0o600)] {
        let ring = Ring::new();
        ring.make::<u64>(8);
        set_mode(&ring, stands);
        ring.options().mode(asked).stream_producer::<u64>().unwrap();
        assert_eq!(mode(&ring), stands);
    }
}

#[test]
fn a_ring_of_another_user_than_expected_is_refused() {
    let (ring, user) = (Ring::new(), geteuid().as_raw());
    let other = user ^ 1;
    ring.make::<u64>(8);
    let options = ring.options().owner(other);
    refuses!(options.stream_producer::<u64>(), Error::WrongOwner { found, expected, .. } if (found, expected) == (user, other));
    refuses!(options.stream_consumer::<u64>(), Error::WrongOwner { found, expected, .. } if (found, expected) == (user, other));
    ring.options().owner(user).stream_producer::<u64>().unwrap();
}

/// Says whether the test may act as other users, and why not.
fn may_change_users() -> bool {
    let may = geteuid().is_root();
    if !may {
        skip("only root acts as another user");
    }
    may
}

#[test]
fn a_ring_that_was_given_to_another_user_is_refused_unless_he_is_named() {
    if !may_change_users() {
        return;
    }
    let ring = Ring::new();
    ring.make::<u64>(8);
    chown(ring.path(), Some(NOBODY), None).unwrap();
    refuses!(ring.options().stream_producer::<u64>(), Error::WrongOwner { found: NOBODY, expected: 0, .. });
    refuses!(ring.options().stream_consumer::<u64>(), Error::WrongOwner { found: NOBODY, expected: 0, .. });
    ring.options().owner(NOBODY).stream_consumer::<u64>().unwrap();
}

/// Attaches as another user who expects a ring of the given owner; returns what came of it.
#[track_caller]
fn outcome_for_a_stranger(ring: &Ring, owner: u32) -> String {
    let mut stranger = Child::start("stranger", ring.name(), &[&owner]);
    let outcome = stranger.hear();
    stranger.join();
    outcome
}

#[test]
fn a_ring_that_the_system_keeps_a_user_out_of_is_denied() {
    if !may_change_users() {
        return;
    }
    let ring = Ring::new();
    ring.make::<u64>(8);
    assert_eq!(outcome_for_a_stranger(&ring, 0), format!("denied: {:?}", io::ErrorKind::PermissionDenied));
    set_mode(&ring, 0o666);
    assert_eq!(outcome_for_a_stranger(&ring, NOBODY), format!("owner 0, expected {NOBODY}"));
}
