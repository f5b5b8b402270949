//! Other documents for a deployment's cells: other keys, cells and serials.

use domicile_app::federation::Rotation;
use domicile_core::{locality::CellName, rng::OsRng};
use domicile_residency::deployment::{PublicKey, SecretKey, edit, sign};

use super::{Cluster, serial};
use crate::server::START_MS;

impl Cluster {
    /// Names a cell's key for other servers in the document; all cells start again with that.
    pub async fn name_outer_key(&mut self, cell: &str) {
        let signer = self.cells[cell].services.own_keys.outer();
        let key = PublicKey::parse(&format!("ed25519:{}", signer.public_key())).expect("a key");
        let name = CellName::parse(cell).expect("a cell's name");
        let named =
            |document: &str| edit::add_outer_key(document, (signer.key_id(), &key), Some(&name)).expect("one key more");
        Box::pin(self.change(named)).await;
    }

    /// A document with a key for other servers that waited in place of the one before, which ends at `end_ms`, in milliseconds since the epoch.
    pub fn with_outer_key(document: &str, rotation: &Rotation, end_ms: i64) -> String {
        let key = PublicKey::parse(&format!("ed25519:{}", rotation.key)).expect("a key");
        let next = (rotation.new.as_str(), &key);
        edit::rotate_outer_key(document, &rotation.old, next, end_ms).expect("a new key")
    }

    /// Lets a key for other servers that waits take the place of the one before, which ends at `end_ms`; all cells start again with that.
    pub async fn rotate_outer(&mut self, rotation: &Rotation, end_ms: i64) {
        Box::pin(self.change(|document| Self::with_outer_key(document, rotation, end_ms))).await;
    }

    /// Gives a cell another key, in a new document. Each cell works by that from when [`Self::renew`] starts it again.
    pub fn rotate(&mut self, cell: &str) {
        let (name, key) = (CellName::parse(cell).expect("a cell's name"), SecretKey::new(&OsRng));
        self.document = edit::rotate_key(&self.document, &name, &key.public()).expect("another key");
        if let Some(before) = self.keys.insert(cell.to_owned(), key) {
            self.former_keys.insert(cell.to_owned(), before);
        }
    }

    /// The files of the keys that a cell had before.
    pub(super) fn former_key_files(&self, cell: &str) -> Vec<String> {
        let written = |key: &SecretKey| {
            let file = self.folder.path().join(format!("{cell}-before.key"));
            super::write_key(&file, key);
            file.display().to_string()
        };
        self.former_keys.get(cell).map(written).into_iter().collect()
    }

    /// Changes the document, with the next serial if `change` gives it none. Cells get it by [`Self::hand_to`].
    pub fn next(&mut self, change: impl FnOnce(&str) -> String) {
        let changed = change(&self.document);
        self.document = if serial(&changed) == serial(&self.document) { Self::raised(&changed) } else { changed };
    }

    /// A document with the next serial.
    pub fn raised(document: &str) -> String {
        let serial = serial(document);
        document.replacen(&format!("serial = {serial}"), &format!("serial = {}", serial + 1), 1)
    }

    /// A document without a cell, with the next serial.
    pub fn without(document: &str, cell: &str) -> String {
        let name = CellName::parse(cell).expect("a cell's name");
        edit::revoke_cell(document, &name, None, START_MS).expect("one cell less")
    }

    /// Believes a cell no more, as [`Self::revoke`] does; another answers for what it left.
    pub async fn revoke_to(&mut self, cell: &str, heir: &str) {
        let [name, heir] = [cell, heir].map(|name| CellName::parse(name).expect("a cell's name"));
        let without =
            |document: &str| edit::revoke_cell(document, &name, Some(&heir), START_MS).expect("one cell less");
        Box::pin(self.change(without)).await;
    }

    /// A text with the root key's signature.
    pub fn sign(&self, document: &str) -> String {
        sign::sign(document, &self.root)
    }

    /// The newest document, signed.
    pub fn signed(&self) -> String {
        self.sign(&self.document)
    }
}
