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

use super::key::{self, AuditKey};
use crate::{Error, Result};

/// Largest document that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The documents of this cell.
pub struct Documents {
    folder: PathBuf,
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

/// What is wrong with the documents of the folder.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// How many there are.
    pub documents: u64,
    /// What is wrong, in words; nothing if all is well.
    pub wrong: Vec<String>,
    /// The public keys that signed, in the order of their first use.
    pub keys: Vec<String>,
}

impl Documents {
    /// Documents in a folder, signed with the key in a file. Neither needs to be there yet.
    pub fn new(folder: PathBuf, key: PathBuf, server_name: String, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { folder, key, server_name, clock, rng, adding: Mutex::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
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
        builder.create(&self.folder).map_err(|error| failed("make the folder", &self.folder, &error))
    }

    /// A file beside the documents, for what is too long to stand in one. It replaces one of its name.
    pub fn attachment(&self, name: &str) -> Result<(PathBuf, std::fs::File)> {
        self.make_folder()?;
        let path = self.folder.join(name);
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
        let file = self.folder.join(name);
        let text = canonical(content)?;
        match write_new(&file, text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("write", &file, &error)),
            _ => Ok(file),
        }
    }

    /// What was kept under names that begin and end in a way.
    pub fn kept(&self, begins: &str, ends: &str) -> Result<Vec<Value>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read the folder", &self.folder, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed("read the folder", &self.folder, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(begins) && name.ends_with(ends) {
                found.push((name.to_owned(), parse(&read(&path)?)?));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found.into_iter().map(|(_, document)| document).collect())
    }

    /// Signs what is said and adds it. When this returns, it is on disk.
    pub async fn add(&self, kind: &str, body: Value) -> Result<Signed> {
        let _one = self.adding.lock().await;
        self.make_folder()?;
        let key = AuditKey::open(&self.key, &*self.rng)?;
        let last = self.numbers()?.pop();
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
        let file = self.folder.join(format!("{number:06}-{kind}.json"));
        write_new(&file, text.as_bytes()).map_err(|error| failed("write", &file, &error))?;
        Ok(Signed { number, file, hash: hash(text.as_bytes()), document })
    }

    /// Numbers and files, in their order.
    fn numbers(&self) -> Result<Vec<(u64, PathBuf)>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read the folder", &self.folder, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed("read the folder", &self.folder, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let number = name.split_once('-').and_then(|(number, _)| number.parse().ok());
            if let Some(number) = number.filter(|_| Path::new(name).extension().is_some_and(|end| end == "json")) {
                found.push((number, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The documents with their numbers and files, in their order.
    pub fn all(&self) -> Result<Vec<(u64, PathBuf, Value)>> {
        let numbers = self.numbers()?;
        numbers.into_iter().map(|(number, path)| Ok((number, path.clone(), parse(&read(&path)?)?))).collect()
    }

    /// Whether every document is signed and names the one before it.
    pub fn chain(&self) -> Result<Chain> {
        let mut chain = Chain::default();
        let mut previous: Option<(u64, String)> = None;
        for (number, path) in self.numbers()? {
            let bytes = read(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            chain.documents += 1;
            match parse(&bytes).and_then(|document| Ok((signer(&document)?, document))) {
                Err(error) => chain.wrong.push(format!("{name}: {error}")),
                Ok((key, document)) => {
                    if !chain.keys.contains(&key) {
                        chain.keys.push(key);
                    }
                    let named = document["previous"].as_str();
                    let wanted = previous.as_ref().map(|(_, hash)| hash.as_str());
                    let follows = number == previous.as_ref().map_or(1, |(number, _)| number + 1);
                    if !follows || document["number"].as_u64() != Some(number) {
                        chain.wrong.push(format!("{name}: the document before it is missing"));
                    } else if named != wanted {
                        chain.wrong.push(format!("{name}: the document before it is not the one that it names"));
                    }
                }
            }
            previous = Some((number, hash(&bytes)));
        }
        Ok(chain)
    }

    /// The SHA-256 of the document of a number as it lies in the folder.
    pub fn hash_of(&self, number: u64) -> Result<Option<String>> {
        let found = self.numbers()?.into_iter().find(|(found, _)| *found == number);
        found.map(|(_, path)| Ok(hash(&read(&path)?))).transpose()
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

fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|_| ErrorKind::NotJson.with("The document is not JSON.").into())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(|error| failed("read", path, &error))?.len();
    if size > LARGEST {
        return Err(Error::internal(format!("{} is too large for a document: {size} bytes", path.display())));
    }
    std::fs::read(path).map_err(|error| failed("read", path, &error))
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

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::internal(format!("cannot {what} {}: {error}", path.display()))
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
        let chain = documents.chain().unwrap();
        assert_eq!((chain.documents, chain.wrong.len(), chain.keys.len()), (4, 0, 1));
        let whole = std::fs::read_to_string(&files[1]).unwrap();
        std::fs::write(&files[1], whole.replace("\"said\":1", "\"said\":7")).unwrap();
        let wrong = documents.chain().unwrap().wrong;
        assert!(wrong[0].starts_with("000002") && wrong[1].starts_with("000003"), "{wrong:?}");
        std::fs::remove_file(&files[1]).unwrap();
        assert!(documents.chain().unwrap().wrong[0].contains("000003"));
        std::fs::write(&files[1], whole).unwrap();
        assert!(documents.chain().unwrap().wrong.is_empty());
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
