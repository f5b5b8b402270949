//! The operator's choices about probes.

use std::sync::Arc;

use anyhow::{Context, bail};
use domicile_app::probes::{ProbeSettings, Probes};
use domicile_core::config::{self, Config};
use domicile_egress::{
    Client, Trust,
    probe::{Probe, Settings},
};
use domicile_residency::interference::{Role, Target, Vantage};
use domicile_store::Store;
use ruma::ServerName;
use url::Url;

use super::Surroundings;

/// What this server itself offers to measure its speed.
pub const DOWNLOAD: &str = "/_domicile/probe/v1/download";

/// The operator's choices: how to look, and what to do with what is seen.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// How to look.
    pub looking: Settings,
    /// At what, how often, and what is kept.
    pub keeping: ProbeSettings,
}

impl Choices {
    /// The choices of a configuration.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let country = config.probe.country.as_str();
        let keeping = ProbeSettings {
            targets: targets(config)?,
            // A file is for a probe that a person runs.
            outside: config.probe.outside.iter().filter(|place| place.starts_with("https://")).cloned().collect(),
            vantage: Vantage { country: (!country.is_empty()).then(|| country.to_owned()), network: None },
            interval_ms: config.probe.interval.0,
            keep_ms: config.probe.keep.0,
            reports: config.probe.reports,
        };
        Ok(Self { looking: settings(&config.probe)?, keeping })
    }
}

/// Looks from the server.
pub(super) fn wire(
    choices: Choices,
    trust: &Trust,
    client: &Client,
    store: &Store,
    surroundings: &Surroundings,
) -> Arc<Probes> {
    let probe = Probe::new(trust, choices.looking).map_err(|error| error.to_string());
    let with = (Arc::clone(&surroundings.clock), Arc::clone(&surroundings.rng));
    Arc::new(Probes::new(store.clone(), with, choices.keeping, probe, client.clone()))
}

/// How a probe measures.
pub fn settings(config: &config::Probe) -> anyhow::Result<Settings> {
    let resolvers = config.resolvers.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
    let controls =
        config.controls.iter().map(|text| https(text).context("probe.controls")).collect::<Result<_, _>>()?;
    let download = match config.control_download.as_str() {
        "" => None,
        text => Some(https(text).context("probe.control_download")?),
    };
    Ok(Settings {
        resolvers: resolvers.context("probe.resolvers")?,
        controls,
        download,
        neutral_name: config.neutral_name.clone(),
    })
}

/// The addresses at which people and servers reach this deployment.
pub fn targets(config: &Config) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    if let Ok(client) = https(&config.server.public_url) {
        let mut target = target(&client.join("/_matrix/client/versions")?)?;
        (target.role, target.expects) = (Role::Client, Some("versions".to_owned()));
        target.download = Some(DOWNLOAD.to_owned());
        targets.push(target);
    }
    // A name that is only for trying things out is at no address.
    let named = config.server.name != config::Server::default().name;
    if named && config.federation.enabled {
        let told =
            if config.federation.well_known.is_empty() { &config.server.name } else { &config.federation.well_known };
        let name = <&ServerName>::try_from(told.as_str()).with_context(|| format!("`{told}` is no server name"))?;
        targets.push(Target {
            host: name.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: name.port().unwrap_or(8448),
            path: "/_matrix/federation/v1/version".to_owned(),
            role: Role::Federation,
            expects: Some("server".to_owned()),
            ..Target::default()
        });
    }
    for text in &config.probe.targets {
        targets.push(target(&https(text).context("probe.targets")?)?);
    }
    let name = https(&format!("https://{}/.well-known/matrix/client", config.server.name)).ok();
    if let Some(name) = name.filter(|_| named) {
        let name = Target { role: Role::Name, ..target(&name)? };
        if !targets.iter().any(|other| other.host == name.host && other.port == name.port) {
            targets.push(name);
        }
    }
    Ok(targets)
}

/// One address as a target. What it answers is known if it is one of Matrix's own.
pub fn target(url: &Url) -> anyhow::Result<Target> {
    let host = url.host_str().with_context(|| format!("{url} has no host"))?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let (role, expects) = match path.as_str() {
        "/_matrix/client/versions" => (Role::Client, Some("versions")),
        "/_matrix/federation/v1/version" => (Role::Federation, Some("server")),
        _ => (Role::Other, None),
    };
    Ok(Target {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port_or_known_default().unwrap_or(443),
        path,
        role,
        expects: expects.map(str::to_owned),
        ..Target::default()
    })
}

/// An address that begins with `https://`.
pub fn https(text: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(text).with_context(|| format!("`{text}` is no address: write one such as https://example.org/"))?;
    if url.scheme() != "https" || url.host_str().is_none() {
        bail!("`{text}` is no address over HTTPS: write one such as https://example.org/");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_from_what_people_and_servers_are_told() {
        let mut config = Config::default();
        assert!(targets(&config).unwrap().is_empty(), "nobody reaches localhost");
        config.server.name = "example.org".to_owned();
        config.server.public_url = "https://matrix.example.org".to_owned();
        config.federation.well_known = "fed.example.org:443".to_owned();
        config.probe.targets = vec!["https://[2001:db8::1]:8443/x?y=z".to_owned()];
        let urls: Vec<String> = targets(&config).unwrap().iter().map(Target::url).collect();
        assert_eq!(
            urls,
            [
                "https://matrix.example.org/_matrix/client/versions",
                "https://fed.example.org/_matrix/federation/v1/version",
                "https://[2001:db8::1]:8443/x?y=z",
                "https://example.org/.well-known/matrix/client",
            ]
        );
        config.federation.well_known = String::new();
        assert_eq!(targets(&config).unwrap()[1].port, 8448);
        config.probe.targets = vec!["http://example.org/".to_owned()];
        assert!(targets(&config).is_err());
    }

    #[test]
    fn the_default_settings_can_be_used() {
        let mut config = config::Probe::default();
        let read = settings(&config).unwrap();
        assert_eq!((read.resolvers.len(), read.controls.len(), read.download.is_none()), (4, 2, true));
        config.resolvers = vec!["9.9.9.9".to_owned()];
        assert!(settings(&config).is_err());
    }
}
