//! Signed documents in a folder, each with the hash of the one before it: whoever has one can tell whether an earlier one was changed or taken away.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use domicile_core::{clock::Clock, error::ErrorKind, rng::Rng};
use ruma::CanonicalJsonValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{
    folder::{Folder, failed, read},
    key::{self, AuditKey},
};
use crate::{Error, Result};

/// The documents of this cell.
pub struct Documents {
    folder: Folder,
    key: PathBuf,
    server_name: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// One is added at a time.
    adding: Mutex<()>,
}

/// A document that was added.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its number, from 1.
    pub number: u64,
    /// Its file.
    pub file: PathBuf,
    /// The SHA-256 of its file, in hexadecimal.
    pub hash: String,
    /// What it says, with its signature.
    pub document: Value,
}

impl Documents {
    /// Documents in a folder, signed with the key in a file. Neither needs to be there yet.
    pub fn new(folder: PathBuf, key: PathBuf, server_name: String, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { folder: Folder::new(folder), key, server_name, clock, rng, adding: Mutex::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The documents with their numbers and files, in their order.
    pub fn all(&self) -> Result<Vec<(u64, PathBuf, Value)>> {
        self.folder.all()
    }

    /// What lies there, to be read.
    pub fn in_folder(&self) -> &Folder {
        &self.folder
    }

    /// The public half of the key; the key is made if there is none.
    pub fn public_key(&self) -> Result<String> {
        self.make_folder()?;
        Ok(AuditKey::open(&self.key, &*self.rng)?.public())
    }

    fn make_folder(&self) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.folder()).map_err(|error| failed("make the folder", self.folder(), &error))
    }

    /// A file beside the documents, for what is too long to stand in one. It replaces one of its name.
    pub fn attachment(&self, name: &str) -> Result<(PathBuf, std::fs::File)> {
        self.make_folder()?;
        let path = self.folder().join(name);
        let mut options = std::fs::File::options();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| failed("write", &path, &error))?;
        Ok((path, file))
    }

    /// Signs what is said without adding it to the chain: for somebody else, who keeps it.
    pub fn sign(&self, kind: &str, body: &Value) -> Result<Value> {
        self.make_folder()?;
        let key = AuditKey::open(&self.key, &*self.rng)?;
        let mut document =
            json!({ "kind": kind, "server_name": self.server_name, "made_ts": self.clock.now_ms(), "body": body });
        let signature = json!({ "key": key.public(), "signature": key.sign(signed_bytes(&document)?.as_bytes()) });
        document["signature"] = signature;
        Ok(document)
    }

    /// Writes what belongs to a document beside it, under a name that begins with letters.
    pub fn keep(&self, name: &str, content: &Value) -> Result<PathBuf> {
        self.make_folder()?;
        let file = self.folder().join(name);
        let text = canonical(content)?;
        match write_new(&file, text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("write", &file, &error)),
            _ => Ok(file),
        }
    }

    /// Signs what is said and adds it. When this returns, it is on disk.
    pub async fn add(&self, kind: &str, body: Value) -> Result<Signed> {
        let _one = self.adding.lock().await;
        self.make_folder()?;
        let key = AuditKey::open(&self.key, &*self.rng)?;
        let last = self.folder.numbers()?.pop();
        let previous = match &last {
            Some((_, path)) => Value::String(hash(&read(path)?)),
            None => Value::Null,
        };
        let number = last.map_or(1, |(number, _)| number + 1);
        let mut document = json!({
            "kind": kind, "number": number, "previous": previous, "server_name": self.server_name,
            "made_ts": self.clock.now_ms(), "body": body,
        });
        let signature = json!({ "key": key.public(), "signature": key.sign(signed_bytes(&document)?.as_bytes()) });
        document["signature"] = signature;
        let text = canonical(&document)?;
        let file = self.folder().join(format!("{number:06}-{kind}.json"));
        write_new(&file, text.as_bytes()).map_err(|error| failed("write", &file, &error))?;
        Ok(Signed { number, file, hash: hash(text.as_bytes()), document })
    }
}

/// The key that signed a document, in unpadded Base64; an error if nobody did.
pub fn signer(document: &Value) -> Result<String> {
    let text = |key: &str| document["signature"][key].as_str().unwrap_or_default();
    let bytes = signed_bytes(document)?;
    if !key::is_signed(text("key"), text("signature"), bytes.as_bytes()) {
        return Err(ErrorKind::InvalidSignature
            .with("The document was changed after it was signed, or was never signed.")
            .into());
    }
    Ok(text("key").to_owned())
}

/// A document as it lies in its file.
pub fn canonical(document: &Value) -> Result<String> {
    CanonicalJsonValue::try_from(document.clone()).map(|value| value.to_string()).map_err(Error::internal)
}

/// What is signed: the document without its signature, in canonical JSON.
fn signed_bytes(document: &Value) -> Result<String> {
    let mut members: Map<String, Value> = document.as_object().cloned().unwrap_or_default();
    members.remove("signature");
    canonical(&Value::Object(members))
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Writes a file that must be new, whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link is made only where nothing of that name is: another process cannot take the same number.
    let linked = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    linked?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use domicile_core::{clock::ManualClock, rng::SeededRng};

    use super::*;

    fn documents(folder: &Path) -> Documents {
        Documents::new(
            folder.join("evidence"),
            folder.join("audit.key"),
            "example.org".to_owned(),
            Arc::new(ManualClock::at(1)),
            Arc::new(SeededRng::new(1)),
        )
    }

    #[tokio::test]
    async fn a_changed_or_missing_document_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let documents = documents(folder.path());
        let mut files = Vec::new();
        for number in 0..4 {
            let added = documents.add("test", json!({ "said": number })).await.unwrap();
            assert_eq!(signer(&added.document).unwrap(), documents.public_key().unwrap());
            files.push(added.file);
        }
        let chain = documents.in_folder().chain().unwrap();
        assert_eq!((chain.documents, chain.wrong.len(), chain.keys.len()), (4, 0, 1));
        let whole = std::fs::read_to_string(&files[1]).unwrap();
        std::fs::write(&files[1], whole.replace("\"said\":1", "\"said\":7")).unwrap();
        let wrong = documents.in_folder().chain().unwrap().wrong;
        assert!(wrong[0].starts_with("000002") && wrong[1].starts_with("000003"), "{wrong:?}");
        std::fs::remove_file(&files[1]).unwrap();
        assert!(documents.in_folder().chain().unwrap().wrong[0].contains("000003"));
        std::fs::write(&files[1], whole).unwrap();
        assert!(documents.in_folder().chain().unwrap().wrong.is_empty());
    }

    #[tokio::test]
    async fn the_key_is_for_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        documents(folder.path()).add("test", json!({})).await.unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("audit.key"), mode("evidence"), mode("evidence/000001-test.json")), (0o600, 0o700, 0o600));
    }
}
