//! Media of people whose home is another cell: asked of that cell when somebody here wants to see it, given on, and kept nowhere here.
//!
//! An address says nothing of the cell, so the others are asked whose it is, by the beginning of its id: the rest, without which nobody can read
//! it, goes to the cell alone that has it, and has proved that it knows the rest. And what a cell gives others is bounded by the rules between their
//! regions.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::Clock,
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination},
    rng::Rng,
};
use domicile_residency::{
    deployment::{Cell, Profiles},
    flow::{self, Rule},
    inner::{ALIKE, Proofs, SecretOf, WhoseQuestion},
};
use domicile_store::table::{media, profile_fields};
use futures::TryStreamExt as _;
use quick_cache::sync::Cache;
use ruma::ServerName;
use tokio::sync::Semaphore;

use super::{
    Download, LONGEST_WAIT, Media, Wanted,
    cell_files::{ContentQuestion, Shape},
    download::Found,
    is_media_id,
    picture::Size,
};
use crate::{
    Error, Result,
    error::not_found,
    federation::Kept,
    residency::{Cells, InnerLink, Localities, Sought, Whose, whose},
};

/// Where a cell is asked whether media is one of its own.
pub const WHOSE: &str = "/_domicile/inner/v1/media/whose";
/// Letters of an id by which a cell is found: 71 bits of 190.
const HANDLE: usize = 12;
/// Shortest id of which that leaves enough to keep a secret.
const SHORTEST: usize = 24;
/// Where what is, for so many.
const PLACES: usize = 50_000;
/// How long it is remembered that something is nowhere, in milliseconds, and for how many.
const MISSING: (i64, usize) = (60_000, 10_000);
/// What is asked for at once.
const ASKED: usize = 64;

/// The cells where media may be that is not here.
pub struct OtherCells {
    localities: Arc<Localities>,
    pub(super) link: Arc<InnerLink>,
    places: Cache<String, CellName>,
    missing: Kept<String, ()>,
    asking: Semaphore,
}

impl OtherCells {
    /// Those to which `link` leads.
    pub fn new(localities: Arc<Localities>, link: Arc<InnerLink>, clock: Arc<dyn Clock>) -> Self {
        let (places, missing) = (Cache::new(PLACES), Kept::new(clock, MISSING.1));
        Self { localities, link, places, missing, asking: Semaphore::new(ASKED) }
    }

    fn cells(&self) -> Result<&Cells> {
        self.localities.among_cells()
    }

    /// The cell that has media.
    async fn find(&self, media_id: &str, rng: &dyn Rng) -> Result<CellName> {
        if let Some(cell) = self.places.get(media_id) {
            return Ok(cell);
        }
        if media_id.len() < SHORTEST || self.missing.get(media_id).is_some() {
            return Err(gone());
        }
        let handle = media_id.get(..HANDLE).ok_or_else(gone)?;
        let own = &self.cells()?.own;
        let document = own.document();
        let may = |name: &CellName, cell: &Cell| {
            name != own.name() && flow::between(document, own.region(), &cell.region).rule != Rule::Forbid
        };
        let others =
            document.cells.iter().filter(|(name, cell)| may(name, cell)).map(|(name, _)| name.clone()).collect();
        let _place = self.asking.try_acquire().map_err(|_| MatrixError::limit_exceeded(1_000))?;
        let sought = Sought { of: SecretOf::Media, beginning: handle, secret: media_id.as_bytes() };
        match whose(&self.link, others, WHOSE, sought, rng).await {
            Whose::Of(cell) => {
                self.places.insert(media_id.to_owned(), cell.clone());
                Ok(cell)
            }
            Whose::Nobodys => {
                self.missing.put(media_id.to_owned(), (), MISSING.0);
                Err(gone())
            }
            Whose::Unknown => {
                let text = "The part of this service in which this has its home cannot be reached at the moment: try again later.";
                Err(ErrorKind::BadGateway.with(text).into())
            }
        }
    }
}

fn gone() -> Error {
    not_found("There is no such media.")
}

fn is_gone<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Matrix(error)) if error.kind == ErrorKind::NotFound)
}

impl Media {
    /// Proves that media is here of whose id another cell says the beginning. What is left out of it has to be known to whoever reads the answer.
    pub async fn has(&self, question: WhoseQuestion) -> Result<Proofs> {
        let own = self.localities.among_cells()?.own.name();
        let handle = question.beginning.clone();
        if handle.len() != HANDLE || !is_media_id(&handle) {
            return Err(ErrorKind::InvalidParam.with("This is not the beginning of an id.").into());
        }
        let limit = i64::try_from(ALIKE).unwrap_or(1);
        let read = self.store.read(move |snapshot| async move { media::beginning(&snapshot, &handle, limit).await });
        // Of one that is short, what is not asked is no secret.
        let ids = read.await?.into_iter().filter(|id| id.len() >= SHORTEST);
        Ok(question.answer(SecretOf::Media, own, ids))
    }

