//! `ringmain doctor`: what this machine offers to rings.

mod container;
mod finding;
mod limits;
mod lines;
mod memory;
mod processor;
mod rings;

use anyhow::Result;
use clap::Args;

use self::finding::{Finding, Status};
use crate::ending::Ending;
use crate::output::{columns, print};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON: one object per line
    #[arg(long)]
    json: bool,
    /// Exit with 1 where something needs attention
    #[arg(long)]
    strict: bool,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<()> {
        let findings: Vec<Finding> =
            [rings::look(), memory::look(), limits::look(), processor::look(), lines::look(), container::look()]
                .into_iter()
                .flatten()
                .collect();
        let text = match self.json {
            true => findings.iter().map(Finding::json).collect::<Result<_, _>>()?,
            false => findings.iter().map(|finding| finding.lines(columns())).collect::<String>(),
        };
        print(&text)?;
        let needs_attention = findings.iter().any(|finding| finding.status == Status::Attention);
        if self.strict && needs_attention { Err(Ending::Said.into()) } else { Ok(()) }
    }
}
