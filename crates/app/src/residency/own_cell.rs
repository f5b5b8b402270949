//! This cell in its deployment: its name, its key, and the document by which it works.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use domicile_core::{config::Problems, error::ErrorKind, locality::CellName, region::Region};
use domicile_egress::inner::InnerError;
use domicile_residency::{
    deployment::{Deployment, PublicKey, SecretKey, accept, parse, sign},
    inner::{self, NotOpened},
};
use domicile_room::event::ServerSigner;
use domicile_store::{Batch, Store, StoreError, table::deployment_document};
use ruma::ServerName;

use crate::{Error, Result};

/// Documents that a cell takes between one start and the next, the first one not counted.
const DOCUMENTS: usize = 1_000;

/// What the operator gives a cell of a deployment.
#[derive(Clone, Debug)]
pub struct OwnCellSettings {
    /// The text of the deployment document.
    pub document: String,
    /// The file that it is from, which is read again when it changes.
    pub file: PathBuf,
    /// The name of this cell.
    pub cell: CellName,
    /// The public half of the root key.
    pub root: PublicKey,
    /// This cell's key.
    pub key: SecretKey,
    /// Keys that it had before. They open what was sealed for them, and do nothing else.
    pub former_keys: Vec<SecretKey>,
}

/// Why a cell does not take a document.
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
    /// It gives this cell another key.
    #[error(
        "the document gives the cell {0} another key, which it takes when it starts: put its new key into `deployment.key_file` and the document into `deployment.file`, and start it again"
    )]
    NewKey(String),
    /// It places this cell elsewhere.
    #[error(
        "the document places the cell {cell} in the region {found}, and it works in {ours}: its people would be under other rules than those by which their data came here; move them to another cell instead"
    )]
    OtherRegion {
        /// The cell.
        cell: String,
        /// Where the document has it.
        found: String,
        /// Where it is.
        ours: String,
    },
    /// There were too many.
    #[error("this cell has taken {} documents since it started: start it again", DOCUMENTS)]
    TooMany,
    /// What it says of other cells cannot be used.
    #[error(transparent)]
    Link(#[from] InnerError),
    /// The file cannot be read.
    #[error("the deployment document {file} cannot be read: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This cell. Its name, key and region are the same for as long as it runs; the document may be followed by another.
#[derive(Debug)]
pub struct OwnCell {
    name: CellName,
    key: SecretKey,
    former_keys: Vec<SecretKey>,
    root: PublicKey,
    region: Region,
    first: Deployment,
    /// Those that it took since, the newest last. Each stays, so that whoever reads one need not hold it: an operator signs few.
    later: Box<[OnceLock<Box<Deployment>>]>,
    taken: AtomicUsize,
}

impl OwnCell {
    /// Takes the document, if the root key signed it. It is noted, so that no older one is taken from then on: where the file has an older one than
    /// this cell has taken already, as after another cell told it the newest, that one holds. `now_ms` is in milliseconds since the epoch.
    pub async fn open(
        store: &Store,
        settings: OwnCellSettings,
        server_name: &ServerName,
        now_ms: i64,
    ) -> Result<Self, DeploymentError> {
        let OwnCellSettings { document: mut text, file, cell: name, root, key, former_keys } = settings;
        let mut document = read_document(&text, &root)?;
        if document.server_name != server_name {
            let (found, ours) = (document.server_name.to_string(), server_name.to_string());
            return Err(DeploymentError::OtherName { found, ours });
        }
        let last = store.read(|snapshot| async move { deployment_document::last(&snapshot).await });
        let known = last.await?.map(|(text, _)| text);
        if let Some(last) = known.clone() {
            // One that another root key signed is none of this deployment's: the operator began anew with this cell.
            match read_document(&last, &root) {
                Ok(newer) if newer.server_name == document.server_name && newer.serial > document.serial => {
                    tracing::warn!(
                        file = %file.display(), serial = document.serial, newest = newer.serial,
                        "the file has an older deployment document than this cell has taken, and that one holds: \
                         `domicile deployment status --document` prints it"
                    );
                    (document, text) = (newer, last);
                }
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
        if known.is_none_or(|known| known != text) {
            let mut batch = Batch::new();
            deployment_document::set(&mut batch, document.serial, &text, now_ms);
            store.write(batch).await?;
        }
        let later = std::iter::repeat_with(OnceLock::new).take(DOCUMENTS).collect();
        Ok(Self { name, key, former_keys, root, region, first: document, later, taken: AtomicUsize::new(0) })
    }

    /// What a text says, if it may take the place of the document that holds, and this cell can go on by it. The same document again may.
    pub(super) fn judge(&self, text: &str) -> Result<Deployment, DeploymentError> {
        let found = read_document(text, &self.root)?;
        accept::accept(self.document(), &found)?;
        let cell = || self.name.as_str().to_owned();
        let own = found.cells.get(&self.name).ok_or_else(|| DeploymentError::NoCell(cell()))?;
        if own.key != self.key.public() {
            return Err(DeploymentError::NewKey(cell()));
        }
        if own.region != self.region {
            let (found, ours) = (own.region.as_str().to_owned(), self.region.as_str().to_owned());
            return Err(DeploymentError::OtherRegion { cell: cell(), found, ours });
        }
        if self.taken.load(Ordering::Acquire) == self.later.len() {
            return Err(DeploymentError::TooMany);
        }
        Ok(found)
    }

    /// Works by another document from now on, which was [judged](Self::judge). Nobody else may do so at the same time.
    pub(super) fn turn_to(&self, document: Deployment) {
        let taken = self.taken.load(Ordering::Acquire);
        if self.later.get(taken).is_some_and(|place| place.set(Box::new(document)).is_ok()) {
            self.taken.store(taken + 1, Ordering::Release);
        }
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

    /// Opens what was sealed for this cell, with the key that it had then.
    pub(crate) fn opened(&self, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let keys = std::iter::once(&self.key).chain(&self.former_keys);
        keys.map(|key| inner::open(key, sealed)).find(Result::is_ok).unwrap_or(Err(NotOpened))
    }

    /// The root key.
    pub fn root(&self) -> &PublicKey {
        &self.root
    }

    /// The document that holds now. Whoever has to decide two things by one document asks once.
    pub fn document(&self) -> &Deployment {
        let newest = self.taken.load(Ordering::Acquire).checked_sub(1).and_then(|index| self.later.get(index)?.get());
        newest.map_or(&self.first, |newest| &**newest)
    }

    /// The other cells at work.
    pub fn others(&self) -> impl Iterator<Item = &CellName> {
        self.document().cells.keys().filter(|cell| **cell != self.name)
    }

    /// Whether it is this cell that decides whose a name is.
    pub fn decides(&self) -> bool {
        self.document().decider.cell == self.name
    }

    /// What signs events of this cell's people.
    pub fn signer(&self) -> Result<Arc<ServerSigner>> {
        let id = self.key.public().cell_key_id();
        let version = id.strip_prefix("ed25519:").unwrap_or(&id);
        let signer = ServerSigner::from_seed(self.first.server_name.clone(), &self.key.seed(), version);
        signer.map(Arc::new).map_err(Error::internal)
    }

    /// The cell that answers for another's people now.
    pub(crate) fn heir(&self, cell: &CellName) -> CellName {
        self.document().heir(cell).unwrap_or(cell).clone()
    }
}

/// Reads a document, if the root key signed it.
pub fn read_document(text: &str, root: &PublicKey) -> Result<Deployment, DeploymentError> {
    parse::read("the document", sign::verified(text, root)?).map_err(DeploymentError::Wrong)
}

/// What a person is told who wants a name that cannot be given.
pub(super) fn no_names() -> Error {
    ErrorKind::Unavailable.with("Names cannot be taken at the moment: try again later.").into()
}

/// What a person is told where the directory is needed and cannot be reached.
pub(super) fn directory_is_away() -> Error {
    let text = "Names of people whom nobody here has met yet cannot be looked up at the moment: try again later.";
    ErrorKind::Unavailable.with(text).into()
}
