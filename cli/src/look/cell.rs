//! One cell of a table: its text for people, its JSON for programs.

use jiff::Timestamp;
use ringmain::PeerState;
use ringmain::inspect::{Features, Permissions};
use serde_json::{Value, json};

use super::seen::{End, Seen};
use super::units::{self, Style};
use crate::output::number;
use crate::printable::{printable, unambiguous};

/// Something that is told of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Word(&'a str),
    /// Of an object.
    Name(&'a Seen),
    /// Text that whoever made a ring chose.
    Tag(&'a str),
    Number(u64),
    Bytes(u64),
    /// Where records start, beside sizes of elements.
    Alignment(u64),
    /// A part of the whole, which is 1.
    Part(f64),
    /// The same, drawn.
    Bar(f64),
    /// Elements or bytes per second.
    Rate {
        per_second: f64,
        is_bytes: bool,
    },
    Seconds(f64),
    /// Seconds since 1970.
    Time(f64),
    Flag(bool),
    Holder(&'a End),
    Owner(Permissions),
    Mode(Permissions),
    Id(u64),
    /// Seconds since 1970.
    Date(f64),
    Features(Features),
}

impl Cell<'_> {
    pub(super) fn text(self, style: Style) -> String {
        match self {
            Cell::Word(word) => printable(word.as_bytes()),
            Cell::Name(seen) => seen.shown_name(),
            Cell::Tag(tag) => unambiguous(tag.as_bytes()),
            Cell::Number(value) => value.to_string(),
            Cell::Bytes(value) => units::bytes(value, style.is_plain),
            Cell::Alignment(value) if style.is_plain => value.to_string(),
            Cell::Alignment(value) => format!("align {value}"),
            Cell::Part(part) => format!("{:.0} %", part * 100.0),
            Cell::Bar(part) => bar(part),
            Cell::Rate { per_second, is_bytes } => units::per_second(per_second, is_bytes, style.is_plain),
            Cell::Seconds(seconds) if style.is_plain => seconds.to_string(),
            Cell::Seconds(seconds) => units::time(seconds),
            Cell::Time(time) => utc(time, "%T"),
            Cell::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
            Cell::Holder(end) => holder(end),
            Cell::Owner(permissions) => format!("{}:{}", permissions.owner, permissions.group),
            Cell::Mode(permissions) => format!("{:04o}", permissions.mode),
            Cell::Id(id) => format!("{id:#018x}"),
            Cell::Date(time) => utc(time, "%F %T"),
            Cell::Features(features) => known_by_name(features),
        }
    }

    pub(super) fn json(self) -> Value {
        match self {
            Cell::Word(word) | Cell::Tag(word) => word.into(),
            Cell::Name(seen) => seen.name.as_str().into(),
            Cell::Number(value) | Cell::Bytes(value) => number(value),
            // A message has no size of its own, and the alignment has a key of its own.
            Cell::Alignment(_) => Value::Null,
            Cell::Part(value)
            | Cell::Bar(value)
            | Cell::Rate { per_second: value, .. }
            | Cell::Seconds(value)
            | Cell::Time(value)
            | Cell::Date(value) => value.into(),
            Cell::Flag(flag) => flag.into(),
            Cell::Holder(end) => json!({
                "state": end.state_name(),
                "pid": end.pid,
                "command": end.command,
                "holders": number(end.generation),
                "sleep": end.sleep(),
                "sleeps": number(end.sleeps),
                "wakes": number(end.wakes),
                "fences": end.asks_for_fences,
            }),
            Cell::Owner(permissions) => json!({"user": permissions.owner, "group": permissions.group}),
            Cell::Features(features) => json!({
                "incompatible": format!("{:#x}", features.incompatible),
                "compatible": format!("{:#x}", features.compatible),
                "read-only-compatible": format!("{:#x}", features.read_only_compatible),
            }),
            Cell::Mode(_) | Cell::Id(_) => self.text(Style { is_plain: true }).into(),
        }
    }
}

/// Names who holds a role.
fn holder(end: &End) -> String {
    match (end.state, end.pid) {
        (Some(PeerState::Alive), Some(pid)) => {
            format!(
                "{pid} {}",
                end.command.as_deref().map_or_else(|| "?".to_owned(), |name| printable(name.as_bytes()))
            )
        }
        (Some(PeerState::Alive) | None, _) => "?".to_owned(),
        _ => "-".to_owned(),
    }
}

fn bar(part: f64) -> String {
    const CELLS: usize = 10;
    let full = ((part * CELLS as f64).round() as usize).min(CELLS);
    // A ring that is not empty shows it.
    let full = if part > 0.0 { full.max(1) } else { 0 };
    format!("[{}{}]", "#".repeat(full), ".".repeat(CELLS - full))
}

/// Names the features that a ring has.
fn known_by_name(features: Features) -> String {
    let kinds = [
        ("incompatible", features.incompatible),
        ("compatible", features.compatible),
        ("read-only-compatible", features.read_only_compatible),
    ];
    let set = kinds.iter().filter(|(_, bits)| *bits != 0).map(|(kind, bits)| format!("{kind} {bits:#x}"));
    let set: Vec<String> = set.collect();
    if set.is_empty() { "none".to_owned() } else { set.join(", ") }
}

/// Writes a moment in UTC.
fn utc(time: f64, format: &str) -> String {
    // A ring may say anything of its creation.
    Timestamp::from_second(time as i64).map_or_else(|_| "?".to_owned(), |time| time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_of_the_calendar_if_it_can_be() {
        let dates = [0.0, 951_782_399.0, 1_709_164_800.0, 4_102_444_799.9, 1e18].map(|time| utc(time, "%F %T"));
        let expected =
            ["1970-01-01 00:00:00", "2000-02-28 23:59:59", "2024-02-29 00:00:00", "2099-12-31 23:59:59", "?"];
        assert_eq!(dates, expected);
    }

    #[test]
    fn features_are_named_with_their_bits() {
        let mut features = Features::default();
        assert_eq!(known_by_name(features), "none");
        (features.incompatible, features.read_only_compatible) = (1, 0x10);
        assert_eq!(known_by_name(features), "incompatible 0x1, read-only-compatible 0x10");
    }

    #[test]
    fn a_bar_is_empty_only_with_an_empty_ring() {
        assert_eq!([0.0, 0.001, 0.5, 1.0].map(bar), ["[..........]", "[#.........]", "[#####.....]", "[##########]"]);
    }

    #[test]
    fn a_program_may_have_any_name() {
        let hostile = Some("\x1b[2J\nx".to_owned());
        let end = End { state: Some(PeerState::Alive), pid: Some(7), command: hostile, ..End::default() };
        assert_eq!(holder(&end), "7 \\u{1b}[2J\\nx");
    }
}
