//! What can be told of a ring: the columns of tables, and the keys of JSON.

use ringmain::inspect::{Permissions, Positions};
use serde_json::{Map, Value};

use super::cell::Cell;
use super::rates::Rates;
use super::seen::{End, Ring, Seen};
use super::units::Style;
use crate::fit::Flex;

/// A ring, and how fast it is where that was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) seen: &'a Seen,
    pub(super) rates: Option<Rates>,
}

/// One thing that can be told of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_figure: bool,
    /// How wide its contents usually are, so that lines that come one by one stand below each other.
    pub(super) width: u16,
    cell: Read,
}

/// Reads what a column has of a ring, if there is anything.
type Read = for<'a> fn(&Subject<'a>) -> Option<Cell<'a>>;

impl PartialEq for Column {
    fn eq(&self, other: &Column) -> bool {
        self.name == other.name
    }
}

impl Column {
    const fn word(name: &'static str, width: u16, cell: Read) -> Column {
        Column { name, is_figure: false, width, cell }
    }

    const fn figure(name: &'static str, width: u16, cell: Read) -> Column {
        Column { name, is_figure: true, width, cell }
    }

    pub(super) fn flex(&self) -> Flex {
        match self.name {
            "name" | "type-tag" => Flex::Name,
            "producer" | "consumer" => Flex::Holder,
            "reason" => Flex::Prose,
            _ => Flex::None,
        }
    }

    /// Returns whether it takes two looks.
    pub(super) fn needs_rates(&self) -> bool {
        ["pushed", "popped", "lag"].contains(&self.name)
    }

    pub(super) fn text(&self, subject: &Subject<'_>, style: Style) -> String {
        (self.cell)(subject).map_or_else(|| "-".to_owned(), |cell| cell.text(style))
    }

    fn json(&self, subject: &Subject<'_>) -> Value {
        (self.cell)(subject).map_or(Value::Null, |cell| cell.json())
    }
}

/// All columns, in the order in which `stat` tells them.
pub(super) const ALL: [Column; 41] = [
    Column::word("name", 12, |of| Some(Cell::Name(of.seen))),
    Column::word("state", 6, |of| Some(Cell::Word(of.seen.state().name()))),
    Column::word("reason", 6, |of| of.seen.reason.as_deref().map(Cell::Word)),
    Column::word("kind", 7, |of| Some(Cell::Word(if of.ring()?.is_stream { "stream" } else { "message" }))),
    Column::figure("element", 8, |of| of.element()),
    Column::figure("alignment", 9, |of| Some(Cell::Bytes(of.ring()?.alignment as u64))),
    Column::figure("capacity", 9, |of| Some(of.amount(of.ring()?.capacity as u64))),
    Column::figure("used", 9, |of| Some(of.amount(of.positions()?.used))),
    Column::figure("fill", 5, |of| of.fill().map(Cell::Part)),
    Column::word("bar", 12, |of| of.fill().map(Cell::Bar)),
    Column::figure("head", 9, |of| Some(Cell::Number(of.positions()?.head))),
    Column::figure("tail", 9, |of| Some(Cell::Number(of.positions()?.tail))),
    Column::figure("pushed", 11, |of| of.rate(of.rates?.pushed)),
    Column::figure("popped", 11, |of| of.rate(of.rates?.popped)),
    Column::figure("lag", 8, |of| of.lag()),
    Column::word("producer", 16, |of| of.producer().map(Cell::Holder)),
    Column::word("producer-state", 7, |of| Some(Cell::Word(of.producer()?.state_name()))),
    Column::figure("producer-holders", 6, |of| Some(Cell::Number(of.producer()?.generation))),
    Column::word("producer-sleep", 6, |of| of.producer()?.sleep().map(Cell::Word)),
    Column::figure("producer-sleeps", 6, |of| Some(Cell::Number(of.producer()?.sleeps))),
    Column::figure("producer-wakes", 6, |of| Some(Cell::Number(of.producer()?.wakes))),
    Column::word("producer-fences", 3, |of| Some(Cell::Flag(of.producer()?.asks_for_fences))),
    Column::word("consumer", 16, |of| of.consumer().map(Cell::Holder)),
    Column::word("consumer-state", 7, |of| Some(Cell::Word(of.consumer()?.state_name()))),
    Column::figure("consumer-holders", 6, |of| Some(Cell::Number(of.consumer()?.generation))),
    Column::word("consumer-sleep", 6, |of| of.consumer()?.sleep().map(Cell::Word)),
    Column::figure("consumer-sleeps", 6, |of| Some(Cell::Number(of.consumer()?.sleeps))),
    Column::figure("consumer-wakes", 6, |of| Some(Cell::Number(of.consumer()?.wakes))),
    Column::word("consumer-fences", 3, |of| Some(Cell::Flag(of.consumer()?.asks_for_fences))),
    Column::word("owner", 9, |of| of.permissions().map(Cell::Owner)),
    Column::word("mode", 4, |of| of.permissions().map(Cell::Mode)),
    Column::word("orphaned", 8, |of| Some(Cell::Flag(of.ring()?.is_orphaned))),
    Column::figure("length", 9, |of| Some(Cell::Bytes(of.ring()?.length))),
    Column::figure("data-offset", 9, |of| Some(Cell::Bytes(of.ring()?.data_offset()))),
    Column::figure("layout", 6, |of| Some(Cell::Number(of.ring()?.layout))),
    Column::word("type-id", 18, |of| Some(Cell::Id(of.ring()?.type_id))),
    Column::word("type-tag", 8, |of| Some(Cell::Tag(&of.ring()?.type_tag)).filter(|_| of.has_tag())),
    Column::word("ring-id", 18, |of| Some(Cell::Id(of.ring()?.ring_id))),
    Column::word("created", 20, |of| Some(Cell::Date(of.ring()?.created))),
    Column::figure("first-position", 9, |of| Some(Cell::Number(of.ring()?.first_position))),
    Column::word("features", 8, |of| Some(Cell::Features(of.ring()?.features))),
];

