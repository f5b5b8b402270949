//! This cell in its deployment: its name, its key, and the document by which it works.

use std::sync::Arc;

use domicile_core::{config::Problems, error::ErrorKind, locality::CellName, region::Region};
use domicile_residency::deployment::{Deployment, PublicKey, SecretKey, accept, parse, sign};
use domicile_room::event::ServerSigner;
use domicile_store::{Batch, Store, StoreError, table::deployment_document};
use ruma::ServerName;

use crate::{Error, Result};

/// What the operator gives a cell of a deployment.
#[derive(Clone, Debug)]
pub struct OwnCellSettings {
    /// The text of the deployment document.
    pub document: String,
    /// The name of this cell.
    pub cell: CellName,
    /// The public half of the root key.
    pub root: PublicKey,
    /// This cell's key.
    pub key: SecretKey,
}

/// Why a cell does not start with a document.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// The root key did not sign it.
    #[error(transparent)]
    Unsigned(#[from] sign::Unsigned),
    /// It says something that cannot be.
    #[error("the deployment document is wrong:\n{0}")]
    Wrong(Problems),
    /// It may not take the place of the one before.
    #[error(transparent)]
    Refused(#[from] accept::Refused),
    /// It is for another name.
    #[error("the deployment document is of {found}, and server.name is {ours}")]
    OtherName {
        /// Whose it is.
        found: String,
        /// Ours.
        ours: String,
    },
    /// This cell is not in it.
    #[error("the deployment document has no cell {0} at work: is `deployment.cell` right, or was the cell revoked?")]
    NoCell(String),
    /// The key is another one.
    #[error("the key of `deployment.key_file` is {found}, and the document gives the cell {cell} the key {expected}")]
    OtherKey {
        /// The cell.
        cell: String,
        /// The public half of the file's key.
        found: PublicKey,
        /// What the document says.
        expected: PublicKey,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This cell.
#[derive(Debug)]
pub struct OwnCell {
    name: CellName,
    key: SecretKey,
    root: PublicKey,
    document: Deployment,
    region: Region,
}

impl OwnCell {
    /// Takes the document, if the root key signed it and it is not older than the one before. It is noted, so that an older one is refused from
    /// then on. `now_ms` is in milliseconds since the epoch.
    pub async fn open(
        store: &Store,
        settings: OwnCellSettings,
        server_name: &ServerName,
        now_ms: i64,
    ) -> Result<Self, DeploymentError> {
        let OwnCellSettings { document: text, cell: name, root, key } = settings;
        let read = |text: &str| -> Result<Deployment, DeploymentError> {
            parse::read("the document", sign::verified(text, &root)?).map_err(DeploymentError::Wrong)
        };
        let document = read(&text)?;
        if document.server_name != server_name {
            let (found, ours) = (document.server_name.to_string(), server_name.to_string());
            return Err(DeploymentError::OtherName { found, ours });
        }
        let last = store.read(|snapshot| async move { deployment_document::last(&snapshot).await });
        if let Some(last) = last.await? {
            // One that another root key signed is none of this deployment's: the operator began anew with this cell.
            match read(&last) {
                Ok(last) => accept::accept(&last, &document)?,
                Err(DeploymentError::Unsigned(why)) => {
                    tracing::warn!(%why, "the document that this cell had before is not of this root key, and is replaced");
                }
                Err(error) => return Err(error),
            }
        }
        let own = document.cells.get(&name).ok_or_else(|| DeploymentError::NoCell(name.as_str().to_owned()))?;
        if own.key != key.public() {
            let (found, expected) = (key.public(), own.key);
            return Err(DeploymentError::OtherKey { cell: name.as_str().to_owned(), found, expected });
        }
        let region = own.region.clone();
        let mut batch = Batch::new();
        deployment_document::set(&mut batch, document.serial, &text, now_ms);
        store.write(batch).await?;
        Ok(Self { name, key, root, document, region })
    }

    /// Its name.
    pub fn name(&self) -> &CellName {
        &self.name
    }

    /// Its region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Its key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The root key.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// The document.
    pub fn document(&self) -> &Deployment {
        &self.document
    }

    /// Whether it is this cell that decides whose a name is.
    pub fn decides(&self) -> bool {
        self.document.decider.cell == self.name
    }

    /// What signs events of this cell's people.
    pub fn signer(&self) -> Result<Arc<ServerSigner>> {
        let id = self.key.public().cell_key_id();
        let version = id.strip_prefix("ed25519:").unwrap_or(&id);
        let signer = ServerSigner::from_seed(self.document.server_name.clone(), &self.key.seed(), version);
        signer.map(Arc::new).map_err(Error::internal)
    }

    /// The cell that answers for another's people now.
    pub(super) fn heir(&self, cell: &CellName) -> CellName {
        self.document.heir(cell).unwrap_or(cell).clone()
    }
}

/// What a person is told where the directory is needed and cannot be reached.
pub(super) fn directory_is_away() -> Error {
    let text = "Names of people whom nobody here has met yet cannot be looked up at the moment: try again later.";
    ErrorKind::Unavailable.with(text).into()
}
