//! `stat --format openmetrics`, read as strictly as the format allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::program::{check_refused, ringmain, text};
use crate::ring::{Name, TAIL};

/// The labels of a sample.
type Labels = BTreeMap<String, String>;

/// A family of metrics, as a reader of OpenMetrics has it.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: Option<String>,
    unit: Option<String>,
    help: Option<String>,
    samples: Vec<(Labels, f64)>,
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_letter) && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// Reads labels up to the brace behind them, and returns what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or_else(|| format!("no label: {rest}"))?;
        if !is_name(name) || name.starts_with("__") {
            return Err(format!("no name of a label: {name}"));
        }
        let (mut value, mut letters) = (String::new(), behind.char_indices());
        rest = loop {
            match letters.next().ok_or("a value without an end")? {
                (at, '"') => break &behind[at + 1..],
                (_, '\\') => value.push(match letters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, letter @ ('\\' | '"'))) => letter,
                    other => return Err(format!("no escape: {other:?}")),
                }),
                (_, letter) => value.push(letter),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} twice"));
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((labels, rest.strip_prefix('}').ok_or_else(|| format!("no brace: {rest}"))?)),
        }
    }
}

/// Reads metrics; the first thing that is not as it must be is an error.
fn parse(text: &str) -> Result<Vec<Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no end")?;
    let (mut families, mut seen): (Vec<Family>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
    for line in body.split_terminator('\n') {
        let refuse = |why: &str| Err(format!("{why}: {line:?}"));
        if line.contains('\r') {
            return refuse("a line that ends otherwise");
        }
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (Some(what), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
                return refuse("less than three words");
            };
            if !is_name(name) {
                return refuse("no name");
            }
            if families.last().is_none_or(|family| family.name != name) {
                if families.iter().any(|family| family.name == name) {
                    return refuse("a family in two parts");
                }
                families.push(Family { name: name.to_owned(), ..Family::default() });
            }
            let family = families.last_mut().unwrap();
            if !family.samples.is_empty() {
                return refuse("behind samples");
            }
            let place = match what {
                "TYPE" if !matches!(value, "counter" | "gauge") => return refuse("a type that not all readers know"),
                "TYPE" => &mut family.kind,
                "UNIT" if !name.ends_with(&format!("_{value}")) => return refuse("a unit that is not in the name"),
                "UNIT" => &mut family.unit,
                "HELP" => &mut family.help,
                _ => return refuse("neither TYPE nor UNIT nor HELP"),
            };
            if value.is_empty() || place.replace(value.to_owned()).is_some() {
                return refuse("empty, or said twice");
            }
            continue;
        }
        let Some((name, rest)) = line.split_once('{') else { return refuse("no labels") };
        let Some(family) = families.last_mut() else { return refuse("no family") };
        let is_counter = match family.kind.as_deref() {
            Some("counter") => true,
            Some(_) => false,
            None => return refuse("no type"),
        };
        if name != if is_counter { format!("{}_total", family.name) } else { family.name.clone() } {
            return refuse("of another family");
        }
        let (labels, rest) = labels(rest)?;
        let Some(value) = rest.strip_prefix(' ') else { return refuse("no value") };
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
        let Some(value) = value.parse::<f64>().ok().filter(|value| is_number && value.is_finite()) else {
            return refuse("no number, or a time behind it");
        };
        if is_counter && value < 0.0 {
            return refuse("a counter below zero");
        }
        if !seen.insert(format!("{name}{labels:?}")) {
            return refuse("said twice");
        }
        family.samples.push((labels, value));
    }
    let names: BTreeSet<&str> = families.iter().map(|family| &*family.name).collect();
    for family in &families {
        let reserved =
            ["_total", "_created", "_info", "_bucket", "_count", "_sum"].map(|end| family.name.clone() + end);
        if let Some(name) = reserved.iter().find(|name| names.contains(&***name)) {
            return Err(format!("{name} is a family, and could be a sample of {}", family.name));
        }
        if family.help.is_none() || family.kind.is_none() {
            return Err(format!("{} has no help, or no type", family.name));
        }
    }
    Ok(families)
}