/// The time of the look, which `watch` alone has.
pub(super) const TIME: Column = Column::word("time", 8, |of| Some(Cell::Time(of.seen.time)));

/// Finds the columns of these names.
pub(super) fn named(names: &[&str]) -> Vec<Column> {
    let find = |name: &&str| ALL.iter().chain([&TIME]).find(|column| column.name == *name).copied();
    names.iter().filter_map(find).collect()
}

/// Returns the names of all columns.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().chain([&TIME]).map(|column| column.name).collect()
}

/// Reads the name of a column.
pub(super) fn parse(name: &str) -> Result<Column, String> {
    named(&[name]).pop().ok_or_else(|| format!("no column '{name}'; there are {}", names().join(", ")))
}

/// Reads the name of a column that needs one look only.
pub(super) fn parse_of_one_look(name: &str) -> Result<Column, String> {
    let column = parse(name)?;
    if column.needs_rates() {
        return Err(format!("'{name}' takes two looks at a ring; use ringmain watch or ringmain stat"));
    }
    Ok(column)
}

/// Returns these columns of a ring as one JSON object.
pub(super) fn object(columns: &[Column], subject: &Subject<'_>) -> Value {
    let values = columns.iter().map(|column| (column.name.to_owned(), column.json(subject)));
    Value::Object(values.collect::<Map<_, _>>())
}

