//! What a descriptor stands for, and which ones this process has.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, ptr};

/// Returns the device and the inode behind a descriptor.
pub(crate) fn object(descriptor: impl AsFd) -> (u64, u64) {
    // SAFETY: `stat` is a C struct of integers, for which zero is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and the call writes one `stat`.
    let status = unsafe { libc::fstat(descriptor.as_fd().as_raw_fd(), &raw mut stat) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    (stat.st_dev, stat.st_ino)
}

/// Returns the flags of a descriptor, which may be none; `None` for a number that is not open.
pub(crate) fn flags(number: i32) -> Option<i32> {
    // SAFETY: the command takes no argument, and a number that is not open is an error.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    (flags >= 0).then_some(flags)
}

/// Lets every program that is started have a descriptor, or none.
pub(crate) fn set_inherited(descriptor: impl AsFd, is_inherited: bool) {
    let flags = if is_inherited { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: the descriptor is open, and the command takes a number.
    let status = unsafe { libc::fcntl(descriptor.as_fd().as_raw_fd(), libc::F_SETFD, flags) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
}

/// Makes an empty memory file.
pub(crate) fn memory_file() -> File {
    // SAFETY: the name is a C string.
    let number = unsafe { libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(number >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has just opened it, for nobody else.
    unsafe { File::from_raw_fd(number) }
}

/// Makes a pipe, and returns the end that is read.
pub(crate) fn pipe() -> OwnedFd {
    let mut ends = [0; 2];
    // SAFETY: there is room for two numbers.
    let status = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has just opened both, for nobody else.
    let [read, _write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    read
}

/// Returns the numbers of all descriptors that are open, but for the one that lists them.
pub(crate) fn open() -> Vec<i32> {
    let numbers = fs::read_dir("/proc/self/fd").unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().parse().unwrap()
    });
    let mut numbers: Vec<i32> = numbers.collect::<Vec<_>>();
    numbers.retain(|&number| flags(number).is_some());
    numbers.sort_unstable();
    numbers
}

/// Sends bytes through a socket, with descriptors.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let numbers: Vec<i32> = descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let len = size_of_val(numbers.as_slice());
    // Of words, because the header in front of the numbers is aligned.
    let mut control = vec![0_u64; 2 + len.div_ceil(8) + 1];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: `msghdr` is a C struct of integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    if !numbers.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: it computes a length.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(len as u32) } as usize;
        // SAFETY: the control data is longer than a header.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: it computes a length.
        let with_header = unsafe { libc::CMSG_LEN(len as u32) } as usize;
        let filled = libc::cmsghdr { cmsg_len: with_header, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
        // SAFETY: the control data begins with a header.
        unsafe { header.write(filled) };
        // SAFETY: the header lies in the control data.
        let target = unsafe { libc::CMSG_DATA(header) };
        // SAFETY: there is room for as many numbers behind the header.
        unsafe { ptr::copy_nonoverlapping(numbers.as_ptr().cast(), target, len) };
    }
    // SAFETY: the message refers to the bytes and to the control data, which live on.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    assert_eq!(sent, bytes.len() as isize, "{}", io::Error::last_os_error());
}

/// Asks for what the system can tell of a sender: `SO_PASSCRED`, `SO_PASSPIDFD`. An old system has less of it.
pub(crate) fn ask_for(socket: impl AsFd, option: libc::c_int) {
    let value: libc::c_int = 1;
    let len = size_of_val(&value) as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the option's value is one number.
    unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const value).cast(), len) };
}
