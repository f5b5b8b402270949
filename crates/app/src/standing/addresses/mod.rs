//! Alternative addresses: where the service is reached when its usual address is not, signed so that it does not matter who passes them on.
//!
//! The file is made with `domicile addresses write` and looked at about once a minute. One that is not to be believed is not served, and the
//! operator is alerted. Users whose country is named in `addresses_off_in` are told of none.

pub mod document;

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use domicile_core::{
    calendar::day,
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    ids::UserNum,
};
use domicile_store::{Store, table::user_jurisdictions};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::alerts::NewAlert;
use crate::{Result, error::not_found, federation::OwnKeys, rounds::again_and_again};
use document::{Document, Keys, Said};

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_mins(1);
/// How long before its end the operator is alerted.
const SOON_MS: i64 = 14 * DAY_MS;

/// What the operator chose.
#[derive(Clone, Debug, Default)]
pub struct AddressSettings {
    /// The file, if there are any.
    pub file: Option<PathBuf>,
    /// Countries whose users are told of none.
    pub off_in: Vec<String>,
    /// Whether everybody may know.
    pub is_public: bool,
}

/// What the service needs.
pub struct AddressParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The server's own key, which may sign.
    pub keys: Arc<OwnKeys>,
    /// The root key of the deployment, if there is one: its id and it, in unpadded base64.
    pub root: Option<(String, String)>,
    /// The operator's choices.
    pub settings: AddressSettings,
}

/// Keeps and tells alternative addresses.
pub struct Addresses {
    parts: AddressParts,
    kept: ArcSwapOption<Document>,
    /// Why there are none although a file is named.
    trouble: Mutex<Option<String>>,
}

impl Addresses {
    /// None yet.
    pub fn new(parts: AddressParts) -> Self {
        Self { parts, kept: ArcSwapOption::empty(), trouble: Mutex::default() }
    }

    /// Keys that are believed: the server's, and the root key.
    pub fn keys(&self) -> Keys {
        let signer = self.parts.keys.outer();
        let mut keys: Keys = [(signer.key_id().to_owned(), signer.public_key().clone())].into();
        keys.extend(self.parts.root.clone());
        keys
    }

    /// Signs a document with the server's key: good from now for so many milliseconds.
    pub fn write(&self, addresses: Vec<String>, good_for_ms: i64) -> Result<String> {
        let now_ms = self.parts.clock.now_ms();
        let said = Said::new(self.parts.keys.server_name(), addresses, now_ms, now_ms.saturating_add(good_for_ms))?;
        document::sign(&said, self.parts.keys.outer().key_pair())
    }

    /// Looks at the file. An older document does not take the place of a later one.
    pub async fn refresh(&self) {
        let Some(path) = self.parts.settings.file.clone() else { return };
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let text = read.unwrap_or_else(|error| Err(error.to_string()));
        let found = text.and_then(|text| {
            let now_ms = self.parts.clock.now_ms();
            document::believed(&text, self.parts.keys.server_name(), &self.keys(), now_ms)
                .map_err(|why| why.to_string())
        });
        let trouble = match found {
            Ok(found) => {
                let known = self.kept.load();
                let is_older = known.as_ref().is_some_and(|known| known.said.issued_ts > found.said.issued_ts);
                if !is_older {
                    self.kept.store(Some(Arc::new(found)));
                }
                is_older
                    .then(|| "an earlier document than the one before stands there; the later one is told".to_owned())
            }
            Err(why) => {
                self.kept.store(None);
                Some(why)
            }
        };
        let mut told = self.trouble.lock();
        if let Some(why) = trouble.as_ref().filter(|_| *told != trouble) {
            tracing::warn!(file = shown, why, "the alternative addresses of this file are not told");
        }
        *told = trouble;
    }

    /// Looks at the file again and again, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || self.refresh()).await;
    }

    /// The document, for whoever asks.
    pub fn for_everybody(&self) -> Result<Bytes> {
        if !self.parts.settings.is_public {
            return Err(not_found("Alternative addresses are told to users who are signed in."));
        }
        self.good().map(|document| Bytes::from(document.text.clone())).ok_or_else(none)
    }

    /// The document, for a user: not where their country is one in which the operator does not tell it.
    pub async fn for_user(&self, user_num: UserNum) -> Result<Bytes> {
        let document = self.good().ok_or_else(none)?;
        let noted = self
            .parts
            .store
            .read(move |snapshot| async move { user_jurisdictions::of_user(&snapshot, user_num).await });
        let noted = noted.await?;
        let code = noted.corrected.map(|(code, _)| code).or_else(|| noted.stated.map(|(code, ..)| code));
        if let Some(code) = code.filter(|code| !self.may_be_told_in(code)) {
            let what = format!(
                "Alternative addresses are not told to users in {code}: publishing ways round a block is restricted there. Ask those who run this service."
            );
            return Err(ErrorKind::NotFound.with(what).into());
        }
        Ok(Bytes::from(document.text.clone()))
    }

    /// The addresses that a notice about a jurisdiction names.
    pub(super) fn for_notice(&self, code: Option<&str>) -> Vec<String> {
        // Who reads a notice to everybody is not known here.
        let may = code.map_or(self.parts.settings.off_in.is_empty(), |code| self.may_be_told_in(code));
        self.good().filter(|_| may).map(|document| document.said.addresses.clone()).unwrap_or_default()
    }

    /// The document as a file of the exported status page, if everybody may know it.
    pub(super) fn exported(&self) -> Option<String> {
        self.good().filter(|_| self.parts.settings.is_public).map(|document| document.text.clone())
    }

    /// What the operator is to know.
    pub(super) fn alerts(&self) -> Vec<NewAlert> {
        let mut what =
            self.trouble.lock().as_ref().map(|why| format!("The alternative addresses are not told: {why}."));
        let ends = self.kept.load().as_ref().map(|document| document.said.expires_ts);
        if let Some(at) = ends.filter(|at| *at < self.parts.clock.now_ms() + SOON_MS && what.is_none()) {
            what = Some(format!(
                "The alternative addresses are good until {}: write them anew with `domicile addresses write`.",
                day(at)
            ));
        }
        let alert = |what| NewAlert { subject: "addresses".to_owned(), kind: "addresses", code: None, what };
        what.map(alert).into_iter().collect()
    }

    fn may_be_told_in(&self, code: &str) -> bool {
        !self.parts.settings.off_in.iter().any(|off| off == code)
    }

    fn good(&self) -> Option<Arc<Document>> {
        self.kept.load_full().filter(|document| document.said.expires_ts > self.parts.clock.now_ms())
    }
}

fn none() -> crate::Error {
    not_found("This service names no alternative addresses.")
}

/// Reads the file, if it is no larger than a document may be.
fn read(path: &std::path::Path) -> std::result::Result<String, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(document::BYTES as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}
