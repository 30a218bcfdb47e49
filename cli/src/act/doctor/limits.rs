//! The limits of this process.

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use super::finding::Finding;

pub(super) fn look() -> Vec<Finding> {
    vec![
        bytes(
            "limit-memlock",
            Resource::Memlock,
            8 << 20,
            "rings that ask for lock_memory need more: ulimit -l unlimited, or LimitMEMLOCK= of the systemd unit",
        ),
        bytes(
            "limit-fsize",
            Resource::Fsize,
            1 << 30,
            "larger rings cannot be made: ulimit -f unlimited, or LimitFSIZE= of the systemd unit",
        ),
        count(
            "limit-nofile",
            Resource::Nofile,
            1024,
            "a handle keeps one descriptor, and opens another one to attach: ulimit -n 1024, or LimitNOFILE= of the \
             systemd unit",
        ),
    ]
}

fn bytes(check: &'static str, resource: Resource, enough: u64, cure: &str) -> Finding {
    judge(check, getrlimit(resource).current, enough, cure, |limit| ByteSize(limit).display().iec().to_string())
}

fn count(check: &'static str, resource: Resource, enough: u64, cure: &str) -> Finding {
    judge(check, getrlimit(resource).current, enough, cure, |limit| limit.to_string())
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
