//! What the library says, in the words of this program: its verbs and options in the place of calls.

use std::error::Error as _;

use ringmain::{Attribute, Corrupted, Error, WaitError};

use crate::printable::unambiguous;

/// Says whatever went wrong.
pub(crate) fn of_any(error: &anyhow::Error) -> String {
    match (error.downcast_ref::<Error>(), error.downcast_ref::<WaitError>()) {
        (Some(error), _) => of(error),
        (None, Some(error)) => of_wait(*error),
        (None, None) => plain(&format!("{error:#}")),
    }
}

/// Says an error of the library.
pub(crate) fn of(error: &Error) -> String {
    match error {
        Error::NotFound { name, .. } => format!("no ring {name:?}; 'ringmain ls' lists those that are there"),
        Error::InvalidName { name, reason } => invalid_name(name.as_bytes(), reason),
        Error::AlreadyExists { name } => {
            format!("ring {name:?} exists; remove it ({}), or leave --exclusive out", command("rm", name))
        }
        Error::Unfinished { name } => format!(
            "ring {name:?} has no contents: the process that was making it was killed; {} or {} makes it anew, and {} \
             removes it",
            command("write", name),
            command("read", name),
            command("rm", name)
        ),
        Error::NotARing { name, len, magic } => {
            let len = count(*len, "byte");
            let found = match (&*len, magic) {
                ("0 bytes", _) => "is no ring: it is empty, and not marked as a ring in the making".to_owned(),
                // Of what is shorter than a header nothing is read.
                (_, 0) => format!("of {len} is no ring: it has no header"),
                _ => format!("of {len} is no ring: it begins with {magic:#018x}"),
            };
            format!("the object {name:?} {found}; remove it ({}), or use another name", command("rm --force", name))
        }
        Error::Sparse { name, len, reserved } => format!(
            "ring {name:?} has memory for {reserved} of its {}, expected all: it was not made by ringmain, or holes \
             were punched into it; {}",
            count(*len, "byte"),
            anew(name)
        ),
        Error::WrongOwner { name, found, expected } => format!(
            "ring {name:?} belongs to user {found}, expected {expected}; if you trust that user, read and write take \
             --owner {found}, else use another name"
        ),
        Error::TooOpen { name, found, expected } => format!(
            "ring {name:?} has mode {found:04o}, and others than those of {expected:04o} can write it; if that is \
             meant, say --mode {found:04o}, else chmod {expected:04o} /dev/shm/{name}"
        ),
        Error::TooLarge { name, found, limit } => format!(
            "ring {name:?} has {} of data, expected at most {limit}, half of the memory that is available; remove it, \
             or use another name",
            count(*found, "byte")
        ),
        Error::Mismatch { name, what: Attribute::Kind, found, expected } => {
            let [found, expected] = [*found, *expected].map(kind);
            format!(
                "ring {name:?} has kind {found}, expected {expected}; --kind {found} is what stands, or use another \
                 name"
            )
        }
        Error::Mismatch { name, what, found, expected } => match difference(*what, *found, name) {
            Some(cure) => format!("ring {name:?} has {what} {found}, expected {expected}; {cure}"),
            None => error.to_string(),
        },
        Error::OtherTypeTag { name, found, expected } => format!(
            "ring {name:?} has type tag \"{}\", expected \"{}\"; give --type-tag as it stands, or use another name",
            unambiguous(found.as_bytes()),
            unambiguous(expected.as_bytes())
        ),
        Error::Corrupted { name, source } => damaged(name, source),
        error => match error.source() {
            Some(source) => plain(&format!("{error}: {source}")),
            None => plain(&error.to_string()),
        },
    }
}

/// Says that no ring can have a name: which is shown as lists show it.
pub(crate) fn invalid_name(name: &[u8], reason: &str) -> String {
    let name = unambiguous(name);
    format!("ring name \"{name}\" {reason}; use 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot")
}

/// Divides a text into what was found and what to do.
pub(crate) fn parts(text: &str) -> (&str, &str) {
    // Names and tags come from others, but no name of a ring has a blank.
    text.split_once("; ").unwrap_or((text, ""))
}

