//! The watch over registers of what is blocked.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use domicile_app::blocklists::{Blocklists, BlocklistsParts, Watched};
use domicile_core::config::{Blocklist, Config};
use domicile_egress::Client;
use domicile_residency::blocklist::{Format, Own};
use domicile_store::Store;

use super::{Surroundings, own_names};

/// Parts that a range of sources may name.
const MOST_PARTS: u32 = 1_000;

/// What is searched for, and where.
#[derive(Clone, Debug)]
pub struct BlocklistSettings {
    /// Ours.
    pub own: Arc<Own>,
    /// The registers.
    pub watched: Vec<Watched>,
    /// A folder for what is downloaded, until it was read.
    pub folder: PathBuf,
}

impl BlocklistSettings {
    /// Those of a configuration.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let names = own_names(config);
        let own = Own::new(names.iter().map(String::as_str)).context("server.also_reached_at")?;
        let watched = config.blocklists.iter().enumerate().map(|(index, list)| watched(index, list));
        let folder = PathBuf::from(&config.server.data_dir).join("blocklists");
        Ok(Self { own: Arc::new(own), watched: watched.collect::<anyhow::Result<_>>()?, folder })
    }
}

fn watched(index: usize, list: &Blocklist) -> anyhow::Result<Watched> {
    let format: Format =
        list.format.parse().map_err(|error: String| anyhow::anyhow!("blocklists.{index}.format: {error}"))?;
    Ok(Watched {
        name: list.name.clone(),
        authority: list.authority.clone(),
        jurisdiction: list.jurisdiction.clone(),
        format,
        sources: expanded(&list.sources),
        hashes: expanded(&list.hashes),
        every_ms: list.every.0,
        max_age_ms: list.max_age.0,
    })
}

/// Sources with `{00..19}` in them as so many sources, with numbers of as many digits as the first has. One that is no such range stays as it is.
fn expanded(sources: &[String]) -> Vec<String> {
    sources.iter().flat_map(|source| range(source).unwrap_or_else(|| vec![source.clone()])).collect()
}

fn range(source: &str) -> Option<Vec<String>> {
    let (before, rest) = source.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    let (first, last) = inside.split_once("..")?;
    let (from, to): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let fits = from <= to && to - from < MOST_PARTS;
    let width = first.len();
    fits.then(|| (from..=to).map(|number| format!("{before}{number:0width$}{after}")).collect())
}

pub(super) fn wire(
    settings: BlocklistSettings,
    store: &Store,
    client: Client,
    surroundings: &Surroundings,
) -> Arc<Blocklists> {
    Arc::new(Blocklists::new(BlocklistsParts {
        store: store.clone(),
        clock: Arc::clone(&surroundings.clock),
        client,
        folder: settings.folder,
        own: settings.own,
        watched: settings.watched,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_sources() {
        let expand = |source: &str| expanded(&[source.to_owned()]);
        assert_eq!(
            expand("https://a.example/dump-{08..10}.csv"),
            ["https://a.example/dump-08.csv", "https://a.example/dump-09.csv", "https://a.example/dump-10.csv"]
        );
        assert_eq!(expand("part{1..1}").len(), 1);
        for same in ["dump.csv", "{a..b}", "{3..1}", "{0..9999999}", "{1..", "}{"] {
            assert_eq!(expand(same), [same]);
        }
    }
}
