//! The file that says where a deployment is, for a machine that has neither its configuration nor its database.
//!
//! ```toml
//! [[target]]
//! url = "https://matrix.example.org/_matrix/client/versions"
//! addresses = ["192.0.2.1"]                 # if known: then nobody can lie about them
//! download = "/_domicile/probe/v1/download" # if speed is to be measured
//!
//! [probe]                                   # as in the configuration
//! outside = ["https://eu.example.org"]
//! ```

use std::{net::IpAddr, path::Path};

use anyhow::Context;
use domicile_core::config::{Config, Probe, Source};
use domicile_residency::interference::Target;
use serde::Deserialize;

use crate::wire::probe;

/// The size of a file that is still read.
const LARGEST: u64 = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployment {
    #[serde(default)]
    target: Vec<Written>,
    #[serde(default)]
    probe: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    #[serde(default)]
    expects: Option<String>,
    #[serde(default)]
    download: Option<String>,
}

/// The targets of a file; its settings are put into `settings`.
pub(super) fn read(path: &Path, settings: &mut Probe) -> anyhow::Result<Vec<Target>> {
    let about = || format!("the deployment file {}", path.display());
    let text = super::files::text(path, LARGEST)?;
    let deployment: Deployment = toml::from_str(&text).with_context(about)?;
    if !deployment.probe.is_empty() {
        let probe = toml::Table::from_iter([("probe".to_owned(), toml::Value::Table(deployment.probe))]);
        let source = Source { name: path.display().to_string(), text: probe.to_string() };
        let read = Config::read(Some(&source), std::iter::empty())
            .map_err(|problems| anyhow::anyhow!("{} is wrong:\n{problems}", about()))?;
        *settings = read.probe;
    }
    let targets = deployment.target.into_iter().map(|written| {
        let target = probe::target(&probe::https(&written.url)?)?;
        Ok(Target {
            expects: written.expects.or(target.expects),
            addresses: written.addresses,
            download: written.download,
            ..target
        })
    });
    targets.collect::<anyhow::Result<_>>().with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> anyhow::Result<(Vec<Target>, Probe)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut settings = Probe::default();
        Ok((read(file.path(), &mut settings)?, settings))
    }

    #[test]
    fn a_file_says_what_to_look_at_and_how() {
        let (targets, settings) = read_text(
            "[[target]]\nurl = \"https://m.example/_matrix/client/versions\"\naddresses = [\"192.0.2.1\"]\n\n[probe]\noutside = [\"https://eu.example\"]\n",
        )
        .unwrap();
        assert_eq!(targets[0].expects.as_deref(), Some("versions"));
        assert_eq!(targets[0].addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(settings.outside, ["https://eu.example"]);
        assert_eq!(settings.neutral_name, "example.com");
        for wrong in ["[[target]]", "[[target]]\nurl = \"ftp://m.example\"", "x = 1", "[probe]\nout = []", "\u{0}"] {
            assert!(read_text(wrong).is_err(), "{wrong}");
        }
    }
}
