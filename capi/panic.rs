//! What a panic does in the shared library, and a lack of memory: it says where it was and why, and aborts. build.rs
//! compiles this, and puts in what the functions are called.

#![no_std]

use core::ffi::c_int;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

unsafe extern "C" {
    fn write(descriptor: c_int, bytes: *const u8, len: usize) -> isize;
    fn abort() -> !;
}

struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: so many bytes are there.
        let written = unsafe { write(2, text.as_ptr(), text.len()) };
        if written == text.len() as isize { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Takes the place of the panic handler of the standard library.
#[unsafe(export_name = "PANIC")]
extern "Rust" fn panicked(info: &PanicInfo<'_>) -> ! {
    end(format_args!("libringmain {info}\nThis is a bug of the library."))
}

/// Takes the place of what the standard library does if there is no memory for a handle.
#[unsafe(export_name = "NO_MEMORY")]
extern "Rust" fn no_memory(size: usize, _align: usize) -> ! {
    end(format_args!("libringmain: no memory for {size} bytes"))
}

fn end(words: fmt::Arguments<'_>) -> ! {
    // What cannot be written is lost.
    let _ = writeln!(Stderr, "{words}");
    // SAFETY: it is always right.
    unsafe { abort() }
}
