//! Who may write a ring: its owner, its mode, and what the process's umask and user make of them.

mod common;

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::thread;
use std::time::Duration;

use common::ends::{End, as_end, for_each_end, for_each_ring, small};
use common::limits::{NOBODY, give_up_privileges};
use common::{Ability, Child, Part, Ring, missing, refuses};
use ringmain::{Error, Options};
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[("masked", as_end!(masked)), ("stranger", as_end!(stranger))]);
}

/// Creates a ring with the given mode under the given umask, as root or as somebody else.
fn masked<E: End>(part: &mut Part) {
    umask(Mode::from_raw_mode(part.argument(1)));
    if part.argument(3) {
        give_up_privileges();
    }
    part.say(outcome(E::attach(&small(part.options()).mode(part.argument(2)))));
}

/// Attaches as another user, to a ring of the given owner that others may write.
fn stranger<E: End>(part: &mut Part) {
    give_up_privileges();
    let options = small(part.options()).mode(0o666).owner(part.argument(1)).wait_for(Duration::from_secs(60));
    part.say("ready");
    part.say(outcome(E::attach(&options)));
}

fn outcome<H>(attach: Result<H, Error>) -> String {
    match attach {
        Ok(_) => "attached".into(),
        Err(Error::WrongOwner { found, expected, .. }) => format!("owner {found}, expected {expected}"),
        Err(Error::PermissionDenied { source, .. }) => format!("denied: {:?}", source.kind()),
        Err(error) => format!("{error:?} {:?}", error.source()),
    }
}

/// Makes a ring of the kind of this end.
#[track_caller]
fn made<E: End>() -> Ring {
    let ring = Ring::new();
    attached::<E>(small(ring.options())).unwrap();
    ring
}

fn attached<E: End>(options: Options) -> Result<(), Error> {
    E::attach(&options).map(drop)
}

fn mode(ring: &Ring) -> u32 {
    fs::metadata(ring.path()).unwrap().mode() & 0o7777
}

fn set_mode(ring: &Ring, mode: u32) {
    fs::set_permissions(ring.path(), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_ring_is_closed_to_others_unless_asked_otherwise() {
    fn check<E: End>() {
        assert_eq!(mode(&made::<E>()), 0o600);
    }
    for_each_end!(check);
}

/// Checks the mode of rings made under every umask, also one that is against the owner.
#[track_caller]
fn check_modes<E: End>(unprivileged: bool) {
    for mask in [0o000, 0o022, 0o077, 0o777] {
        for asked in [0o600, 0o640, 0o660, 0o666, 0o777] {
            let ring = Ring::new();
            let mut masked = Child::start("masked", ring.name(), &[&E::PART, &mask, &asked, &unprivileged]);
            masked.says("attached");
            masked.join();
            assert_eq!(mode(&ring), asked, "asked for {asked:o} under a umask of {mask:o}");
        }
    }
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    for_each_ring!(check_modes, false);
}

#[test]
fn a_user_without_privileges_gets_the_mode_asked_for_whatever_the_umask() {
    for_each_ring!(check_modes, true);
}

#[test]
fn a_ring_that_more_users_can_write_than_asked_is_refused() {
    fn check<E: End>() {
        for (stands, asked) in [(0o666, 0o600), (0o602, 0o600), (0o620, 0o600), (0o666, 0o660), (0o622, 0o644)] {
            let ring = made::<E>();
            set_mode(&ring, stands);
            let attach = attached::<E>(ring.options().mode(asked));
            refuses!(attach, Error::TooOpen { found, expected, .. } if (found, expected) == (stands, asked));
            attached::<E>(ring.options().mode(stands)).unwrap();
        }
    }
    for_each_end!(check);
}

#[test]
fn a_ring_that_fewer_users_can_write_than_asked_is_accepted() {
    fn check<E: End>() {
        for (stands, asked) in [(0o600, 0o666), (0o644, 0o600), (0o660, 0o666), (0o600, 0o600)] {
            let ring = made::<E>();
            set_mode(&ring, stands);
            attached::<E>(ring.options().mode(asked)).unwrap();
            assert_eq!(mode(&ring), stands);
        }
    }
    for_each_end!(check);
}

#[test]
fn a_ring_of_another_user_than_expected_is_refused() {
    fn check<E: End>() {
        let (ring, user) = (made::<E>(), geteuid().as_raw());
        let other = user ^ 1;
        let attach = attached::<E>(ring.options().owner(other));
        refuses!(attach, Error::WrongOwner { found, expected, .. } if (found, expected) == (user, other));
        attached::<E>(ring.options().owner(user)).unwrap();
    }
    for_each_end!(check);
}

/// Says whether the test may act as other users, and why not.
#[track_caller]
fn may_change_users() -> bool {
    let may = geteuid().is_root();
    if !may {
        missing(Ability::OtherUsers, "only root acts as another user");
    }
    may
}

#[test]
fn a_ring_that_was_given_to_another_user_is_refused_unless_he_is_named() {
    fn check<E: End>() {
        let ring = made::<E>();
        chown(ring.path(), Some(NOBODY), None).unwrap();
        refuses!(attached::<E>(ring.options()), Error::WrongOwner { found: NOBODY, expected: 0, .. });
        attached::<E>(ring.options().owner(NOBODY)).unwrap();
    }
    if may_change_users() {
        for_each_end!(check);
    }
}

/// Attaches as another user who expects a ring of the given owner; returns what came of it.
#[track_caller]
fn outcome_for_a_stranger<E: End>(ring: &Ring, owner: u32) -> String {
    let mut stranger = Child::start("stranger", ring.name(), &[&E::PART, &owner]);
    stranger.says("ready");
    let outcome = stranger.hear();
    stranger.join();
    outcome
}

#[test]
fn a_ring_that_the_system_keeps_a_user_out_of_is_denied() {
    fn check<E: End>() {
        let ring = made::<E>();
        assert_eq!(outcome_for_a_stranger::<E>(&ring, 0), format!("denied: {:?}", io::ErrorKind::PermissionDenied));
        set_mode(&ring, 0o666);
        assert_eq!(outcome_for_a_stranger::<E>(&ring, NOBODY), format!("owner 0, expected {NOBODY}"));
    }
    if may_change_users() {
        for_each_end!(check);
    }
}

#[test]
fn a_ring_that_its_creator_has_not_opened_to_others_yet_is_waited_for() {
    fn check<E: End>() {
        let ring = made::<E>();
        // As the creator has it until it has locked what it needs.
        set_mode(&ring, 0o1600);
        assert_eq!(outcome_for_a_stranger::<E>(&ring, NOBODY), format!("owner 0, expected {NOBODY}"));
        let mut stranger = Child::start("stranger", ring.name(), &[&E::PART, &0]);
        stranger.says("ready");
        thread::sleep(Duration::from_millis(100));
        set_mode(&ring, 0o666);
        stranger.says("attached");
        stranger.join();
    }
    if may_change_users() {
        for_each_end!(check);
    }
}
