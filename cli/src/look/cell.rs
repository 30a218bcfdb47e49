//! One cell of a table: its text for people, its JSON for programs.

use ringmain::PeerState;
use ringmain::inspect::{Features, Permissions};
use serde_json::{Value, json};

use super::seen::End;
use super::units::{self, Style, printable};

/// Something that is told of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Word(&'a str),
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
            Cell::Word(word) => printable(word),
            Cell::Number(value) => value.to_string(),
            Cell::Bytes(value) => units::bytes(value, style.is_plain),
            Cell::Alignment(value) if style.is_plain => value.to_string(),
            Cell::Alignment(value) => format!("align {value}"),
            Cell::Part(part) => format!("{:.0} %", part * 100.0),
            Cell::Bar(part) => bar(part),
            Cell::Rate { per_second, is_bytes } => units::per_second(per_second, is_bytes, style.is_plain),
            Cell::Seconds(seconds) if style.is_plain => seconds.to_string(),
            Cell::Seconds(seconds) => units::time(seconds),
            Cell::Time(time) => clock(time),
            Cell::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
            Cell::Holder(end) => holder(end),
            Cell::Owner(permissions) => format!("{}:{}", permissions.owner, permissions.group),
            Cell::Mode(permissions) => format!("{:04o}", permissions.mode),
            Cell::Id(id) => format!("{id:#018x}"),
            Cell::Date(time) => date(time),
            Cell::Features(features) => known_by_name(features),
        }
    }

    pub(super) fn json(self) -> Value {
        match self {
            Cell::Word(word) => word.into(),
            Cell::Number(value) | Cell::Bytes(value) | Cell::Alignment(value) => value.into(),
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
                "holders": end.generation,
                "sleep": end.sleep(),
                "sleeps": end.sleeps,
                "wakes": end.wakes,
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
            format!("{pid} {}", end.command.as_deref().map_or_else(|| "?".to_owned(), printable))
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

/// Writes a date and the time of that day, in UTC.
fn date(time: f64) -> String {
    // The days since 1 March of year 0, of which every 400 years have the same number (Hinnant, chrono-compatible
    // low-level date algorithms).
    let days = time as u64 / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + 400 * era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {}", clock(time))
}

/// Writes the time of the day, in UTC.
fn clock(time: f64) -> String {
    let second = time as u64 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [0.0, 951_782_399.0, 951_782_400.0, 1_709_164_800.0, 4_102_444_799.9].map(date);
        let expected = [
            "1970-01-01 00:00:00",
            "2000-02-28 23:59:59",
            "2000-02-29 00:00:00",
            "2024-02-29 00:00:00",
            "2099-12-31 23:59:59",
        ];
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
