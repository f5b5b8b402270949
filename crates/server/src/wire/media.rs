//! Files: those of this server's users, and those of other servers.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use domicile_app::{
    admin::{BackupParts, Backups},
    federation::Peers,
    media::{Fetcher, Media, MediaParts, MediaSettings, OtherCells, RemoteCache, RemoteMedia, SealedBlobs},
    residency::Localities,
};
use domicile_core::config;
use domicile_egress::Client;
use domicile_store::{Blobs, Store};
use ruma::ServerName;

use super::{Surroundings, deployment::OwnLink};

/// The folder beside that of media with what is kept of other servers' files. It is in no backup.
const REMOTE: &str = "remote-media";

pub(super) async fn wire(
    config: &config::Media,
    store: &Store,
    server_name: &ServerName,
    (peers, client): (Arc<Peers>, Client),
    (cells, localities): (Option<&OwnLink>, &Arc<Localities>),
    surroundings: &Surroundings,
) -> anyhow::Result<Media> {
    let files = Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?;
    let folder = surroundings.media.with_file_name(REMOTE);
    let remote = Blobs::open(folder).await.context("cannot open the folder of other servers' media")?;
    let keystore = || Arc::clone(&surroundings.keystore);
    let clock = || Arc::clone(&surroundings.clock);
    let (bytes, kept_ms) = (config.remote_cache.0, config.remote_kept_for.0);
    let cache = RemoteCache::new(store.clone(), remote, keystore(), clock(), bytes, kept_ms);
    let settings = MediaSettings {
        upload_bytes: config.max_upload.0,
        awaited_ms: config.unused_for.0,
        ..MediaSettings::default()
    };
    Ok(Media::new(MediaParts {
        store: store.clone(),
        blobs: Arc::new(SealedBlobs::new(files.clone(), keystore(), config.max_upload.0)),
        files,
        keystore: keystore(),
        clock: clock(),
        rng: Arc::clone(&surroundings.rng),
        server_name: server_name.to_owned(),
        settings,
        remote: RemoteMedia::new(Fetcher::new(peers, client, config.max_remote.0), cache),
        localities: Arc::clone(localities),
        other_cells: cells.map(|cells| OtherCells::new(Arc::clone(localities), Arc::clone(&cells.link), clock())),
    }))
}

/// Copies of the database and the files.
pub(super) async fn backups(
    store: &Store,
    server_name: &ServerName,
    surroundings: &Surroundings,
) -> anyhow::Result<Backups> {
    Ok(Backups::new(BackupParts {
        store: store.clone(),
        keystore: Arc::clone(&surroundings.keystore),
        blobs: Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?,
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
        work: surroundings.media.parent().map_or_else(|| PathBuf::from("."), std::path::Path::to_path_buf),
        server_name: server_name.to_string(),
    }))
}