/// Returns a command that does something with a ring, as a shell takes it.
pub(crate) fn command(verb: &str, name: &str) -> String {
    let options_end = if name.starts_with('-') { "-- " } else { "" };
    format!("'ringmain {verb} {options_end}{name}'")
}

/// Says that the positions of a ring cannot be.
pub(crate) fn damaged(name: &str, corrupted: &Corrupted) -> String {
    let text = corrupted.to_string();
    // Without what the library advises.
    let found = text.split(": another process").next().unwrap_or_default();
    format!("ring {name:?} is damaged: {found}: another process wrote there; {}", anew(name))
}

/// Says how a wait ended.
pub(crate) fn of_wait(error: WaitError) -> String {
    match error {
        WaitError::Truncated { len, expected } => format!(
            "another process has shortened the ring to {}, expected {expected}; remove it and make it anew",
            count(len, "byte")
        ),
        error => plain(&error.to_string()),
    }
}

/// Takes the name of a call out of an advice.
fn plain(text: &str) -> String {
    text.replace("unlink it and create it anew", "remove it ('ringmain rm --force') and make it anew")
}

/// Says what to do about a difference, where that is an option.
fn difference(what: Attribute, found: u64, name: &str) -> Option<String> {
    let option = match what {
        Attribute::Capacity => "--capacity",
        Attribute::RecordAlign => "--alignment",
        Attribute::ElementSize => "--element-size",
        Attribute::ElementAlign => "--element-align",
        Attribute::LayoutVersion | Attribute::TypeId => return None,
        _ => return Some(format!("another process damaged the ring; {}", anew(name))),
    };
    Some(format!("{option} {found} is what stands, or use another name"))
}

/// Names a kind as the option does.
fn kind(number: u64) -> &'static str {
    if number == 1 { "stream" } else { "message" }
}

/// Says how a ring is made anew that cannot be used.
pub(crate) fn anew(name: &str) -> String {
    format!("remove it ({}) and make it anew", command("rm --force", name))
}

/// Counts things.
pub(crate) fn count(number: impl Into<u64>, thing: &str) -> String {
    match number.into() {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!([0_u64, 1, 2].map(|number| count(number, "byte")), ["0 bytes", "1 byte", "2 bytes"]);
    }

    /// Whatever the library advises that is no option here.
    const FOREIGN: [&str; 6] = ["Options", "handle", "attach", "unlink", "as its owner", "a new one"];

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in: {text}");
        assert!(!FOREIGN.iter().any(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn what_is_advised_can_be_said_on_the_command_line() {
        let name = || "x".to_owned();
        let differs = |what, found| Error::Mismatch { name: name(), what, found, expected: 7 };
        check(&of(&Error::AlreadyExists { name: name() }), &["exists", "--exclusive", "ringmain rm x"]);
        check(&of(&Error::Unfinished { name: name() }), &["was killed", "ringmain rm x"]);
        check(&of(&Error::WrongOwner { name: name(), found: 0, expected: 1000 }), &["user 0", "--owner 0"]);
        check(&of(&Error::TooOpen { name: name(), found: 0o666, expected: 0o600 }), &["--mode 0666", "chmod 0600"]);
        check(&of(&Error::TooLarge { name: name(), found: 1, limit: 0 }), &["1 byte of data"]);
        check(&of(&differs(Attribute::Capacity, 64)), &["capacity 64", "expected 7", "--capacity 64"]);
        check(&of(&differs(Attribute::RecordAlign, 8)), &["--alignment 8"]);
        check(&of(&differs(Attribute::ElementSize, 8)), &["--element-size 8"]);
        check(&of(&differs(Attribute::ElementAlign, 8)), &["--element-align 8"]);
        let differs_in_kind =
            |found| Error::Mismatch { name: name(), what: Attribute::Kind, found, expected: 3 - found };
        check(&of(&differs_in_kind(1)), &["kind stream, expected message", "--kind stream"]);
        check(&of(&differs_in_kind(2)), &["kind message, expected stream", "--kind message"]);
        check(&of(&differs(Attribute::SegmentLength, 8)), &["damaged", "ringmain rm --force x"]);
        check(&of_wait(WaitError::Truncated { len: 1, expected: 2 }), &["1 byte,", "make it anew"]);
    }
}
