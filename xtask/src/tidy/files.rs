//! How long a file may be.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::{Complaint, File};
use crate::golden;

/// No source file is longer, without exception.
const MOST: usize = 800;
/// A file that is longer does two things, or stands in the list of those that still have to be split.
const AIM: usize = 400;
/// The list: paths and their length when they were last looked at. It may only become shorter.
const LONG_FILES: &str = "xtask/golden/long-files.txt";
/// What is larger is data that belongs elsewhere, or the product of a tool.
const MOST_BYTES: usize = 512 * 1024;

/// Complaints about lengths; with `shrink` the list is written anew where it became shorter.
pub(super) fn check(files: &[File], shrink: bool) -> Result<Vec<Complaint>> {
    let known = golden::read(LONG_FILES)?;
    let mut complaints = Vec::new();
    let mut still_long = BTreeMap::new();
    for file in files {
        let File { path, text } = file;
        if text.len() > MOST_BYTES {
            let what = format!("{} KiB in one file", text.len() / 1024);
            complaints.push(Complaint::new(path, what, "keep it out of the repository, or generate it"));
        }
        if !file.is_rust() {
            continue;
        }
        let lines = text.lines().count();
        if lines > MOST {
            let what = format!("{lines} lines; {MOST} are the most");
            complaints.push(Complaint::new(path, what, "split it: one file holds one thing that its name says"));
        }
        if lines <= AIM {
            continue;
        }
        match known.get(path) {
            None => complaints.push(Complaint::new(
                path,
                format!("{lines} lines, and files have about {AIM} at most"),
                "split it: one file holds one thing that its name says",
            )),
            Some(before) => {
                let before: usize =
                    before.parse().with_context(|| format!("the length of {path} in {LONG_FILES}: `{before}`"))?;
                still_long.insert(path.clone(), lines.min(before).to_string());
                if lines > before {
                    complaints.push(Complaint::new(
                        path,
                        format!("it is on the list of long files with {before} lines and has grown to {lines}"),
                        "files on the list may only become shorter: put what is new into a file of its own",
                    ));
                }
            }
        }
    }
    if still_long != known {
        if shrink {
            golden::write(LONG_FILES, &still_long)?;
        } else {
            complaints.push(Complaint::new(
                LONG_FILES,
                "files on this list became shorter or are gone",
                "run `cargo xtask tidy --shrink` and commit the list",
            ));
        }
    }
    Ok(complaints)
}
