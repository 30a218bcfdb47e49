//! ringmain for C: `include/ringmain.h` is made of this crate, `docs/c.md` is the guide to it.
//!
//! Each call checks what can be checked of its arguments, makes one call of the library, and turns the result into a
//! number: 0 or a count, or a negative errno. A handle is on the heap, and keeps the guard of the library (a claim, a
//! peek, a batch) that its user has open ([`end`]). The reason of a failure is kept for its thread, as the small value
//! that the library returned, and becomes words when they are asked for ([`code`]).
//!
//! # Safety
//!
//! What holds for every call is said once, at the head of the header. A handle is one that was attached and not
//! closed, and no other thread uses it now. A pointer is valid for what it points to, as long as its parameter says. A
//! text ends with a 0. In the `SAFETY` comments that is the caller's promise.
//!
//! A panic cannot leave this library: one that reaches an `extern "C"` function aborts the process, in every profile.
//! What is installed is built by the profile `capi`, which aborts at once and so has no code to unwind.

#![allow(unsafe_code, reason = "every function takes pointers from C")]
#![allow(clippy::missing_safety_doc, reason = "it is the same for all, and stands above")]
#![allow(non_camel_case_types, reason = "types are named as in C")]

// In the order of the header.
pub mod code;

pub mod options;

pub mod end;

pub mod stream;

pub mod message;

pub mod set;

pub mod pass;

pub mod look;
