//! A tap of a ring whose ends work, and of one that is written over.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Tapping;

thread_local!(static TAPPING: Tapping = Tapping::default());

fuzz_target!(|input: &[u8]| TAPPING.with(|tapping| tapping.round(input)));
