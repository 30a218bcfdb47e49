//! The files of a run: JSON, CSV, percentile distributions and plots, as docs/bench.md describes them.

mod csv;
mod hgrm;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::plots;
use super::results::Run;

/// A folder that can be written to.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is not there, and finds out whether files can be made in it.
    ///
    /// # Errors
    /// - they cannot
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let probe = path.join(format!(".ringmain.{}", std::process::id()));
        fs::create_dir_all(path)
            .and_then(|()| fs::write(&probe, b""))
            .and_then(|()| fs::remove_file(&probe))
            .with_context(|| format!("--export: cannot write to {}; name another folder", path.display()))?;
        Ok(Self { path: path.to_path_buf() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all files of a run, over those of an earlier one, and returns how many these are.
    pub(crate) fn write(&self, run: &Run) -> Result<usize> {
        let report = &run.report;
        let mut files = vec![("results.json".to_owned(), serde_json::to_string_pretty(report)? + "\n")];
        let tables = [
            ("rounds.csv", csv::rounds(&report.results, &report.regimes)?),
            ("paced.csv", csv::paced(&report.paced)?),
            ("idle.csv", csv::idle(&report.idle)?),
        ];
        files.extend(tables.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))));
        for recorded in &run.recorded {
            files.push((
                format!("{}.hgrm", hgrm::name(recorded, report.regimes.is_mixed())),
                hgrm::text(&recorded.times),
            ));
        }
        files.extend(plots::all(run)?.into_iter().map(|(name, text)| (format!("{name}.svg"), text)));
        for (name, text) in &files {
            let path = self.path.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(files.len())
    }
}