    /// The content of media for another server or cell, whose name `origin` is.
    pub async fn download_for(&self, origin: &ServerName, media_id: &str, wait: Duration) -> Result<Download> {
        let found = self.find(&self.server_name, media_id, wait).await?;
        self.check_crosses(origin, &found).await?;
        self.open(found).await
    }

    /// The same of a thumbnail.
    pub async fn thumbnail_for(
        &self,
        origin: &ServerName,
        media_id: &str,
        wait: Duration,
        wanted: Wanted,
    ) -> Result<Download> {
        let found = self.find(&self.server_name, media_id, wait).await?;
        self.check_crosses(origin, &found).await?;
        self.thumbnail_here(found, wanted).await
    }

    /// Whether media of this cell may be given to another cell or server. Under `encrypted_only` it must be ciphertext, or the picture that its owner shows of
    /// themselves, where the region shows that.
    async fn check_crosses(&self, origin: &ServerName, found: &Found) -> Result<()> {
        let Some(cells) = self.localities.cells() else { return Ok(()) };
        let document = cells.own.document();
        let decision = flow::to_destination(document, cells.own.region(), &Destination::of_peer(origin));
        match decision.rule {
            Rule::Allow => return Ok(()),
            Rule::Forbid => return Err(ErrorKind::Forbidden.with(decision.reason).into()),
            Rule::EncryptedOnly => {}
        }
        let shows = document.regions.get(cells.own.region()).map(|policy| policy.profiles);
        if shows == Some(Profiles::InRooms) && self.is_picture_of_owner(found).await? {
            return Ok(());
        }
        let mut content = self.blobs.open(found.row.user_num, found.hash.clone()).await?.ok_or_else(gone)?;
        let mut sample = Vec::with_capacity(flow::SAMPLE);
        while let Some(piece) = content.try_next().await.map_err(Error::internal)? {
            sample.extend_from_slice(&piece[..piece.len().min(flow::SAMPLE - sample.len())]);
            if sample.len() == flow::SAMPLE {
                break;
            }
        }
        if flow::looks_encrypted(found.row.content_type.as_deref(), &sample) {
            return Ok(());
        }
        let text = "This file is not encrypted, and only what is encrypted may be shared with you.";
        Err(ErrorKind::Forbidden.with(text).into())
    }

    async fn is_picture_of_owner(&self, found: &Found) -> Result<bool> {
        let owner = found.row.user_num;
        let fields = self.store.read(move |snapshot| async move { profile_fields::of_user(&snapshot, owner).await });
        let uri = serde_json::Value::from(format!("mxc://{}/{}", self.server_name, found.row.media_id)).to_string();
        Ok(fields.await?.into_iter().any(|(field, value)| field == "avatar_url" && value == uri))
    }

    /// Media that is not here, of the cell that has it. It may have moved since it was asked for last.
    pub(super) async fn download_elsewhere(&self, media_id: &str, wait: Duration) -> Result<Download> {
        let (first, others) = (self.file_elsewhere(media_id, None, wait).await, &self.other_cells);
        match others {
            Some(others) if is_gone(&first) && others.places.remove(media_id).is_some() => {
                self.file_elsewhere(media_id, None, wait).await
            }
            _ => first,
        }
    }

    /// The same of a thumbnail, which its home makes.
    pub(super) async fn thumbnail_elsewhere(&self, media_id: &str, wait: Duration, wanted: Wanted) -> Result<Download> {
        let Some(size) = Size::at_least(wanted.method, wanted.width, wanted.height) else {
            return self.download_elsewhere(media_id, wait).await;
        };
        let (shape, others) = (Some((wanted, size)), &self.other_cells);
        let first = self.file_elsewhere(media_id, shape, wait).await;
        match others {
            Some(others) if is_gone(&first) && others.places.remove(media_id).is_some() => {
                self.file_elsewhere(media_id, shape, wait).await
            }
            _ => first,
        }
    }

    async fn file_elsewhere(&self, media_id: &str, shape: Option<(Wanted, Size)>, wait: Duration) -> Result<Download> {
        let others = self.other_cells.as_ref().filter(|_| is_media_id(media_id)).ok_or_else(gone)?;
        let cell = others.find(media_id, &*self.rng).await?;
        let thumbnail =
            shape.map(|(wanted, size)| Shape { method: wanted.method, width: size.width, height: size.height });
        let wait = wait.min(LONGEST_WAIT);
        let timeout_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let question = ContentQuestion { media_id: media_id.to_owned(), timeout_ms, thumbnail };
        others.content(&cell, &question, (self.remote.fetcher().largest(), self.remote.fetcher().bounds(wait))).await
    }
}
