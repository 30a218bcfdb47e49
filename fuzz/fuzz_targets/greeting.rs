//! What a peer may send where a descriptor is received.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Greeting;

thread_local!(static GREETING: Greeting = Greeting::default());

fuzz_target!(|input: &[u8]| GREETING.with(|greeting| greeting.round(input)));
