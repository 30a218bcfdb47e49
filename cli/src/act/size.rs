//! Numbers of bytes and modes, as they are given on the command line.

use anyhow::{Context, Result, ensure};

/// Reads a number with K, M or G behind it, which are powers of 1024.
pub(super) fn parse_size(text: &str) -> Result<usize> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib") {
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => anyhow::bail!("unit {unit:?}; expected K, M or G, powers of 1024"),
    };
    let number: usize = digits.parse().context("expected a number, and K, M or G behind it or nothing")?;
    let size = number.checked_mul(1 << shift).context("more than there can be")?;
    ensure!(size > 0, "expected at least 1");
    ensure!(isize::try_from(size).is_ok(), "more than an address space has");
    Ok(size)
}

/// Reads permissions, which are octal.
pub(super) fn parse_mode(text: &str) -> Result<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8).context("expected octal permissions, such as 0600")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, size) in [("7", 7), ("4K", 4096), ("1M", 1 << 20), ("2g", 2 << 30), ("64KiB", 65_536), ("3b", 3)] {
            assert_eq!(parse_size(text).unwrap(), size, "{text}");
        }
        for text in ["", "K", "0", "1T", "-1", "1.5M", "99999999999G", "8589934592G", "1 M"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("0600").unwrap(), 0o600);
        assert_eq!(parse_mode("0o660").unwrap(), 0o660);
        assert!(parse_mode("rw").is_err());
    }
}
