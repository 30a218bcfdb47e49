//! Rings as metrics, in the text format of OpenMetrics 1.0.
//!
//! Its types are those that node_exporter's collector of text files knows too, which reads Prometheus' older format:
//! counters and gauges.

use std::fmt::Write;

use ringmain::PeerState;
use ringmain::inspect::Positions;

use super::seen::{End, Ring, Seen, State};
use crate::printable::unambiguous;

/// A family of metrics: what one name stands for.
struct Family {
    name: &'static str,
    /// Stands at the end of the name.
    unit: Option<&'static str>,
    help: &'static str,
    samples: Samples,
}

/// What a family reads of a ring.
enum Samples {
    /// What only grows, for as long as there is the ring of this id.
    Counter(fn(&Ring) -> Option<u64>),
    Gauge(fn(&Ring) -> Option<f64>),
    /// The same of each end.
    CounterOfEnds(fn(&End) -> u64),
    GaugeOfEnds(fn(&End) -> Option<f64>),
}

const FAMILIES: [Family; 13] = [
    Family {
        name: "ringmain_pushed_bytes",
        unit: Some("bytes"),
        help: "What was pushed since the ring was made: elements, or records of messages.",
        // Also what stands behind the tail of a killed producer: it waits, and the next tail is past it.
        samples: Samples::Counter(|ring| {
            let Positions { head, used, .. } = ring.positions?;
            Some(ring.bytes_since_made(head.wrapping_add(used)))
        }),
    },
    Family {
        name: "ringmain_popped_bytes",
        unit: Some("bytes"),
        help: "What was popped since the ring was made: elements, or records of messages.",
        samples: Samples::Counter(|ring| Some(ring.bytes_since_made(ring.positions?.head))),
    },
    Family {
        name: "ringmain_used_bytes",
        unit: Some("bytes"),
        help: "What waits for the consumer: elements, or records of messages.",
        samples: Samples::Gauge(|ring| Some(ring.bytes(ring.positions?.used) as f64)),
    },
    Family {
        name: "ringmain_capacity_bytes",
        unit: Some("bytes"),
        help: "What the ring holds at most: elements, or records of messages.",
        samples: Samples::Gauge(|ring| Some(ring.bytes(ring.capacity as u64) as f64)),
    },
    Family {
        name: "ringmain_element_bytes",
        unit: Some("bytes"),
        help: "The size of an element of a stream ring.",
        samples: Samples::Gauge(|ring| ring.is_stream.then_some(ring.element_size as f64)),
    },
    Family {
        name: "ringmain_memory_bytes",
        unit: Some("bytes"),
        help: "The shared memory that the ring takes.",
        samples: Samples::Gauge(|ring| Some(ring.length as f64)),
    },
    Family {
        name: "ringmain_created_timestamp_seconds",
        unit: Some("seconds"),
        help: "When the ring was made, in seconds since 1970.",
        samples: Samples::Gauge(|ring| Some(ring.created)),
    },
    Family {
        name: "ringmain_damaged",
        unit: None,
        help: "Whether the positions of the ring cannot be.",
        samples: Samples::Gauge(|ring| Some(flag(ring.positions.is_none()))),
    },
    Family {
        name: "ringmain_end_attached",
        unit: None,
        help: "Whether a process is at this end of the ring.",
        samples: Samples::GaugeOfEnds(|end| Some(flag(end.state? == PeerState::Alive))),
    },
    Family {
        name: "ringmain_end_crashed",
        unit: None,
        help: "Whether the last process at this end of the ring was killed.",
        samples: Samples::GaugeOfEnds(|end| Some(flag(end.state? == PeerState::Crashed))),
    },
    Family {
        name: "ringmain_end_attaches",
        unit: None,
        help: "How often a process has come to this end of the ring.",
        samples: Samples::CounterOfEnds(|end| end.generation),
    },
    Family {
        name: "ringmain_end_sleeps",
        unit: None,
        help: "How often this end of the ring has gone to sleep.",
        samples: Samples::CounterOfEnds(|end| end.sleeps),
    },
    Family {
        name: "ringmain_end_wakes",
        unit: None,
        help: "How often this end of the ring has woken the other one.",
        samples: Samples::CounterOfEnds(|end| end.wakes),
    },
];

/// Writes what is known of these rings.
pub(super) fn text(seen: &[Seen]) -> String {
    let mut text = String::new();
    // All that is there has a state, whatever else can be told of it.
    head(&mut text, "ringmain_rings", "gauge", None, "How many rings are in this state.");
    for state in State::OF_RINGS {
        let count = seen.iter().filter(|seen| seen.state() == state).count();
        line(&mut text, "ringmain_rings", &[("state", state.name())], count as f64);
    }
    head(&mut text, "ringmain_ring_info", "gauge", None, "What the ring is; always 1.");
    for (seen, ring) in rings(seen) {
        let tag = unambiguous(ring.type_tag.as_bytes());
        let [name, id] = identity(seen, ring);
        let kind = if ring.is_stream { "stream" } else { "message" };
        let more = [("kind", kind), ("type_tag", &*tag)];
        line(&mut text, "ringmain_ring_info", &[&[("ring", &*name), ("id", &*id)][..], &more].concat(), 1.0);
    }
    for family in &FAMILIES {
        let is_counter = matches!(family.samples, Samples::Counter(_) | Samples::CounterOfEnds(_));
        let kind = if is_counter { "counter" } else { "gauge" };
        head(&mut text, family.name, kind, family.unit, family.help);
        for (seen, ring) in rings(seen) {
            family.write(&mut text, &identity(seen, ring), ring);
        }
    }
    text + "# EOF\n"
}

