//! Paths of a few bytes, made without an allocation: sleepers need some, and processes that exit.

use std::ffi::CStr;
use std::fmt;
use std::io::Write;

/// Makes a call with a path; with an empty one, which no file has, if it is too long.
pub(super) fn with_path<R>(path: fmt::Arguments<'_>, call: impl FnOnce(&CStr) -> R) -> R {
    let mut bytes = [0; 64];
    let (mut text, _end) = bytes.split_at_mut(63);
    let is_short = text.write_fmt(path).is_ok();
    call(CStr::from_bytes_until_nul(&bytes).ok().filter(|_| is_short).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_is_that_of_no_file() {
        for len in [0, 1, 63, 64, 65, 200] {
            let given = "x".repeat(len);
            let made = with_path(format_args!("{given}"), |path| path.to_str().unwrap().to_owned());
            assert_eq!(made, if len <= 63 { given } else { String::new() });
        }
    }
}
