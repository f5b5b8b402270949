//! Files of a probe: earlier runs, and OONI's layout. Both have one JSON object a line.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use anyhow::{Context, bail};
use domicile_residency::interference::{Report, ooni};

/// Earlier runs that are kept, and the size of their file that is still read.
const KEPT: usize = 200;
const LARGEST: u64 = 64 * 1024 * 1024;

/// The text of a file of bounded size.
pub(super) fn text(path: &Path, largest: u64) -> anyhow::Result<String> {
    let about = || format!("cannot read {}", path.display());
    let mut text = String::new();
    let read = File::open(path).with_context(about)?.take(largest + 1).read_to_string(&mut text).with_context(about)?;
    if u64::try_from(read).is_ok_and(|read| read > largest) {
        bail!("{} is larger than {largest} bytes", path.display());
    }
    Ok(text)
}

/// The earlier runs of a file; none if there is no such file yet.
pub(super) fn reports(path: &Path) -> anyhow::Result<Vec<Report>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = text(path, LARGEST)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}, line {} is no earlier run", path.display(), number + 1))
        })
        .collect()
}

/// Adds a run to a file of earlier ones, of which the newest are kept.
pub(super) fn add(path: &Path, report: &Report) -> anyhow::Result<()> {
    let about = || format!("cannot write {}", path.display());
    let mut kept = reports(path)?;
    let slim = Report { run: report.run.clone().for_history(), verdicts: report.verdicts.clone() };
    kept.push(slim);
    let mut lines = String::new();
    for report in kept.iter().skip(kept.len().saturating_sub(KEPT)) {
        lines.push_str(&serde_json::to_string(report)?);
        lines.push('\n');
    }
    // The old file stays whole until the new one is.
    let next = path.with_extension("next");
    let mut file = File::create(&next).with_context(about)?;
    file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).with_context(about)?;
    std::fs::rename(&next, path).with_context(about)
}

/// Adds a run to a file in OONI's layout.
pub(super) fn ooni(path: &Path, report: &Report) -> anyhow::Result<()> {
    let about = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(about)?;
    let mut lines = String::new();
    for measurement in ooni::measurements(report, env!("CARGO_PKG_VERSION")) {
        lines.push_str(&measurement.to_string());
        lines.push('\n');
    }
    file.write_all(lines.as_bytes()).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_runs_are_kept_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("past.jsonl");
        assert!(reports(&path).unwrap().is_empty());
        for _ in 0..KEPT + 2 {
            add(&path, &Report::default()).unwrap();
        }
        assert_eq!(reports(&path).unwrap().len(), KEPT);
        std::fs::write(&path, "{}\nnonsense\n").unwrap();
        let told = format!("{:#}", reports(&path).unwrap_err());
        assert!(told.contains("line 1"), "{told}");
    }
}
