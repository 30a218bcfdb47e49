//! What a bridge reads from the network: queries, answers and records.

use ringmain_bridge::protocol::{Answer, Kind, Query};
use ringmain_bridge::records;

/// The bytes of a query that mean nothing.
const UNUSED: std::ops::Range<usize> = 74..80;

/// The longest tag and the longest name of a query, and the longest text of an answer.
const LONGEST: [usize; 3] = [64, 96, 512];

/// Reads an input, whose first byte says as what.
///
/// # Panics
///
/// If what is read cannot be, or is not what stands there.
pub fn parse(input: &[u8]) {
    let Some((chosen, bytes)) = input.split_first() else { return };
    match chosen % 6 {
        0 => query(bytes),
        1 => answer(bytes),
        chosen => walk(bytes, 8 << (chosen - 2)),
    }
}

fn query(bytes: &[u8]) {
    let asked = match Query::read(bytes) {
        Ok(asked) => asked,
        Err(malformed) => return assert!(!malformed.to_string().contains(char::is_control), "{malformed}"),
    };
    let shape = &asked.shape;
    assert!(shape.ring_id != 0 && shape.capacity.is_power_of_two(), "{shape:?}");
    match shape.kind {
        Kind::Stream(element) => {
            assert!(element.size() > 0 && element.size().is_multiple_of(element.align()), "{element:?}");
        }
        Kind::Message(align) => {
            assert!([8, 16, 32, 64].contains(&align), "{align}");
            assert!([asked.first, asked.head].iter().all(|position| position % align as u64 == 0), "{asked:?}");
        }
    }
    assert!(shape.tag.len() <= LONGEST[0] && asked.name.len() <= LONGEST[1], "{asked:?}");
    assert!(!asked.name.contains(char::is_control), "{asked:?}");
    assert!(bytes.ends_with(asked.records));
    // It is what stands there.
    let mut again = Vec::new();
    asked.begin(&mut again);
    again.extend(asked.records);
    let (mut found, mut expected) = (again.clone(), bytes.to_vec());
    for bytes in [&mut found, &mut expected] {
        bytes[UNUSED].fill(0);
        // A name is shown, so what would move a cursor is something else.
        let name = bytes.len() - asked.records.len() - usize::from(bytes[73])..bytes.len() - asked.records.len();
        bytes.drain(name);
        bytes[73] = 0;
    }
    assert_eq!(found, expected);
    let once_more = Query::read(&again).expect("what was written can be read");
    // Characters of several bytes are replaced by one of one byte: only then is the name another one.
    assert_eq!(once_more, asked);
}

fn answer(bytes: &[u8]) {
    match Answer::read(bytes) {
        Ok(answer) => {
            if let Answer::Refused(text) = &answer {
                assert!(text.len() <= LONGEST[2] && !text.contains(char::is_control), "{text:?}");
            }
            assert_eq!(Answer::read(&answer.write()), Ok(answer));
        }
        Err(malformed) => assert!(!malformed.to_string().contains(char::is_control), "{malformed}"),
    }
}

/// Reads one record after the other.
fn walk(bytes: &[u8], align: usize) {
    let mut at = 0;
    while at < bytes.len() {
        let Ok(record) = records::read(bytes, at, align) else { return };
        assert!(record.size > record.message.len() && record.size.is_multiple_of(align), "{record:?}");
        assert_eq!(record.size, records::size(record.message.len(), align));
        at += record.size;
        assert!(at <= bytes.len(), "it goes beyond the end");
        assert!(align > 8 || record.word == 0, "there is no room for a word");
    }
}
