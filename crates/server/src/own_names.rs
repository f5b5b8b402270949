//! Names of accounts that were made before there was a deployment: they come into its directory.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use domicile_app::residency::Names;
use domicile_core::error::ErrorKind;
use tokio_util::sync::CancellationToken;

use crate::wire::Wired;

/// How often they are asked for, while they cannot be taken.
const CLAIM_PAUSE: Duration = Duration::from_secs(10);

/// Takes the names of accounts that were made before there was a deployment. The cell that decides must have done so before anybody else can
/// take them.
pub(crate) async fn claim(wired: &Wired) -> anyhow::Result<()> {
    let Some(cells) = wired.services.users.localities().cells() else { return Ok(()) };
    match cells.names.claim_all().await {
        Ok(0) => Ok(()),
        Ok(claimed) => {
            tracing::info!(claimed, "names of accounts that were here before are in the directory now");
            Ok(())
        }
        // Nobody else gets a name before that is done.
        Err(domicile_app::Error::Matrix(why)) if why.kind == ErrorKind::Unavailable => {
            tracing::warn!(%why, "names of accounts here are not in the directory yet; it is tried again");
            Ok(())
        }
        Err(error) if cells.own.decides() => {
            Err(error).context("names of accounts here cannot be put into the directory")
        }
        Err(error) => {
            tracing::warn!(%error, "names of accounts here are not in the directory yet; it is tried again");
            Ok(())
        }
    }
}

/// Takes the names that could not be taken when they were to be, at the start or when another cell began to decide, until the server stops.
pub(crate) async fn claim_later(names: Arc<Names>, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(CLAIM_PAUSE) => {}
        }
        if !names.owes_own() {
            continue;
        }
        match names.claim_all().await {
            Ok(claimed) => tracing::info!(claimed, "names of accounts that were here before are in the directory now"),
            Err(error) => {
                tracing::warn!(%error, "names of accounts here are not in the directory yet; it is tried again");
            }
        }
    }
}
