//! What other places see of the same addresses: files, or servers of the deployment.

use std::{path::Path, time::Duration};

use anyhow::Context;
use domicile_app::probes::OUTSIDE_PATH;
use domicile_egress::{Client, Trust, client::Bounds};
use domicile_residency::interference::Outside;
use serde::Deserialize;

use crate::wire::probe;

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(8), bytes: 256 * 1024 };

#[derive(Deserialize)]
struct Told {
    outside: Vec<Outside>,
}

/// Asks all places; those that do not answer are named, with the reason.
pub(super) async fn ask(trust: &Trust, places: impl Iterator<Item = &String>) -> (Vec<Outside>, Vec<String>) {
    let (mut seen, mut silent) = (Vec::new(), Vec::new());
    for place in places {
        match one(trust, place).await {
            Ok(told) => seen.extend(told.outside),
            Err(error) => silent.push(format!("{place}: {error:#}")),
        }
    }
    (seen, silent)
}

async fn one(trust: &Trust, place: &str) -> anyhow::Result<Told> {
    if !place.starts_with("https://") {
        let text = super::files::text(Path::new(place), 64 * 1024 * 1024)?;
        return serde_json::from_str(&text).context("it is no answer of `domicile probe --json`");
    }
    let url = probe::https(place)?.join(OUTSIDE_PATH)?;
    let answer = Client::new(trust).get(url.as_str().parse()?, BOUNDS).await?;
    anyhow::ensure!(answer.status().is_success(), "it answers with status {}", answer.status());
    serde_json::from_slice(answer.body()).context("it does not tell what it sees")
}
