//! Values of 32 bytes: what a message ring carries beside rtrb's `[u8; 32]`.

use bytemuck::cast;

/// What is carried.
pub(crate) type Value = [u8; 32];

/// Makes a value of a number, which every byte of it depends on.
#[inline(always)]
pub(crate) fn of_number(number: u64) -> Value {
    cast([number, number.wrapping_add(1), number.wrapping_add(2), number.wrapping_add(3)])
}

/// Returns the number of a value, reading every byte of it.
#[inline(always)]
pub(crate) fn number(value: Value) -> u64 {
    let words: [u64; 4] = cast(value);
    words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)).wrapping_sub(6) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gives_its_number_back() {
        for number_of_it in [0, 1, 77, 1 << 40] {
            assert_eq!(number(of_number(number_of_it)), number_of_it);
        }
    }

    #[test]
    fn a_value_of_which_a_byte_is_wrong_has_another_number() {
        for at in 0..32 {
            let mut value = of_number(1000);
            value[at] ^= 4;
            assert_ne!(number(value), 1000, "byte {at}");
        }
    }
}
