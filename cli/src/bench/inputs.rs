//! What the user writes after an option, and how it is read.

/// The lengths of a message that there are: powers of two, since each is compiled on its own.
pub(crate) const SIZES: [usize; 14] = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// Reads a `--size`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<usize>().ok();
    size.filter(|size| SIZES.contains(size)).ok_or_else(|| {
        let supported: Vec<String> = SIZES.iter().map(usize::to_string).collect();
        format!("expected a number of bytes, one of {}", supported.join(", "))
    })
}

/// Where the records of a message ring can start.
const ALIGNMENTS: [usize; 4] = [8, 16, 32, 64];

/// Reads `--align`.
pub(crate) fn parse_align(text: &str) -> Result<usize, String> {
    let align = text.parse::<usize>().ok();
    align.filter(|align| ALIGNMENTS.contains(align)).ok_or_else(|| "expected 8, 16, 32 or 64".to_owned())
}

/// Reads `--cpus`.
pub(crate) fn parse_processors(text: &str) -> Result<[usize; 2], String> {
    text.split_once(',')
        .and_then(|(first, second)| Some([first.parse().ok()?, second.parse().ok()?]))
        .ok_or_else(|| "expected the numbers of two processors with a comma between, like 0,1".to_owned())
}

/// The most rings each way in `waitset`: a descriptor of each goes to the peer in one packet, which holds 253.
const MOST_RINGS: usize = 126;

/// Reads a `--rings`.
pub(crate) fn parse_rings(text: &str) -> Result<usize, String> {
    let rings = text.parse::<usize>().ok();
    rings
        .filter(|rings| (1..=MOST_RINGS).contains(rings))
        .ok_or_else(|| format!("expected a number of rings from 1 to {MOST_RINGS}"))
}

/// The highest rate: beyond it, the clock is most of what a source does.
const HIGHEST_RATE: u64 = 10_000_000;

/// Reads a `--rate`.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match (text.strip_suffix('k'), text.strip_suffix('M')) {
        (Some(digits), _) => (digits, 1000),
        (_, Some(digits)) => (digits, 1_000_000),
        _ => (text, 1),
    };
    let rate = digits.parse::<u64>().ok().and_then(|rate| rate.checked_mul(unit));
    rate.filter(|rate| (1..=HIGHEST_RATE).contains(rate))
        .ok_or_else(|| "expected messages per second from 1 to 10M, like 100 or 10k".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_from_8_to_65536() {
        for size in SIZES {
            assert_eq!(parse_size(&size.to_string()), Ok(size));
        }
        for text in ["0", "4", "12", "131072", "-8", "8k", "", "18446744073709551616"] {
            let error = parse_size(text).unwrap_err();
            assert!(error.contains("8, 16, 32"), "{text}: {error}");
        }
    }

    #[test]
    fn processors_are_two_numbers() {
        assert_eq!(parse_processors("0,1"), Ok([0, 1]));
        assert_eq!(parse_processors("12,3"), Ok([12, 3]));
        for text in ["", "0", "0,", "0,1,2", "a,b", "0 1", "-1,0"] {
            assert!(parse_processors(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rings_are_at_least_one_and_no_more_than_a_packet_has_room_for() {
        assert_eq!([parse_rings("1"), parse_rings("126")], [Ok(1), Ok(126)]);
        for text in ["", "0", "127", "-1", "a"] {
            assert!(parse_rings(text).unwrap_err().contains("from 1 to 126"), "{text}");
        }
    }

    #[test]
    fn rates_are_counts_with_or_without_a_unit() {
        for (text, rate) in [("1", 1), ("100", 100), ("10k", 10_000), ("10M", 10_000_000)] {
            assert_eq!(parse_rate(text), Ok(rate));
        }
        for text in ["", "0", "0k", "x", "k", "-1", "1.5k", "11M", "10kM", "18446744073709551615M"] {
            let error = parse_rate(text).unwrap_err();
            assert!(error.contains("from 1 to 10M"), "{text}: {error}");
        }
    }
}