impl<'a> Subject<'a> {
    fn ring(&self) -> Option<&'a Ring> {
        self.seen.ring.as_ref()
    }

    fn producer(&self) -> Option<&'a End> {
        Some(&self.ring()?.producer)
    }

    fn consumer(&self) -> Option<&'a End> {
        Some(&self.ring()?.consumer)
    }

    fn positions(&self) -> Option<Positions> {
        self.ring()?.positions
    }

    fn permissions(&self) -> Option<Permissions> {
        self.ring()?.permissions
    }

    fn has_tag(&self) -> bool {
        self.ring().is_some_and(|ring| !ring.type_tag.is_empty())
    }

    fn is_stream(&self) -> bool {
        self.ring().is_some_and(|ring| ring.is_stream)
    }

    fn element(&self) -> Option<Cell<'a>> {
        let ring = self.ring()?;
        let [size, alignment] = [ring.element_size, ring.alignment].map(|value| value as u64);
        Some(if ring.is_stream { Cell::Bytes(size) } else { Cell::Alignment(alignment) })
    }

    /// A number of elements, or of bytes of records.
    fn amount(&self, value: u64) -> Cell<'a> {
        if self.is_stream() { Cell::Number(value) } else { Cell::Bytes(value) }
    }

    fn fill(&self) -> Option<f64> {
        let ring = self.ring()?;
        Some(ring.positions?.used as f64 / ring.capacity as f64)
    }

    fn rate(&self, per_second: f64) -> Option<Cell<'a>> {
        Some(Cell::Rate { per_second, is_bytes: !self.ring()?.is_stream })
    }

    /// How much goes through the ring, in both directions.
    pub(super) fn bytes_per_second(&self) -> f64 {
        let size = self.ring().map_or(1, |ring| ring.element_size) as f64;
        self.rates.map_or(0.0, |rates| (rates.pushed + rates.popped) * size)
    }

    /// For how long the consumer is busy with what waits, at the rate that it has.
    fn lag(&self) -> Option<Cell<'a>> {
        let (used, popped) = (self.positions()?.used, self.rates?.popped);
        let seconds = if used == 0 { Some(0.0) } else { (popped > 0.0).then(|| used as f64 / popped) };
        seconds.map(Cell::Seconds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::seen::tests::{broken, message, stream};
    use super::*;

    fn texts(seen: &Seen, rates: Option<Rates>, is_plain: bool, names: &[&str]) -> Vec<String> {
        let subject = Subject { seen, rates };
        named(names).iter().map(|column| column.text(&subject, Style { is_plain })).collect()
    }

    #[test]
    fn names_are_found_and_others_are_told_the_right_ones() {
        for column in ALL {
            assert_eq!(parse(column.name), Ok(column));
        }
        assert!(parse("colour").unwrap_err().contains("name, state"));
        assert!(parse_of_one_look("lag").unwrap_err().contains("ringmain watch"));
        assert!(parse_of_one_look("used").is_ok());
    }

    #[test]
    fn rings_have_sizes_in_their_own_units() {
        let names = ["kind", "element", "capacity", "used", "fill", "bar"];
        let ring = stream();
        assert_eq!(texts(&ring, None, false, &names), ["stream", "40 B", "4096", "1024", "25 %", "[###.......]"]);
        let ring = message();
        assert_eq!(texts(&ring, None, false, &names), ["message", "align 64", "1.0 MiB", "0 B", "0 %", "[..........]"]);
        assert_eq!(texts(&ring, None, true, &names[1..4]), ["64", "1048576", "0"]);
    }

    #[test]
    fn holders_are_named_unknown_or_nobody() {
        let names = ["producer", "consumer", "producer-sleep", "consumer-sleep"];
        assert_eq!(texts(&stream(), None, false, &names), ["4711 sampler", "?", "awake", "parked"]);
        assert_eq!(texts(&message(), None, false, &names), ["-", "-", "-", "-"]);
        assert_eq!(texts(&message(), None, false, &["producer-state", "consumer-state"]), ["closed", "never"]);
    }

    #[test]
    fn a_ring_tells_what_it_was_created_as() {
        let names = ["type-tag", "ring-id", "created", "first-position", "features"];
        let mut seen = stream();
        assert_eq!(
            texts(&seen, None, false, &names),
            ["sample", "0x0000000000000077", "2001-09-09 01:46:40", "40", "none"]
        );
        let subject = Subject { seen: &seen, rates: None };
        let none = json!({"compatible": "0x0", "incompatible": "0x0", "read-only-compatible": "0x0"});
        let expected = json!({
            "created": 1_000_000_000.25,
            "features": none,
            "first-position": 40,
            "ring-id": "0x0000000000000077",
            "type-tag": "sample",
        });
        assert_eq!(object(&named(&names), &subject), expected);
        seen.ring.as_mut().unwrap().type_tag = "a\u{1b}[2J".to_owned();
        assert_eq!(texts(&seen, None, false, &names[..1]), ["a\\u{1b}[2J"]);
        seen.ring.as_mut().unwrap().type_tag.clear();
        assert_eq!(texts(&seen, None, false, &names[..1]), ["-"]);
    }

    #[test]
    fn lag_is_what_waits_by_how_fast_it_goes() {
        let rates = |popped| Some(Rates { pushed: 2.5e6, popped });
        let names = ["pushed", "popped", "lag"];
        assert_eq!(texts(&stream(), rates(512.0), false, &names), ["2.5 M/s", "512 /s", "2.0 s"]);
        assert_eq!(texts(&stream(), rates(0.0), true, &names), ["2500000", "0", "-"]);
        assert_eq!(texts(&message(), rates(0.0), false, &names), ["2.4 MiB/s", "0 B/s", "0.0 us"]);
        assert_eq!(texts(&stream(), None, false, &names), ["-", "-", "-"]);
    }

    #[test]
    fn a_broken_ring_has_a_name_a_state_and_a_reason() {
        let names = ["name", "state", "kind", "capacity", "producer", "reason", "time"];
        assert_eq!(
            texts(&broken(), None, false, &names),
            ["old", "other version", "-", "-", "-", "layout version 1", "23:59:59"]
        );
    }

    #[test]
    fn json_has_plain_figures_and_nulls() {
        let seen = stream();
        let columns = named(&["name", "element", "capacity", "used", "fill", "pushed", "lag"]);
        assert_eq!(
            object(&columns, &Subject { seen: &seen, rates: None }).to_string(),
            r#"{"capacity":4096,"element":40,"fill":0.25,"lag":null,"name":"samples","pushed":null,"used":1024}"#
        );
        // Messages have an alignment, and no size of an element.
        let seen = message();
        let columns = named(&["element", "alignment"]);
        let object = object(&columns, &Subject { seen: &seen, rates: None });
        assert_eq!(object, json!({"alignment": 64, "element": null}));
    }
}
