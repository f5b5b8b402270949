//! What brings a restored cell to where the others are, and what cells keep for each other so that it can.

use std::sync::Arc;

use anyhow::Context;
use domicile_app::{
    accounts::{Accounts, Devices, Users},
    evidence::{Documents, Erasures},
    moves::Moves,
    restore::{Fence, Keeper, KeeperParts, Restorer, RestorerParts},
    standing::StatusPage,
};
use domicile_store::{Blobs, Store};

use super::{Surroundings, deployment::OwnLink};

type People<'a> = (&'a Arc<Users>, &'a Arc<Accounts>, &'a Arc<Devices>, &'a Arc<Moves>);

pub(super) async fn keeper(
    store: &Store,
    users: &Arc<Users>,
    moves: &Arc<Moves>,
    cells: Option<&OwnLink>,
    surroundings: &Surroundings,
) -> anyhow::Result<Arc<Keeper>> {
    Ok(Arc::new(Keeper::new(KeeperParts {
        store: store.clone(),
        files: Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?,
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
        users: Arc::clone(users),
        moves: Arc::clone(moves),
        link: cells.map(|cells| Arc::clone(&cells.link)),
    })))
}

pub(super) fn restorer(
    store: &Store,
    fence: Arc<Fence>,
    (users, accounts, devices, moves): People<'_>,
    (erasures, documents, status): (&Arc<Erasures>, &Arc<Documents>, &Arc<StatusPage>),
    cells: Option<&OwnLink>,
    surroundings: &Surroundings,
) -> Arc<Restorer> {
    Arc::new(Restorer::new(RestorerParts {
        fence,
        store: store.clone(),
        clock: Arc::clone(&surroundings.clock),
        users: Arc::clone(users),
        accounts: Arc::clone(accounts),
        devices: Arc::clone(devices),
        erasures: Arc::clone(erasures),
        moves: Arc::clone(moves),
        documents: Arc::clone(documents),
        status: Arc::clone(status),
        link: cells.map(|cells| Arc::clone(&cells.link)),
    }))
}
