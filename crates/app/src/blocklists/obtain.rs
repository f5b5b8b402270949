//! Getting hold of a part of a register: a file of this machine, or a download, if it is not the same as last time.

use std::{
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use domicile_egress::{
    client::Bounds,
    download::{Downloaded, Validators, download},
    file,
};
use domicile_store::table::blocklists;
use sha2::{Digest, Sha256};

use super::Blocklists;

/// What a download may cost. The largest register that is known is 0.4 GB unpacked.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(15), bytes: 2 << 30 };
/// What a hash may cost.
const HASH_BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 64 * 1_024 };

/// A part.
pub(super) enum Obtained {
    /// It is the same as last time.
    Same,
    /// It is another, and here.
    Other {
        /// The open file.
        file: File,
        /// By what it is known again.
        validators: Validators,
        /// Its SHA-256.
        hash: Vec<u8>,
        /// When it was changed, as whoever serves it says.
        served_ms: Option<i64>,
        /// What is to be removed when it was read.
        temporary: Option<Temporary>,
    },
}

/// A file that goes when this does.
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left is written over the next time.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Blocklists {
    /// Gets hold of a part; an error says why it cannot be had.
    pub(super) async fn obtain(
        &self,
        name: &str,
        source: &str,
        published_hash: Option<&str>,
        known: Option<&blocklists::Part>,
    ) -> Result<Obtained, String> {
        let expected = match published_hash {
            Some(place) => Some(self.published(place).await?),
            None => None,
        };
        let known_hash = known.map(|part| part.content_hash.to_vec());
        if expected.is_some() && expected == known_hash {
            return Ok(Obtained::Same);
        }
        let (path, validators, temporary) = if source.starts_with("https://") {
            let path = self.parts.folder.join(format!("{name}.download"));
            let validators = known.map_or_else(Validators::default, |part| Validators {
                etag: part.etag.clone(),
                last_modified: part.last_modified.clone(),
            });
            let temporary = Temporary(path.clone());
            match self.download(source, &validators, &path).await? {
                Downloaded::Unchanged => return Ok(Obtained::Same),
                Downloaded::Written { validators, .. } => (path, validators, Some(temporary)),
            }
        } else {
            (PathBuf::from(source), Validators::default(), None)
        };
        let opened = tokio::task::spawn_blocking(move || open(&path)).await.map_err(|error| error.to_string())?;
        let (file, hash, changed_ms) = opened.map_err(|error| error.to_string())?;
        if expected.is_some_and(|expected| expected != hash) {
            return Err("its SHA-256 is not the one that is published for it".to_owned());
        }
        if known_hash.as_ref() == Some(&hash) {
            return Ok(Obtained::Same);
        }
        let served_ms = match &temporary {
            Some(_) => validators.last_modified.as_deref().and_then(http_date),
            None => changed_ms,
        };
        Ok(Obtained::Other { file, validators, hash, served_ms, temporary })
    }

    async fn download(&self, source: &str, known: &Validators, path: &Path) -> Result<Downloaded, String> {
        tokio::fs::create_dir_all(&self.parts.folder).await.map_err(|error| error.to_string())?;
        let mut into = tokio::fs::File::create(path).await.map_err(|error| error.to_string())?;
        download(&self.parts.client, source, known, BOUNDS, &mut into).await.map_err(|error| error.to_string())
    }

    /// The SHA-256 that is published at an address or in a file: its first word of 64 hexadecimal digits.
    async fn published(&self, place: &str) -> Result<Vec<u8>, String> {
        let wrong = |why: String| format!("its published SHA-256 cannot be had: {why}");
        let text = if place.starts_with("https://") {
            let fetched = file::fetch(&self.parts.client, place, HASH_BOUNDS).await;
            String::from_utf8_lossy(&fetched.map_err(|error| wrong(error.to_string()))?.content).into_owned()
        } else {
            tokio::fs::read_to_string(place).await.map_err(|error| wrong(error.to_string()))?
        };
        let mut words = text.split(|letter: char| !letter.is_ascii_hexdigit());
        words.find(|word| word.len() == 64).and_then(unhex).ok_or_else(|| wrong("there is none".to_owned()))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Opens a file, and gives it with its hash and when it was changed.
fn open(path: &Path) -> std::io::Result<(File, Vec<u8>, Option<i64>)> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let modified = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1_024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    file.rewind()?;
    Ok((file, hash.finalize().to_vec(), modified.and_then(|at| i64::try_from(at.as_millis()).ok())))
}

/// A time of HTTP, in milliseconds since the epoch.
fn http_date(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok()
}
