//! This cell among others, if it belongs to a deployment.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use domicile_app::{
    accounts::{RateLimits, SeenTokens, Sessions, Users},
    front_door::{FrontDoor, FrontDoorParts},
    moves::Departures,
    residency::{
        Cells, Documents, InnerLink, InnerWays, Localities, Names, NewRegions, OwnCell, OwnCellSettings, Placement,
        Spans, Tickets,
    },
};
use domicile_core::{config, locality::CellName};
use domicile_residency::deployment::{PublicKey, SecretKey};
use domicile_store::Store;
use ruma::ServerName;

use super::Surroundings;
use crate::commands::{document_file, key_file};

/// This cell, and its link to the others.
pub(super) struct OwnLink {
    pub(super) own: Arc<OwnCell>,
    pub(super) link: Arc<InnerLink>,
    file: PathBuf,
    /// What people are told before the first copy of a room goes to another region.
    new_regions: config::NewRegions,
}

/// What the configuration says, with the files that it names read.
pub(super) fn settings(config: &config::Deployment) -> anyhow::Result<Option<OwnCellSettings>> {
    if !config.is_set() {
        return Ok(None);
    }
    let Some(cell) = CellName::parse(&config.cell) else {
        bail!("deployment.cell = \"{}\": use 1 to 16 lower-case letters, digits and hyphens", config.cell);
    };
    Ok(Some(OwnCellSettings {
        document: document_file::read(Path::new(&config.file)).context("deployment.file")?,
        file: PathBuf::from(&config.file),
        cell,
        root: PublicKey::parse(&config.root_key).context("deployment.root_key")?,
        key: key_file::read(Path::new(&config.key_file)).context("deployment.key_file")?,
        former_keys: former_keys(config).context("deployment.former_key_files")?,
    }))
}

fn former_keys(config: &config::Deployment) -> anyhow::Result<Vec<SecretKey>> {
    config.former_key_files.iter().map(|file| key_file::read(Path::new(file))).collect()
}

pub(super) async fn open(
    (settings, proxy, new_regions): (Option<OwnCellSettings>, &InnerWays, config::NewRegions),
    store: &Store,
    server_name: &ServerName,
    surroundings: &Surroundings,
) -> anyhow::Result<Option<OwnLink>> {
    let Some(settings) = settings else { return Ok(None) };
    let (now_ms, file) = (surroundings.clock.now_ms(), settings.file.clone());
    let own = OwnCell::open(store, settings, server_name, now_ms).await.context("deployment.file")?;
    let own = Arc::new(own);
    let link = InnerLink::new(Arc::clone(&own), proxy.clone(), Arc::clone(&surroundings.clock), &*surroundings.rng)?;
    Ok(Some(OwnLink { own, link: Arc::new(link), file, new_regions }))
}

/// Which places in streams are this cell's own.
pub(super) async fn spans(
    cells: Option<&OwnLink>,
    store: &Store,
    surroundings: &Surroundings,
) -> anyhow::Result<Arc<Spans>> {
    let spans = Spans::open(store, &*surroundings.rng, cells.is_some()).await;
    Ok(Arc::new(spans.context("the spans of the stream")?))
}

/// Where people go who come to another cell than their home.
pub(super) fn front_door(
    cells: Option<&OwnLink>,
    store: &Store,
    users: &Users,
    (rate_limits, departures, sessions): (&Arc<RateLimits>, &Arc<Departures>, &Arc<Sessions>),
    surroundings: &Surroundings,
) -> FrontDoor {
    FrontDoor::new(cells.map(|OwnLink { link, .. }| FrontDoorParts {
        store: store.clone(),
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
        link: Arc::clone(link),
        localities: users.localities_shared(),
        rate_limits: Arc::clone(rate_limits),
        departures: Arc::clone(departures),
        seen: Arc::new(SeenTokens::new(
            store.clone(),
            Arc::clone(&surroundings.clock),
            Arc::clone(sessions),
            users.localities_shared(),
        )),
    }))
}

pub(super) async fn localities(
    cells: Option<&OwnLink>,
    store: &Store,
    server_name: &ServerName,
    surroundings: &Surroundings,
) -> anyhow::Result<Localities> {
    let Some(OwnLink { own, link, file, new_regions }) = cells else {
        return Ok(Localities::new(server_name.to_owned(), None));
    };
    let tickets = Arc::new(Tickets::open(store.clone(), Arc::clone(own)).await.context("the tickets")?);
    let names = Arc::new(Names::new(
        store.clone(),
        Arc::clone(&surroundings.clock),
        Arc::clone(&surroundings.rng),
        Arc::clone(own),
        Arc::clone(&tickets),
        Arc::clone(link),
    ));
    let placement = Arc::new(Placement::new(
        store.clone(),
        Arc::clone(&surroundings.clock),
        Arc::clone(own),
        Arc::clone(&tickets),
        Arc::clone(link),
    ));
    let documents = Arc::new(Documents::new(
        store.clone(),
        Arc::clone(&surroundings.clock),
        file.clone(),
        (Arc::clone(own), Arc::clone(link)),
        (Arc::clone(&tickets), Arc::clone(&names)),
    ));
    let new_regions = Arc::new(NewRegions::new(
        store.clone(),
        Arc::clone(&surroundings.clock),
        (Arc::clone(own), Arc::clone(link)),
        *new_regions == config::NewRegions::Tell,
    ));
    let cells = Cells { own: Arc::clone(own), tickets, names, placement, documents, new_regions };
    Ok(Localities::new(server_name.to_owned(), Some(cells)))
}
