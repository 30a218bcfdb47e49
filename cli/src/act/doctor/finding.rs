//! What was found.

use serde::Serialize;

use crate::fit::wrapped;
use crate::output;

/// What was looked at, and what was found.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) status: Status,
    pub(super) found: String,
    /// What to do where attention is needed.
    pub(super) cure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Ok,
    Attention,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding { check, status: Status::Ok, found: found.into(), cure: None }
    }

    pub(super) fn attention(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { check, status: Status::Attention, found: found.into(), cure: Some(cure.into()) }
    }

    /// Is as it should be, or not.
    pub(super) fn judge(
        check: &'static str,
        found: impl Into<String>,
        is_ok: bool,
        cure: impl Into<String>,
    ) -> Finding {
        if is_ok { Finding::ok(check, found) } else { Finding::attention(check, found, cure) }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        Ok(output::json(&serde_json::to_value(self)?) + "\n")
    }

    /// What was found and what to do, in lines as wide as a terminal, if it is for one.
    pub(super) fn lines(&self, columns: Option<usize>) -> String {
        let status = if self.status == Status::Ok { "ok" } else { "attention" };
        let part = |line: String, margin: usize| {
            columns.map_or_else(|| line.clone(), |columns| wrapped(&line, margin, columns)) + "\n"
        };
        let found = part(format!("{status:9}  {:14}  {}", self.check, self.found), MARGIN);
        let cure = |cure| part(format!("{:MARGIN$}-> {cure}", ""), MARGIN + 3);
        found + &self.cure.as_deref().map_or(String::new(), cure)
    }
}

/// Where the text of a finding begins.
const MARGIN: usize = 27;

/// Reads a small file of the system; `None` where it is not there.
pub(super) fn read(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_attention_has_its_cure_on_the_next_line() {
        assert_eq!(Finding::ok("shm", "64 GiB").lines(None), "ok         shm             64 GiB\n");
        let lines = Finding::judge("shm", "64 MiB", false, "more").lines(None);
        assert_eq!(lines, "attention  shm             64 MiB\n                           -> more\n");
        let lines = Finding::judge("shm", "64 MiB of memory, all of it used", false, "have more of it, if you can");
        let margin = " ".repeat(MARGIN);
        let expected = [
            "attention  shm             64 MiB of memory, all\n".to_owned(),
            format!("{margin}of it used\n{margin}-> have more of it, if\n{margin}   you can\n"),
        ];
        assert_eq!(lines.lines(Some(50)), expected.concat());
    }
}
