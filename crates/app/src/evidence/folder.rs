//! The folder of signed documents as somebody reads it, who need not be the server that signs them.

use std::{
    io,
    path::{Path, PathBuf},
};

use domicile_core::error::ErrorKind;
use serde_json::Value;

use super::documents::{hash, signer};
use crate::{Error, Result};

/// Largest document that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A folder of documents.
pub struct Folder(PathBuf);

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

impl Folder {
    /// One that need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was kept under names that begin and end in a way.
    pub fn kept(&self, begins: &str, ends: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for (name, path) in self.files()? {
            if name.starts_with(begins) && name.ends_with(ends) {
                found.push((name, parse(&read(&path)?)?));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found.into_iter().map(|(_, document)| document).collect())
    }

    /// What is in the folder, by its name; nothing where there is no folder yet.
    fn files(&self) -> Result<Vec<(String, PathBuf)>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read the folder", &self.0, &error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed("read the folder", &self.0, &error))?.path();
            files.push((path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned(), path));
        }
        Ok(files)
    }

    /// Numbers and files, in their order.
    pub(super) fn numbers(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for (name, path) in self.files()? {
            let number = name.split_once('-').and_then(|(number, _)| number.parse().ok());
            if let Some(number) = number.filter(|_| Path::new(&name).extension().is_some_and(|end| end == "json")) {
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

fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|_| ErrorKind::NotJson.with("The document is not JSON.").into())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(|error| failed("read", path, &error))?.len();
    if size > LARGEST {
        return Err(Error::internal(format!("{} is too large for a document: {size} bytes", path.display())));
    }
    std::fs::read(path).map_err(|error| failed("read", path, &error))
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::internal(format!("cannot {what} {}: {error}", path.display()))
}
