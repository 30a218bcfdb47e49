//! Streams whose elements have a size that is known only when they are met.
//!
//! Handles have the size in their type. So there is one for each size of a list, behind a trait.

use anyhow::Result;
use bytemuck::{cast_slice, cast_slice_mut};
use ringmain::stream::{Consumer, Element, Producer};
use ringmain::{Error, Options, PopError, PushError};

use super::peer::End;

/// The writing end of a stream of elements.
pub(super) trait Sink: End {
    /// Pushes as many whole elements as there is room for, and returns how many bytes they have.
    fn push(&mut self, bytes: &[u8]) -> Result<usize, PushError>;
}

/// The reading end of a stream of elements.
pub(super) trait Source: End {
    /// Copies the elements that are there and fit, leaves them in the ring, and returns how many bytes they have.
    fn copy(&mut self, bytes: &mut [u8]) -> Result<usize, PopError>;
    /// Gives elements back that were copied.
    fn release(&mut self, bytes: usize) -> Result<(), PopError>;
}

/// Elements that are arrays of bytes.
trait Array: Element {
    fn of(bytes: &[u8]) -> &[Self];
    fn of_mut(bytes: &mut [u8]) -> &mut [Self];
}

impl<T: Array> Sink for Producer<T> {
    fn push(&mut self, bytes: &[u8]) -> Result<usize, PushError> {
        Ok(self.push_slice(T::of(bytes))? * size_of::<T>())
    }
}

impl<T: Array> Source for Consumer<T> {
    fn copy(&mut self, bytes: &mut [u8]) -> Result<usize, PopError> {
        let elements = T::of_mut(bytes);
        let peek = self.peek_up_to(elements.len())?;
        let len = peek.len();
        peek.copy_to_slice(0, &mut elements[..len]);
        Ok(len * size_of::<T>())
    }

    fn release(&mut self, bytes: usize) -> Result<(), PopError> {
        self.peek(bytes / size_of::<T>())?.release();
        Ok(())
    }
}

macro_rules! sizes {
    ($($size:literal)*) => {
        $(
            impl Array for [u8; $size] {
                fn of(bytes: &[u8]) -> &[Self] {
                    cast_slice(bytes)
                }

                fn of_mut(bytes: &mut [u8]) -> &mut [Self] {
                    cast_slice_mut(bytes)
                }
            }
        )*

        /// The sizes that elements can have here.
        const SIZES: &[usize] = &[$($size),*];

        /// Attaches as the producer of elements of a size; `None` where that is not one of those here.
        pub(super) fn sink(options: &Options, size: usize) -> Option<Result<Box<dyn Sink>, Error>> {
            match size {
                $($size => Some(options.stream_producer::<[u8; $size]>().map(|tx| Box::new(tx) as _)),)*
                _ => None,
            }
        }

        /// Attaches as the consumer of elements of a size; `None` where that is not one of those here.
        pub(super) fn source(options: &Options, size: usize) -> Option<Result<Box<dyn Source>, Error>> {
            match size {
                $($size => Some(options.stream_consumer::<[u8; $size]>().map(|rx| Box::new(rx) as _)),)*
                _ => None,
            }
        }
    };
}

sizes! {
    2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 20 24 28 32 36 40 44 48 52 56 60 64 72 80 88 96 104 112 120 128 144 160 176 192
    208 224 240 256 512 1024 2048 4096 8192 16384 32768 65536
}

/// Returns whether elements of this size can be moved.
pub(super) fn is_possible(size: usize) -> bool {
    SIZES.contains(&size)
}

/// Says which sizes there are.
pub(super) fn refusal(size: usize) -> anyhow::Error {
    anyhow::anyhow!(
        "elements of {size} bytes cannot be moved by this command, only those of 1 to 16 bytes, multiples of 4 up to \
         64, of 8 up to 128, of 16 up to 256, and powers of two up to 65536; use a program with the library"
    )
}
