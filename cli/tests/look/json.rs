//! JSON as programs read it: an object per line, and no number that some of them cannot keep.

use serde_json::Value;

use crate::program::{json, text};
use crate::ring::Name;

/// The largest whole number that all readers keep. `jq` before 1.7 has all numbers as floating-point ones, as
/// JavaScript has.
const LARGEST: u64 = (1 << 53) - 1;

#[track_caller]
fn check(value: &Value, arguments: &[&str]) {
    match value {
        Value::Number(number) => {
            let is_kept = number.as_u64().is_none_or(|number| number <= LARGEST) && number.as_i64() != Some(i64::MIN);
            assert!(is_kept, "{arguments:?}: {number}");
        }
        Value::Array(values) => values.iter().for_each(|value| check(value, arguments)),
        Value::Object(values) => values.values().for_each(|value| check(value, arguments)),
        _ => {}
    }
}

#[test]
fn every_line_of_json_is_an_object_whose_numbers_all_readers_keep() {
    let name = Name::new();
    let start = !4095_u64;
    let mut tx = name.options().capacity(8192).start_at(start).message_producer().unwrap();
    (0..3).for_each(|_| tx.push(&[7; 100]).unwrap());
    let seed = (u64::MAX - 1).to_string();
    let bench =
        ["bench", "--quick", "--test", "rtt", "--size", "8", "--rounds", "1", "--transport", "stream", "--json"];
    let verbs: [&[&str]; 7] = [
        &["ls", "--json"],
        &["stat", &name.0, "--json", "--interval", "10ms"],
        &["watch", &name.0, "--json", "--interval", "10ms", "--count", "2"],
        &["tap", &name.0, "--json"],
        &["doctor", "--json"],
        &["chaos", "--seconds", "1", "--json", "--seed", &seed],
        &bench,
    ];
    for arguments in verbs {
        let output = crate::program::output(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value.is_object(), "{line}");
            check(&value, arguments);
        }
    }
    // A message has no size that all have.
    let messages = json(&["ls", "--json"], &name);
    assert_eq!((&messages["element"], &messages["kind"]), (&Value::Null, &"message".into()));
    // They are the digits.
    let stat = json(&["stat", &name.0, "--json", "--interval", "10ms"], &name);
    assert_eq!((&stat["head"], &stat["used"]), (&start.to_string().into(), &336.into()));
    let first = text(&["tap", &name.0, "--json", "--count", "1"]);
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["position"], start.to_string());
}
