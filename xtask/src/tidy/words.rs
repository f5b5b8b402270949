//! The repository stands alone: no file names one person's machine or a private mirror.

use super::{Complaint, File};

/// Beginnings of paths that exist on somebody's machine only. Put together so that this file does not name them.
const PRIVATE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/Use", "rs/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// The public registries; a lock file that names another was written behind a mirror and fails elsewhere.
const PUBLIC_REGISTRIES: &[&str] =
    &["https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/", "https://pypi.org/"];

/// Complaints about any text file.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for File { path, text } in files {
        let is_lock = path.ends_with("Cargo.lock") || path.ends_with("package-lock.json");
        for (number, line) in (1..).zip(text.lines()) {
            let place = || format!("{path}:{number}");
            if is_lock {
                if names_a_source(line) && !PUBLIC_REGISTRIES.iter().any(|registry| line.contains(registry)) {
                    let advice = "take it from the public registry, and replace the address in the lock file";
                    complaints.push(Complaint::new(
                        place(),
                        "a package from a place that not everybody reaches",
                        advice,
                    ));
                }
            } else if let Some(start) = PRIVATE_PATHS.iter().find(|start| has_path(line, start)) {
                complaints.push(Complaint::new(
                    place(),
                    format!("a path under {start} is of one machine"),
                    "name it relative to the repository, or by a variable",
                ));
            }
        }
    }
    complaints
}

fn names_a_source(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("source = ") || line.starts_with("\"resolved\":")
}

/// Whether an absolute path begins so in this line (`https://example.org/home/` is none).
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '}' | '~' | '/' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_paths_are_found_and_others_are_not() {
        let start = PRIVATE_PATHS[0];
        assert!(has_path(&format!("data = \"{start}ada/x\""), start));
        assert!(!has_path(&format!("https://example.org{start}ada"), start));
    }
}
