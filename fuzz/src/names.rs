//! Names of rings that do not outlive their process for long.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "fuzz-";

/// Returns a name that nobody else has. An end in order removes it; what a crash leaves, the next run removes.
pub(crate) fn new() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    static SWEEP: Once = Once::new();
    SWEEP.call_once(|| {
        sweep(|pid| pid == process::id().to_string() || !Path::new("/proc").join(pid).exists());
        // SAFETY: the function may be called at any end of the process.
        unsafe { libc::atexit(remove) };
    });
    format!("{PREFIX}{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

extern "C" fn remove() {
    sweep(|pid| pid == process::id().to_string());
}

/// Removes the names of the processes that are chosen.
fn sweep(chosen: impl Fn(&str) -> bool) {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if pid.is_some_and(&chosen) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
