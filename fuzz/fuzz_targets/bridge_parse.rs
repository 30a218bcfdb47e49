//! What a bridge reads from the network.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| ringmain_fuzz::bridge::parse(input));
