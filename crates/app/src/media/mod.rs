//! Media: uploaded by people, stored sealed, given to whoever is logged in and knows the address, and to other cells and servers by the rules (`cells`).

pub mod blobs;
mod cell_files;
mod cells;
mod download;
mod picture;
pub mod remote;
pub(crate) mod removal;
pub mod sealed_blobs;
mod thumbnail;
mod upload;

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, DAY_MS},
    rng::{self, Rng},
};
use domicile_store::{Blobs as Files, Keystore, Store};
use ruma::{OwnedServerName, ServerName};
use tokio::sync::{Notify, Semaphore};

pub use blobs::{Blobs, ByteStream, Incoming};
pub use cell_files::{CONTENT, ContentQuestion, Shape};
pub use cells::{OtherCells, WHOSE};
pub use download::Download;
pub use picture::Method;
pub use remote::{Fetcher, RemoteCache, RemoteMedia};
pub use sealed_blobs::SealedBlobs;
pub use thumbnail::Wanted;
pub use upload::{Described, Reserved};

use crate::residency::Localities;

/// What the operator can choose.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Largest upload in bytes.
    pub upload_bytes: u64,
    /// How long an upload may be awaited, in milliseconds.
    pub awaited_ms: i64,
    /// Uploads of one user that are awaited at once.
    pub awaited_at_once: i64,
    /// Thumbnails that are made at once. Each may take 256 MiB for a moment.
    pub thumbnails_at_once: usize,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self { upload_bytes: 100 * 1024 * 1024, awaited_ms: DAY_MS, awaited_at_once: 50, thumbnails_at_once: 1 }
    }
}

/// Longest wait for an upload that is awaited, whatever the client asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Where a file's name stands, which is sealed with it.
const SEALED: &str = "media.sealed";

/// Letters of a line between parts.
const BOUNDARY_LENGTH: usize = 32;

/// What media is made of.
pub struct MediaParts {
    /// The database.
    pub store: Store,
    /// Where bytes lie.
    pub blobs: Arc<dyn Blobs>,
    /// The same files, to remove them.
    pub files: Files,
    /// People's keys.
    pub keystore: Arc<Keystore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The deployment's name.
    pub server_name: OwnedServerName,
    /// What the operator chose.
    pub settings: MediaSettings,
    /// Media of other servers.
    pub remote: RemoteMedia,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// The other cells of the deployment, if there are any.
    pub other_cells: Option<OtherCells>,
}

/// Keeps media.
pub struct Media {
    store: Store,
    blobs: Arc<dyn Blobs>,
    files: Files,
    keystore: Arc<Keystore>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    server_name: OwnedServerName,
    settings: MediaSettings,
    remote: RemoteMedia,
    localities: Arc<Localities>,
    other_cells: Option<OtherCells>,
    /// Rings when awaited media has come.
    arrived: Notify,
    /// Places at the work bench.
    thumbnails: Semaphore,
}

impl Media {
    /// Media of its parts.
    pub fn new(parts: MediaParts) -> Self {
        let MediaParts {
            store,
            blobs,
            files,
            keystore,
            clock,
            rng,
            server_name,
            settings,
            remote,
            localities,
            other_cells,
        } = parts;
        let thumbnails = Semaphore::new(settings.thumbnails_at_once.max(1));
        Self {
            store,
            blobs,
            files,
            keystore,
            clock,
            rng,
            server_name,
            settings,
            remote,
            localities,
            other_cells,
            arrived: Notify::new(),
            thumbnails,
        }
    }

    /// The name of this server, whose media lies here.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// A line that is in no file, for an answer of several parts.
    pub fn boundary(&self) -> String {
        rng::name(&*self.rng, BOUNDARY_LENGTH)
    }

    /// Largest upload in bytes.
    pub fn upload_bytes(&self) -> u64 {
        self.settings.upload_bytes
    }

    /// Whether media of a server is the deployment's own.
    fn is_ours(&self, server_name: &ServerName) -> bool {
        server_name == self.server_name
    }
}

/// Whether a text can be a media id (client-server specification, *Security considerations* of the content repository).
fn is_media_id(media_id: &str) -> bool {
    (1..=255).contains(&media_id.len())
        && media_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