/// The value of a metric of this ring, or of one end.
#[track_caller]
fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> f64 {
    let family = families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no {name}"));
    let is_it = |found: &Labels| labels.iter().all(|(key, value)| found.get(*key).map(String::as_str) == Some(value));
    let values: Vec<f64> = family.samples.iter().filter(|(found, _)| is_it(found)).map(|(_, value)| *value).collect();
    assert_eq!(values.len(), 1, "{name} of {labels:?}");
    values[0]
}

#[track_caller]
fn metrics(arguments: &[&str]) -> Vec<Family> {
    let text = text(&[&["stat", "--format", "openmetrics"], arguments].concat());
    parse(&text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

#[test]
fn metrics_are_as_openmetrics_has_them() {
    let (stream, message, damaged) = (Name::new(), Name::new(), Name::new());
    let options = stream.options().capacity(64).start_at(u64::MAX - 1).type_tag("a \"tag\"\\\n");
    let (mut tx, mut rx) = (options.stream_producer::<u64>().unwrap(), options.stream_consumer::<u64>().unwrap());
    (0..5).for_each(|number| tx.push(number).unwrap());
    rx.pop().unwrap();
    drop(rx);
    let mut messages = message.options().capacity(4096).message_producer().unwrap();
    messages.push(&[7; 24]).unwrap();
    drop(damaged.options().capacity(64).stream_producer::<u64>().unwrap());
    damaged.set_word(TAIL, 1000);
    let all = metrics(&[]);
    let of = |name, labels: &[(&str, &str)]| value(&all, name, labels);
    let ring = ("ring", &*stream.0);
    assert_eq!(of("ringmain_pushed_bytes", &[ring]), 40.0);
    assert_eq!(of("ringmain_popped_bytes", &[ring]), 8.0);
    assert_eq!(of("ringmain_used_bytes", &[ring]), 32.0);
    assert_eq!(of("ringmain_capacity_bytes", &[ring]), 512.0);
    assert_eq!(of("ringmain_element_bytes", &[ring]), 8.0);
    assert_eq!(of("ringmain_ring_info", &[ring, ("kind", "stream"), ("type_tag", "a \"tag\"\\\\\\n")]), 1.0);
    for (role, attached) in [("producer", 1.0), ("consumer", 0.0)] {
        assert_eq!(of("ringmain_end_attached", &[ring, ("role", role)]), attached);
        assert_eq!(of("ringmain_end_attaches", &[ring, ("role", role)]), 1.0);
        assert_eq!(of("ringmain_end_crashed", &[ring, ("role", role)]), 0.0);
    }
    assert_eq!(of("ringmain_pushed_bytes", &[("ring", &message.0)]), 32.0);
    assert_eq!([&stream, &damaged].map(|name| of("ringmain_damaged", &[("ring", &name.0)])), [0.0, 1.0]);
    // Other tests have damaged ones, too.
    assert!(of("ringmain_rings", &[("state", "damaged")]) >= 1.0);
    // One alone.
    let one = metrics(&[&message.0]);
    assert_eq!(value(&one, "ringmain_pushed_bytes", &[]), 32.0);
    assert_eq!(value(&one, "ringmain_rings", &[("state", "live")]), 1.0);
}

#[test]
fn no_two_tags_have_one_label() {
    // What a terminal would obey, and what it is shown as; what ends a value, and a label that another tag seems to be.
    let tags = ["\x1b", r"\u{1b}", r"\\u{1b}", "\n", r"\n", "\"", r#"\""#, r#"",id="0"#, "\u{202e}", "é ", " ", "\\"];
    let rings = tags.map(|tag| {
        let name = Name::new();
        drop(name.options().capacity(64).type_tag(tag).stream_producer::<u64>().unwrap());
        name
    });
    let text = text(&["stat", "--format", "openmetrics"]);
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n' || letter == '\u{202e}'), "{text:?}");
    let families = parse(&text).unwrap();
    let info = families.iter().find(|family| family.name == "ringmain_ring_info").unwrap();
    let label = |name: &Name| {
        let mut samples = info.samples.iter().filter(|(labels, _)| labels["ring"] == name.0);
        let (labels, _) = samples.next().unwrap();
        assert!(samples.next().is_none());
        labels["type_tag"].clone()
    };
    let labels: BTreeSet<String> = rings.iter().map(label).collect();
    assert_eq!(labels.len(), tags.len(), "{labels:?}");
    assert_eq!(label(&rings[7]), r#"",id="0"#);
}

#[test]
fn a_new_ring_under_an_old_name_has_counters_of_its_own() {
    let name = Name::new();
    let look = || {
        let mut tx = name.options().capacity(64).stream_producer::<u64>().unwrap();
        tx.push(1).unwrap();
        let families = metrics(&[&name.0]);
        let family = families.into_iter().find(|family| family.name == "ringmain_pushed_bytes").unwrap();
        let [(labels, value)] = &family.samples[..] else { panic!("{family:?}") };
        (labels["id"].clone(), *value)
    };
    let (first, again) = (look(), look());
    assert_eq!((first.1, again), (8.0, (first.0.clone(), 16.0)));
    fs::remove_file(name.path()).unwrap();
    let other = look();
    assert!(other.0 != first.0 && other.1 == 8.0, "{other:?}");
}

#[test]
fn metrics_of_what_is_not_there_or_of_columns_are_refused() {
    let missing = Name::new();
    check_refused(&mut ringmain(&["stat", &missing.0, "--format", "openmetrics"]), 1, &[&missing.0, "ringmain ls"]);
    check_refused(&mut ringmain(&["stat", "--format", "openmetrics", "-o", "name"]), 2, &["--output"]);
    check_refused(&mut ringmain(&["stat", "--format", "text"]), 2, &["the name of a ring"]);
    check_refused(&mut ringmain(&["stat", &missing.0, "--format", "json", "--json"]), 2, &["--json"]);
}

#[test]
fn what_is_no_openmetrics_is_found() {
    let right = "# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes All.\n\
                 a_bytes_total{x=\"1\",y=\"\\\"\"} 1\n# TYPE b gauge\n# HELP b Now.\nb{x=\"1\"} 1.5\n# EOF\n";
    assert_eq!(parse(right).unwrap().len(), 2);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF\n\n"),
        ("# TYPE b", "\n# TYPE b"),
        ("# TYPE a_bytes counter\n", ""),
        ("# TYPE a_bytes counter", "# TYPE a_bytes info"),
        ("# UNIT a_bytes bytes", "# UNIT a_bytes seconds"),
        ("# HELP a_bytes All.\n", ""),
        ("# HELP a_bytes All.", "# HELP a_bytes All.\n# HELP a_bytes All."),
        ("# HELP b Now.", "# HELP a_bytes Again."),
        ("# TYPE b gauge\n# HELP b Now.\nb{", "# TYPE a_bytes_total gauge\n# HELP a_bytes_total N.\na_bytes_total{"),
        ("a_bytes_total{", "a_bytes{"),
        ("b{x=\"1\"}", "b_total{x=\"1\"}"),
        ("b{x=\"1\"} 1.5", "b{x=\"1\"} 1.5\nb{x=\"1\"} 1.5"),
        ("y=\"\\\"\"", "y=\"\"\""),
        ("y=\"\\\"\"", "x=\"2\""),
        ("y=\"\\\"\"", "y=\"\\t\""),
        ("y=", "1y="),
        ("} 1\n", "} -1\n"),
        ("} 1\n", "} 1 1700000000\n"),
        ("} 1.5", "} nan"),
        ("} 1.5", ""),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert!(wrong != right && parse(&wrong).is_err(), "{wrong}");
    }
}
