//! What is carried: values of 8 to 1024 bytes, each made of a number that every byte of it depends on.

/// The sizes that are measured, in bytes.
pub(crate) const SIZES: [usize; 5] = [8, 32, 64, 256, 1024];

/// A value of `8 * WORDS` bytes; `WORDS` is a power of two.
pub(crate) type Value<const WORDS: usize> = [u64; WORDS];

/// Makes a value of a number, which every byte of it depends on.
#[inline(always)]
pub(crate) fn of_number<const WORDS: usize>(number: u64) -> Value<WORDS> {
    std::array::from_fn(|at| number.wrapping_add(at as u64))
}

/// Returns the number of a value, reading every byte of it. A value of which a byte is wrong has another number.
#[inline(always)]
pub(crate) fn number<const WORDS: usize>(value: &Value<WORDS>) -> u64 {
    let added = (WORDS * (WORDS - 1) / 2) as u64;
    let sum = value.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)).wrapping_sub(added);
    // A division by the number of words that loses nothing of what should not be there.
    sum.rotate_right(WORDS.trailing_zeros())
}

/// Calls a function that has the number of words as its parameter, by the size in bytes.
macro_rules! by_size {
    ($size:expr, $function:ident::<$subject:ty>($($argument:expr),*)) => {
        match $size {
            8 => $function::<$subject, 1>($($argument),*),
            32 => $function::<$subject, 4>($($argument),*),
            64 => $function::<$subject, 8>($($argument),*),
            256 => $function::<$subject, 32>($($argument),*),
            1024 => $function::<$subject, 128>($($argument),*),
            size => Err(format!("size {size}; expected one of {:?}", $crate::values::SIZES).into()),
        }
    };
}

pub(crate) use by_size;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_round_trip<const WORDS: usize>() {
        for number_of_it in [0, 1, 77, 1 << 40] {
            assert_eq!(number(&of_number::<WORDS>(number_of_it)), number_of_it);
        }
    }

    #[track_caller]
    fn check_every_byte_counts<const WORDS: usize>() {
        for bit in 0..64 * WORDS {
            let mut value = of_number::<WORDS>(1000);
            value[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(number(&value), 1000, "bit {bit}");
        }
    }

    #[test]
    fn a_value_gives_its_number_back() {
        check_round_trip::<1>();
        check_round_trip::<4>();
        check_round_trip::<128>();
    }

    #[test]
    fn a_value_of_which_a_bit_is_wrong_has_another_number() {
        check_every_byte_counts::<1>();
        check_every_byte_counts::<4>();
        check_every_byte_counts::<128>();
    }
}
