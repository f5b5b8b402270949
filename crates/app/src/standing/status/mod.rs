//! The status page. It is written anew when something changes and about once a minute, and kept in memory: it costs a request nothing, and is there
//! while the database is not.

mod atom;
mod cut_off;
mod page;
mod read;
mod restoring;
mod style;
pub(crate) mod view;
pub(crate) mod words;
mod words_de;
mod words_ru;
mod words_zh;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domicile_core::clock::Clock;
use domicile_store::Store;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Addresses, Demands, Duties};
use crate::{Result, discovery::Contact};

pub use words::Language;
pub(crate) use words::over_in_all_languages;

use page::Links;
use view::View;

/// How often the page is written anew, whatever happens.
const PAUSE: Duration = Duration::from_mins(1);

/// A page or a feed, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What is sent.
    pub body: Bytes,
    /// Its strong validator (RFC 9110), with quotation marks.
    pub etag: String,
}

/// Everything that is kept.
#[derive(Debug, Default)]
struct Kept {
    pages: BTreeMap<Language, Arc<Written>>,
    feeds: BTreeMap<Language, Arc<Written>>,
    contacts: Vec<(String, String)>,
}

/// What the service needs.
pub struct StatusParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the law asks.
    pub duties: Arc<Duties>,
    /// Demands.
    pub demands: Arc<Demands>,
    /// Where else the service is reached.
    pub addresses: Arc<Addresses>,
    /// The deployment's name.
    pub service: String,
    /// The address that clients use, if it is known.
    pub public_url: Option<String>,
    /// Ways to reach the operator, by the configuration.
    pub contacts: Vec<Contact>,
}

/// The status page.
pub struct StatusPage {
    parts: StatusParts,
    kept: ArcSwap<Kept>,
    policy: String,
}

impl StatusPage {
    /// A page that says nothing yet.
    pub fn new(parts: StatusParts) -> Self {
        let hash = STANDARD.encode(Sha256::digest(style::STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let status = Self { parts, kept: ArcSwap::default(), policy };
        status.kept.store(Arc::new(status.keep(&status.nothing())));
        status
    }

    /// The page in a language.
    pub fn page(&self, language: Language) -> Arc<Written> {
        self.kept.load().pages.get(&language).map_or_else(empty, Arc::clone)
    }

    /// The feed in a language.
    pub fn feed(&self, language: Language) -> Arc<Written> {
        self.kept.load().feeds.get(&language).map_or_else(empty, Arc::clone)
    }

    /// What a browser may do with the page: nothing but show it.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Whom the public can reach, role and address, as the page last said.
    pub fn contacts(&self) -> Vec<(String, String)> {
        self.kept.load().contacts.clone()
    }

    /// Writes the page anew. Where the database does not answer, what was written stays.
    pub async fn refresh(&self) -> Result<()> {
        let view = self.view().await?;
        self.kept.store(Arc::new(self.keep(&view)));
        Ok(())
    }

    /// Writes the page anew about once a minute, until the server stops. Whoever starts the server has written it first.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the status page could not be written anew: it stays as it is");
            }
        }
    }

    /// The page as files of a folder, for another host under another name: name and text.
    pub async fn export(&self) -> Result<BTreeMap<String, String>> {
        let view = self.view().await?;
        let links = Links { page: file, feed: feed_file };
        let mut files = BTreeMap::new();
        for language in Language::ALL {
            files.insert(file(language), page::page(&view, language, &links));
            files.insert(feed_file(language), atom::feed(&view, language, None));
        }
        files.extend(self.parts.addresses.exported().map(|text| ("addresses.json".to_owned(), text)));
        Ok(files)
    }

    fn nothing(&self) -> View {
        let operator = self.parts.duties.settings().operator.clone();
        View { service: self.parts.service.clone(), operator, contacts: self.configured(), ..View::default() }
    }

    fn configured(&self) -> Vec<(String, String)> {
        let shown = self.parts.contacts.iter().map(|contact| match contact {
            Contact::Mail(address) => address.clone(),
            Contact::User(user_id) => user_id.to_string(),
        });
        shown.map(|address| ("users".to_owned(), address)).collect()
    }

    fn keep(&self, view: &View) -> Kept {
        let links = Links { page: path, feed: feed_path };
        let mut kept = Kept { contacts: view.contacts.clone(), ..Kept::default() };
        for language in Language::ALL {
            kept.pages.insert(language, written(page::page(view, language, &links)));
            let address =
                self.parts.public_url.as_ref().map(|url| format!("{}{}", url.trim_end_matches('/'), path(language)));
            kept.feeds.insert(language, written(atom::feed(view, language, address.as_deref())));
        }
        kept
    }
}

fn written(text: String) -> Arc<Written> {
    let hash = Sha256::digest(text.as_bytes());
    let etag = format!("\"{}\"", STANDARD.encode(hash.get(..12).unwrap_or_default()));
    Arc::new(Written { body: Bytes::from(text), etag })
}

/// Nothing: every language is written when the service is made.
fn empty() -> Arc<Written> {
    Arc::new(Written { body: Bytes::new(), etag: "\"\"".to_owned() })
}

fn path(language: Language) -> String {
    format!("/status/{}", language.code())
}

fn feed_path(language: Language) -> String {
    format!("/status/{}/feed.atom", language.code())
}

fn file(language: Language) -> String {
    if language == Language::En { "index.html".to_owned() } else { format!("{}.html", language.code()) }
}

fn feed_file(language: Language) -> String {
    format!("feed.{}.atom", language.code())
}

#[cfg(test)]
mod tests;
