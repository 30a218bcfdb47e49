//! What any senders can do to the receiver of a bridge.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::bridge::Receiving;

thread_local!(static RECEIVING: Receiving = Receiving::default());

fuzz_target!(|input: &[u8]| RECEIVING.with(|receiving| receiving.round(input)));
