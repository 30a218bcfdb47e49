//! What a process may find in the variable that names a ring.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Inheritance;

thread_local!(static INHERITANCE: Inheritance = Inheritance::default());

fuzz_target!(|input: &[u8]| INHERITANCE.with(|inheritance| inheritance.round(input)));
