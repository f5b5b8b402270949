//! Links between the repository's own files lead somewhere.

use std::path::Path;

use super::{Complaint, File};
use crate::command;

/// Complaints about relative links of Markdown files.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let root = command::root();
    let mut complaints = Vec::new();
    for File { path, text } in files.iter().filter(|file| Path::new(&file.path).extension().is_some_and(|e| e == "md"))
    {
        let folder = root.join(path).parent().unwrap_or(&root).to_path_buf();
        for (number, line) in (1..).zip(text.lines()) {
            for target in targets(line).filter(|target| !folder.join(target).exists()) {
                complaints.push(Complaint::new(
                    format!("{path}:{number}"),
                    format!("the link to `{target}` leads nowhere"),
                    "mend it; a link is relative to the file it stands in",
                ));
            }
        }
    }
    complaints
}

/// The files that a line links to, without fragments.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ']).next()?;
        let is_own = !target.contains(':') && !target.starts_with('#');
        is_own.then(|| target.split('#').next().unwrap_or(target)).filter(|target| !target.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_files_are_looked_for() {
        let line = "[a](docs/a.md#part) [b](https://example.org) ![c](c.png \"title\") [d](#here) (no link)";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["docs/a.md", "c.png"]);
    }
}
