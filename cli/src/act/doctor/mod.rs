//! `ringmain doctor`: what this machine offers to rings.

mod container;
mod limits;
mod memory;
mod processor;
mod rings;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::ending::Ending;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 where something needs attention
    #[arg(long)]
    strict: bool,
}

/// What was looked at, and what was found.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Finding {
    check: &'static str,
    status: Status,
    found: String,
    /// What to do where attention is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    Attention,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding { check, status: Status::Ok, found: found.into(), cure: None }
    }

    fn attention(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { check, status: Status::Attention, found: found.into(), cure: Some(cure.into()) }
    }

    /// Is as it should be, or not.
    fn judge(check: &'static str, found: impl Into<String>, is_ok: bool, cure: impl Into<String>) -> Finding {
        if is_ok { Finding::ok(check, found) } else { Finding::attention(check, found, cure) }
    }

    fn line(&self) -> String {
        let status = if self.status == Status::Ok { "ok" } else { "attention" };
        let cure = self.cure.as_ref().map_or(String::new(), |cure| format!("\n{:27}-> {cure}", ""));
        format!("{status:9}  {:14}  {}{cure}\n", self.check, self.found)
    }
}

impl Doctor {
    pub(super) fn run(&self) -> Result<()> {
        let findings: Vec<Finding> =
            [rings::look(), memory::look(), limits::look(), processor::look(), container::look()]
                .into_iter()
                .flatten()
                .collect();
        let text = match self.json {
            true => serde_json::to_string(&findings)? + "\n",
            false => findings.iter().map(Finding::line).collect(),
        };
        super::print(text.as_bytes())?;
        let needs_attention = findings.iter().any(|finding| finding.status == Status::Attention);
        if self.strict && needs_attention { Err(Ending::Said.into()) } else { Ok(()) }
    }
}

/// Reads a small file of the system; `None` where it is not there.
fn read(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_attention_has_its_cure_on_the_next_line() {
        assert_eq!(Finding::ok("shm", "64 GiB").line(), "ok         shm             64 GiB\n");
        let line = Finding::judge("shm", "64 MiB", false, "more").line();
        assert_eq!(line, "attention  shm             64 MiB\n                           -> more\n");
    }
}
