//! What whoever answers can do to the sender of a bridge.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::bridge::Sending;

thread_local!(static SENDING: Sending = Sending::default());

fuzz_target!(|input: &[u8]| SENDING.with(|sending| sending.round(input)));
