//! Views of handles for those who trust the other process.

/// A handle whose peer is trusted, so that the bytes in the ring can be referred to in place.
///
/// It is made by `trust_peer`, an unsafe method of every handle, and has methods of its own for each of them:
///
/// | view of | gives |
/// |---|---|
/// | [`stream::Producer<T>`](crate::stream::Producer) | claims that are `&mut [T]` |
/// | [`stream::Consumer<T>`](crate::stream::Consumer) | peeks that are `&[T]`; of `u8`, [`Read`](std::io::Read) and [`BufRead`](std::io::BufRead) |
/// | [`message::Producer`](crate::message::Producer) | claims that are `&mut [u8]` |
/// | [`message::Consumer`](crate::message::Consumer) | records that are `&[u8]` |
///
/// # What is promised
///
/// A reference to bytes that another process changes is undefined behaviour, whatever the bytes are. So whoever calls
/// `trust_peer` promises, for as long as the view lives and whatever is borrowed from it:
///
/// - Every process that can write to the segment either leaves it alone or runs this protocol: this crate, or code that keeps
///   to `docs/format.md`.
/// - That holds for the process at the other end, and for each one that follows it in its role.
/// - It holds for processes that have the segment open without a role: a debugger, a script that writes to `/dev/shm`.
/// - Nobody shortens the object. A read behind its new end is no undefined behaviour, it ends this process by `SIGBUS`.
///
/// What need not be promised: that the peer lives, that it is fast, or that its data makes sense. Elements are plain data, of
/// which every bit pattern is a value, and positions and lengths are checked in a view as everywhere.
#[derive(Debug)]
pub struct Trusted<'a, H> {
    pub(crate) handle: &'a mut H,
}

macro_rules! trust_peer {
    () => {
        /// Returns a view that refers to the ring's bytes in place.
        ///
        /// # Safety
        ///
        /// Every process that can write to the segment keeps to this protocol for as long as the view lives: the list of
        /// facts is at [`Trusted`].
        #[allow(unsafe_code, reason = "the promise that the view rests on")]
        pub unsafe fn trust_peer(&mut self) -> Trusted<'_, Self> {
            Trusted { handle: self }
        }
    };
}
pub(crate) use trust_peer;
