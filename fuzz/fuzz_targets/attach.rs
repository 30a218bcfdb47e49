//! Any bytes under the name of a ring: both ends of every kind come, and those that may attach work a little.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Object;

thread_local!(static OBJECT: Object = Object::default());

fuzz_target!(|input: &[u8]| OBJECT.with(|object| object.round(input)));
