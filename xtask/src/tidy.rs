//! `cargo xtask tidy`: the rules of the repository that the compiler does not know.
//!
//! Each rule has a file in `tidy/` and answers with complaints: where, what, and what to do about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;

mod edges;
mod files;
mod heads;
mod licences;
mod links;
mod metadata;
mod sources;
mod words;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the lists of exceptions anew where they have become shorter
    #[arg(long)]
    shrink: bool,
}

/// One broken rule.
#[derive(Debug)]
pub(crate) struct Complaint {
    place: String,
    what: String,
    advice: String,
}

impl Complaint {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), advice: advice.into() }
    }
}

/// A text file of the repository, tracked or about to be.
#[derive(Debug)]
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

/// Checks every rule and prints the complaints; an error if there are any.
pub(crate) fn run(args: &Args) -> Result<()> {
    let files = repository_files()?;
    let metadata = metadata::Metadata::read()?;
    let mut complaints = edges::check(&metadata);
    complaints.extend(licences::check(&metadata)?);
    complaints.extend(files::check(&files, args.shrink)?);
    complaints.extend(heads::check(&files));
    complaints.extend(links::check(&files));
    complaints.extend(sources::check(&files));
    complaints.extend(words::check(&files));
    report(&complaints, "tidy")?;
    println!("tidy: {} files, {} packages, nothing to complain of", files.len(), metadata.packages.len());
    Ok(())
}

/// Prints complaints; an error with their number if there are any.
pub(crate) fn report(complaints: &[Complaint], chore: &str) -> Result<()> {
    for Complaint { place, what, advice } in complaints {
        println!("{place}: {what}\n    {advice}");
    }
    match complaints.len() {
        0 => Ok(()),
        n => bail!("{chore}: {n} complaint{}", if n == 1 { "" } else { "s" }),
    }
}

/// Every text file that git knows or would know, in the order of their paths.
fn repository_files() -> Result<Vec<File>> {
    let root = command::root();
    let listed = command::read(
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&root),
    )
    .context("listing the repository's files (the rules are checked in a clone, not in an unpacked archive)")?;
    let mut paths: Vec<&str> = listed.split_terminator('\0').collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let place: PathBuf = root.join(path);
        // Deleted in the working tree but still in the index.
        if !place.is_file() {
            continue;
        }
        let bytes = fs::read(&place).with_context(|| format!("reading {path}"))?;
        // What is not text has no lines to check.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}
