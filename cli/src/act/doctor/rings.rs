//! Whether rings work here at all: one is made, and attached to.

use ringmain::{Error, Options, Role};
use rustix::io::Errno;
use rustix::process::Resource;
use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

use super::finding::Finding;
use super::limits;
use crate::words;

pub(super) fn look() -> Vec<Finding> {
    vec![locks(), barrier()]
}

fn locks() -> Finding {
    const CHECK: &str = "ofd-locks";
    let attention = |what: &str, error: &Error, usual: Option<String>| {
        let text = words::of(error);
        let (found, advice) = words::parts(&text);
        Finding::attention(
            CHECK,
            format!("{what}: {found}"),
            usual.or(cure(error)).unwrap_or_else(|| advice.to_owned()),
        )
    };
    let no_ring = |error: Error| attention("no ring can be made", &error, None);
    let ends = match Options::anonymous().capacity(1).create_stream(std::alloc::Layout::new::<u8>()) {
        Ok(ring) => Options::from_fd(ring),
        // Locks are those of rings with a name too, which need no /proc.
        Err(Error::NoProc { .. }) => {
            Options::new(format!("doctor-{}", std::process::id())).capacity(1).unlink_on_close(true)
        }
        Err(error) => return no_ring(error),
    };
    let first = match ends.stream_producer::<u8>() {
        Err(error @ (Error::Directory { .. } | Error::NoSpace { .. })) => return no_ring(error),
        first => first,
    };
    let second = ends.stream_producer::<u8>();
    match (first, second) {
        (Ok(_), Err(Error::Busy { role: Role::Producer, .. })) => {
            Finding::ok(CHECK, "a role is held by one handle alone")
        }
        (Err(error), _) => {
            const LACKS: &str = "allow fcntl(F_OFD_SETLK), which Linux has since 3.15; a seccomp filter may refuse it";
            let is_refused = matches!(error, Error::Unsupported { .. });
            attention("no role can be taken", &error, is_refused.then(|| LACKS.to_owned()))
        }
        // Such as by a limit that leaves room for one handle.
        (Ok(_), Err(error)) => attention("whether a role is held by one handle alone is not known", &error, None),
        (Ok(_), Ok(_)) => Finding::attention(
            CHECK,
            "two handles hold one role",
            "do not use rings here: this kernel, or what stands in for one, does not keep locks",
        ),
    }
}

/// Returns a command that lets rings be made, where the error advises what a caller of the library does.
fn cure(error: &Error) -> Option<String> {
    let cure = match error {
        Error::FileSizeLimit { .. } => return Some(limits::cure(Resource::Fsize)),
        Error::Os { source, .. } if Errno::from_io_error(source) == Some(Errno::MFILE) => {
            return Some(limits::cure(Resource::Nofile));
        }
        Error::NoSpace { .. } => "ringmain rm --stale; or mount -o remount,size=2g /dev/shm",
        Error::NoMemory { .. } => "ps -eo rss,pid,comm --sort=-rss | head: end what uses memory",
        Error::Unsupported { .. } => "grep Seccomp /proc/self/status: where it says 2, allow the call in that filter",
        Error::Os { .. } => "strace -f ringmain doctor: look which call fails, and with what",
        _ => return None,
    };
    Some(cure.to_owned())
}

fn barrier() -> Finding {
    const CHECK: &str = "membarrier";
    let offers = membarrier_query().contains_command(MembarrierCommand::GlobalExpedited);
    let registered = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
    let works = membarrier(MembarrierCommand::GlobalExpedited).is_ok();
    Finding::judge(
        CHECK,
        match (offers, registered, works) {
            (true, true, true) => "global expedited: registered, and works",
            (true, false, _) => "global expedited is there, and this process may not register",
            (true, true, false) => "global expedited is there, and this process may not use it",
            (false, ..) => "global expedited is not there",
        },
        offers && registered && works,
        "rings work without it, with a fence at each publication; allow membarrier in the seccomp filter, on Linux \
         4.16 or later",
    )
}
