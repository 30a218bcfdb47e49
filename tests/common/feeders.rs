//! Parts that feed a ring: one as fast as it goes, beside one with a message now and then.

use std::thread;
use std::time::Duration;

use ringmain::stream;

use super::Part;

/// Pushes elements as fast as they go.
pub(crate) fn flooder(part: &mut Part) {
    let mut tx: stream::Producer<u64> = part.options().stream_producer().unwrap();
    part.say("attached");
    while tx.blocking().push(0).is_ok() {}
}

/// Pushes a message each millisecond.
pub(crate) fn ticker(part: &mut Part) {
    let mut tx = part.options().message_producer().unwrap();
    part.say("attached");
    part.hear();
    for number in 0..part.argument(0) {
        thread::sleep(Duration::from_millis(1));
        tx.blocking().push_value::<u64>(&number).unwrap();
    }
    part.hear();
}
