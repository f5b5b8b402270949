//! How a file begins: every file says what lives there, an endpoint's file which method and path it answers.

use super::{Complaint, File};
use crate::endpoints;

/// Complaints about first lines.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for File { path, text } in files.iter().filter(|file| file.is_rust()) {
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            complaints.push(Complaint::new(
                format!("{path}:1"),
                "the file does not begin with `//! `",
                "say in its first lines what lives here and why",
            ));
        } else if endpoints::is_endpoint_file(path) && endpoints::parse_line(first).is_none() {
            complaints.push(Complaint::new(
                format!("{path}:1"),
                "an endpoint's file begins with its method, path and section of the specification",
                "write `//! GET /_matrix/client/v3/… (spec: section)`; what endpoints share lives in a mod.rs or above",
            ));
        }
    }
    complaints
}
