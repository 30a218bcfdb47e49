//! Any bytes under the name of a ring, looked at from outside.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Inspected;

thread_local!(static INSPECTED: Inspected = Inspected::default());

fuzz_target!(|input: &[u8]| INSPECTED.with(|inspected| inspected.round(input)));
