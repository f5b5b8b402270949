//! What an auditor gives who reads the database without the server.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use domicile_app::{
    evidence::reading::{AuditedCell, Auditor},
    residency::read_document,
};
use domicile_core::locality::CellName;
use domicile_residency::deployment::PublicKey;
use domicile_store::{KeystorePlace, StoreOptions};
use serde_json::Value;

use super::super::document_file;

/// Reads at once: a walk goes one step after another.
const READERS: usize = 1;

#[derive(Debug, Args)]
pub(super) struct Database {
    /// Read the database without the server, with a role that can only read: a PostgreSQL address, or the file of an SQLite database.
    #[arg(long = "database", id = "database", value_name = "DATABASE", requires = "key")]
    pub(super) address: Option<String>,
    /// With --database, of a cell among others: the signed deployment document.
    #[arg(long, requires = "database")]
    document: Option<PathBuf>,
    /// With --database, of a cell among others: the public half of the root key, which must have signed the document.
    #[arg(long, requires = "database")]
    root_key: Option<String>,
    /// With --database, of a cell among others: its name.
    #[arg(long, requires = "database")]
    cell: Option<String>,
    /// With --database: the folder of signed documents, to check the chain and the report's place in it.
    #[arg(long, requires = "database")]
    evidence: Option<PathBuf>,
}

impl Database {
    /// All that the check needs.
    pub(super) fn auditor(self, address: &str, report: Value, key: String, sample: u32) -> anyhow::Result<Auditor> {
        let (database, keystore) = places(address);
        Ok(Auditor { report, key, database, keystore, cell: self.cell()?, evidence: self.evidence, sample })
    }

    fn cell(&self) -> anyhow::Result<Option<AuditedCell>> {
        match (&self.document, &self.root_key, &self.cell) {
            (None, None, None) => Ok(None),
            (Some(document), Some(root), Some(cell)) => {
                let name = CellName::parse(cell);
                let name =
                    name.with_context(|| format!("--cell {cell}: use 1 to 16 lower-case letters, digits and hyphens"))?;
                let root = PublicKey::parse(root).context("--root-key")?;
                let document = read_document(&document_file::read(document)?, &root).context("--document")?;
                Ok(Some(AuditedCell { name, document, root }))
            }
            _ => bail!(
                "--document, --root-key and --cell are needed together, where the report is of a cell among others, and are left out where \
                 the server is alone"
            ),
        }
    }
}

/// Where the database and the keystore are: the latter is a schema of the same database, or a file beside it.
fn places(address: &str) -> (StoreOptions, KeystorePlace) {
    if is_postgres(address) {
        let url = address.to_owned();
        return (StoreOptions::Postgres { url: url.clone(), readers: READERS }, KeystorePlace::Postgres { url });
    }
    let path = Path::new(address);
    let keystore = path.with_file_name("keystore.db");
    (StoreOptions::Sqlite { path: path.to_owned(), readers: READERS }, KeystorePlace::Sqlite { path: keystore })
}

/// Whether a text is an address of PostgreSQL, in either of its forms, and no file's path.
fn is_postgres(address: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    ["postgres://", "postgresql://"].iter().any(|start| address.starts_with(start))
        || address.split_once('=').is_some_and(|(word, _)| is_word(word.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_an_address() {
        for address in ["postgres://auditor@db/domicile", "postgresql://db", "host=/run/postgresql user=auditor"] {
            assert!(is_postgres(address), "{address}");
        }
        for file in ["/var/lib/domicile/domicile.db", "domicile.db", "./a=b/domicile.db", "/a=b", "C=D/x.db"] {
            assert!(!is_postgres(file), "{file}");
        }
        let (_, keystore) = places("/data/domicile.db");
        assert!(matches!(keystore, KeystorePlace::Sqlite { path } if path == Path::new("/data/keystore.db")));
    }
}
