//! Which program speaks, and what the operator says about the places of its data.

use std::{io::Read, path::PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A place where data lies or goes, as the configuration has it. No program can see in which country a disk stands.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// What it is, in words.
    pub what: String,
    /// Where: a path, or an address without credentials.
    pub place: String,
    /// The classes of data there.
    pub classes: Vec<String>,
}

/// What the operator declares.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Where data is stored.
    pub storage: Vec<Place>,
    /// Whom data goes to beside the database, each as `kind; endpoint; country; classes`.
    pub processors: Vec<String>,
    /// The legal basis for what goes to other servers.
    pub outer_basis: String,
    /// The database's engine: `sqlite` or `postgresql`.
    pub engine: &'static str,
}

/// The program that runs: its version, and the SHA-256 of its file as the system has it open.
pub(super) async fn running() -> Result<Value> {
    let digest = tokio::task::spawn_blocking(|| {
        // The running file even where another was put in its place since.
        let path = PathBuf::from("/proc/self/exe");
        let path = if path.exists() { path } else { std::env::current_exe()? };
        let mut file = std::fs::File::open(path)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok::<_, std::io::Error>(format!("{:x}", hash.finalize()));
            }
            hash.update(buffer.get(..length).unwrap_or_default());
        }
    });
    let digest = digest.await.map_err(Error::internal)?.map_err(Error::internal)?;
    Ok(json!({ "name": "domicile", "version": env!("CARGO_PKG_VERSION"), "sha256": digest }))
}
