//! Numbers of bytes, and modes of files, on a command line.

/// Reads a number of bytes, with K, M or G.
///
/// # Errors
///
/// A text: it is none.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.char_indices().next_back() {
        Some((end, 'K' | 'k')) => (&text[..end], 10),
        Some((end, 'M' | 'm')) => (&text[..end], 20),
        Some((end, 'G' | 'g')) => (&text[..end], 30),
        _ => (text, 0),
    };
    let size = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(1 << shift)).filter(|&size| size > 0);
    size.ok_or_else(|| format!("expected a number of bytes, such as 65536, 64K or 1M, found {text:?}"))
}

/// Reads permissions, in octal digits.
///
/// # Errors
///
/// A text: they are none.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .map_err(|_| format!("expected permissions in octal digits, such as 0600, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(["7", "2K", "3m", "1G"].map(parse_size), [7, 2048, 3 << 20, 1 << 30].map(Ok));
        for text in ["", "K", "0", "-1", "1T", "1.5M", "99999999999G", "ä"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0640"), Ok(0o640));
        assert!(parse_mode("0680").is_err());
    }
}
