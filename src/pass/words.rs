//! Words as they go through a socket: what a greeting and an answer consist of.

use std::ops::RangeInclusive;

use super::PassError;

/// Writes words as they go through a socket.
pub(super) fn bytes_of<const LEN: usize>(words: &[u64]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// Reads the words that have arrived completely.
pub(super) fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes))
}

/// Checks the words that have arrived completely: the first three, and the fourth, given by its name and the values
/// that it may have.
pub(super) fn check(
    bytes: &[u8],
    [magic, version, len]: [u64; 3],
    fourth: (&'static str, RangeInclusive<u64>),
) -> Result<(), PassError> {
    let words = [("magic", magic..=magic), ("version", version..=version), ("length", len..=len), fourth];
    let refused = words_of(bytes).zip(words).find(|(found, (_, expected))| !expected.contains(found));
    match refused {
        Some((found, (word, expected))) => Err(PassError::OtherProtocol { word, found, expected }),
        None => Ok(()),
    }
}
