//! `domicile standing lint`: is a folder of an own catalogue right?

use std::path::PathBuf;

use clap::Args;
use domicile_residency::standing::Catalogue;
use serde_json::json;

use crate::{commands::say, wire::standing::files};

/// Which folder.
#[derive(Debug, Args)]
pub(in crate::commands) struct Lint {
    /// The folder with files such as BR.toml. Without it, only what comes with the program is checked.
    folder: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Lint {
    /// Tells what is wrong, or how much there is.
    pub(in crate::commands) fn run(&self) -> anyhow::Result<()> {
        let files = self.folder.as_deref().map_or_else(|| Ok(Vec::new()), files)?;
        let read = Catalogue::read(&files);
        if self.json {
            let problems = read.as_ref().err().map(|problems| {
                problems.all().iter().map(|problem| json!({ "place": problem.place, "what": problem.what })).collect()
            });
            let problems: Vec<_> = problems.unwrap_or_default();
            say(&json!({ "ok": read.is_ok(), "problems": problems }).to_string())?;
        }
        match read {
            Ok(_) if self.json => Ok(()),
            Ok(catalogue) => {
                let duties: usize = catalogue.all().map(|jurisdiction| jurisdiction.duties.len()).sum();
                let number = catalogue.all().count();
                say(&format!(
                    "Nothing is wrong: {number} jurisdictions, {duties} duties, {} files of yours.",
                    files.len()
                ))
            }
            Err(problems) => anyhow::bail!("the catalogue is wrong:\n{problems}"),
        }
    }
}
