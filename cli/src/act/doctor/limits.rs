//! The limits of this process.

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;

pub(super) fn look() -> Vec<Finding> {
    let bytes = |limit| ByteSize(limit).display().iec().to_string();
    let limit = |check, resource, enough, why, show: &dyn Fn(u64) -> String| {
        judge(check, getrlimit(resource).current, enough, &format!("{why}: {}", cure(resource)), show)
    };
    vec![
        limit("limit-memlock", Resource::Memlock, 8 << 20, "rings that ask for lock_memory need more", &bytes),
        limit("limit-fsize", Resource::Fsize, 1 << 30, "larger rings cannot be made", &bytes),
        limit(
            "limit-nofile",
            Resource::Nofile,
            DESCRIPTORS,
            "a handle keeps one descriptor, and opens another one to attach",
            &|limit| limit.to_string(),
        ),
    ]
}

/// How many descriptors are enough.
const DESCRIPTORS: u64 = 1024;

/// Returns how a limit is raised: as far as the hard one is by oneself, else by root.
pub(super) fn cure(resource: Resource) -> String {
    let (option, name, enough) = match resource {
        Resource::Memlock => ('l', "memlock", None),
        Resource::Fsize => ('f', "fsize", None),
        _ => ('n', "nofile", Some(DESCRIPTORS)),
    };
    let is_free = getrlimit(resource).maximum.is_none_or(|hard| enough.is_some_and(|enough| hard >= enough));
    let enough = enough.map_or_else(|| "unlimited".to_owned(), |enough| enough.to_string());
    let raise = match is_free {
        true => format!("ulimit -S -{option} {enough}"),
        false => format!("prlimit --pid $$ --{name}={enough} as root"),
    };
    format!("{raise}; or Limit{}= of the systemd unit", name.to_uppercase())
}

fn judge(check: &'static str, limit: Option<u64>, enough: u64, cure: &str, show: impl Fn(u64) -> String) -> Finding {
    let found = limit.map_or_else(|| "unlimited".to_owned(), show);
    Finding::judge(check, found, limit.is_none_or(|limit| limit >= enough), cure)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn no_limit_is_enough_and_a_low_one_is_not() {
        let judge = |limit| judge("x", limit, 10, "cure", |limit| limit.to_string()).status;
        assert_eq!([None, Some(10), Some(9)].map(judge), [Status::Ok, Status::Ok, Status::Attention]);
    }
}
