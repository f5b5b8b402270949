//! The papers that the command line writes, as pages of their own.

use std::path::{Path, PathBuf};

use domicile_app::standing::dossiers::{Audience, Format, Paper};

use super::OPERATORS;
use crate::server::TestServer;

/// Papers by name, in files of a folder.
pub async fn papers(server: &TestServer, folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let standing = &server.admin.standing;
    let mut written = Vec::new();
    for (name, code, audience) in [
        ("authority", "RU", Audience::Authority),
        ("internal", "RU", Audience::Internal),
        ("public", "EU", Audience::Public),
    ] {
        let (paper, _) = standing.dossiers.write(code, audience, OPERATORS[0]).await.expect("a paper");
        written.push((name, paper));
    }
    written.push(("record", standing.processing.record()));
    written.push(("transfers", standing.processing.transfers().await.expect("a paper")));
    let file = |(name, paper): (&'static str, Paper)| {
        let path = folder.join(format!("{name}.html"));
        std::fs::write(&path, paper.write(Format::Html)).expect("a file");
        (name, path)
    };
    written.into_iter().map(file).collect()
}
