//! One end of a message ring makes calls while whatever is written into the segment.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use ringmain_fuzz::Victims;

thread_local!(static VICTIMS: RefCell<Victims> = RefCell::new(Victims::of_messages()));

fuzz_target!(|input: &[u8]| VICTIMS.with_borrow_mut(|victims| victims.round(input)));