impl Family {
    fn write(&self, text: &mut String, [name, id]: &[String; 2], ring: &Ring) {
        let ends = [("producer", &ring.producer), ("consumer", &ring.consumer)];
        let labels = [("ring", &**name), ("id", &**id)];
        let total = format!("{}_total", self.name);
        let of_end = |role| [labels[0], labels[1], ("role", role)];
        match self.samples {
            Samples::Counter(read) => {
                read(ring).into_iter().for_each(|value| line(text, &total, &labels, value));
            }
            Samples::Gauge(read) => {
                read(ring).into_iter().for_each(|value| line(text, self.name, &labels, value));
            }
            Samples::CounterOfEnds(read) => {
                ends.iter().for_each(|(role, end)| line(text, &total, &of_end(role), read(end)));
            }
            Samples::GaugeOfEnds(read) => {
                for (role, end) in ends {
                    read(end).into_iter().for_each(|value| line(text, self.name, &of_end(role), value));
                }
            }
        }
    }
}

/// The rings of which more is known than their state.
fn rings(seen: &[Seen]) -> impl Iterator<Item = (&Seen, &Ring)> {
    seen.iter().filter_map(|seen| Some((seen, seen.ring.as_ref()?)))
}

/// A new ring under an old name is another one.
fn identity(seen: &Seen, ring: &Ring) -> [String; 2] {
    [seen.shown_name(), format!("{:#018x}", ring.ring_id)]
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// Writes what stands before the samples of a family.
fn head(text: &mut String, name: &str, kind: &str, unit: Option<&str>, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    let _ = unit.map(|unit| writeln!(text, "# UNIT {name} {unit}"));
    let _ = writeln!(text, "# HELP {name} {}", escaped(help));
}

/// Writes a sample.
fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
    let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
}

/// Escapes what would end a value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::{broken, message, stream};
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        for line in expected {
            assert!(text.lines().any(|found| found == *line), "no {line} in:\n{text}");
        }
    }

    #[test]
    fn counters_count_from_where_the_ring_began() {
        let text = text(&[stream(), message(), broken()]);
        check(
            &text,
            &[
                "# TYPE ringmain_pushed_bytes counter",
                "# UNIT ringmain_pushed_bytes bytes",
                "ringmain_pushed_bytes_total{ring=\"samples\",id=\"0x0000000000000077\"} 79360",
                "ringmain_popped_bytes_total{ring=\"samples\",id=\"0x0000000000000077\"} 38400",
                "ringmain_used_bytes{ring=\"samples\",id=\"0x0000000000000077\"} 40960",
                "ringmain_pushed_bytes_total{ring=\"orders\",id=\"0x0000000000000077\"} 24",
                "ringmain_element_bytes{ring=\"samples\",id=\"0x0000000000000077\"} 40",
                "ringmain_created_timestamp_seconds{ring=\"orders\",id=\"0x0000000000000077\"} 1000000000.25",
                "ringmain_end_attached{ring=\"orders\",id=\"0x0000000000000077\",role=\"consumer\"} 0",
                "ringmain_end_sleeps_total{ring=\"samples\",id=\"0x0000000000000077\",role=\"consumer\"} 12",
                "ringmain_rings{state=\"live\"} 1",
                "ringmain_rings{state=\"idle\"} 1",
                "ringmain_rings{state=\"other version\"} 1",
                "ringmain_rings{state=\"damaged\"} 0",
                "# EOF",
            ],
        );
        assert!(!text.contains("ringmain_element_bytes{ring=\"orders\""), "{text}");
    }

    #[test]
    fn a_position_that_has_passed_two_to_the_64_counts_on() {
        let mut seen = stream();
        let ring = seen.ring.as_mut().unwrap();
        (ring.first_position, ring.element_size) = (u64::MAX, 1);
        ring.positions = Some(Positions { head: u64::MAX, tail: 9, used: 10 });
        check(&text(&[seen]), &["ringmain_pushed_bytes_total{ring=\"samples\",id=\"0x0000000000000077\"} 10"]);
    }

    #[test]
    fn what_was_pushed_is_what_was_popped_and_what_waits() {
        let mut seen = message();
        // A producer was killed behind a header of 16 bytes, and before its tail.
        let ring = seen.ring.as_mut().unwrap();
        (ring.first_position, ring.positions) = (0, Some(Positions { head: 64, tail: 96, used: 48 }));
        let text = text(&[seen]);
        let sample = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        let [pushed, popped] = ["ringmain_pushed_bytes_total", "ringmain_popped_bytes_total"].map(sample);
        assert_eq!((pushed - popped, popped), (sample("ringmain_used_bytes"), 64));
    }

    #[test]
    fn labels_are_escaped() {
        let mut seen = stream();
        seen.ring.as_mut().unwrap().type_tag = "a\"b\\c\n\u{1b}".to_owned();
        let text = text(&[seen]);
        // A backslash that is shown as two, which are escaped once more.
        assert!(text.contains(r#"type_tag="a\"b\\\\c\\n\\u{1b}""#), "{text}");
    }

    #[test]
    fn what_is_damaged_has_no_positions() {
        let mut seen = stream();
        seen.ring.as_mut().unwrap().positions = None;
        let text = text(&[seen]);
        check(&text, &["ringmain_rings{state=\"damaged\"} 1"]);
        assert!(!text.contains("ringmain_pushed_bytes_total") && text.contains("ringmain_memory_bytes{"), "{text}");
    }
}
