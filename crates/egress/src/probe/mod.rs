//! Measuring the way to a deployment's addresses: the name system, connections, handshakes, requests, speed. What was seen becomes a plain value of
//! `domicile_residency::interference`, whose verdict is a pure function.
//!
//! A probe goes where its operator sends it, but the answers of a name server that lies are a stranger's choice. So the guard applies, with an allowance
//! for exactly the addresses that the operator wrote down: those of targets, of controls and of name servers.

mod certificate;
mod dns;
mod failure;
mod http;
mod lap;
mod line;
mod resolver;
mod run;
mod speed;
mod target;
mod tcp;
mod throughput;
mod tls;

use std::{net::IpAddr, sync::Arc};

use domicile_residency::interference::measurement::{Run, Target, Vantage};
use rustls::{ClientConfig, client::WebPkiServerVerifier, crypto::CryptoProvider};
use url::Url;

pub use resolver::{NoResolver, Resolver};

use crate::{guard::Guard, trust::Trust};

/// How a probe measures.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Name servers that are trusted, over whatever transports.
    pub resolvers: Vec<Resolver>,
    /// Addresses (`https://…`) that nobody has a reason to block.
    pub controls: Vec<Url>,
    /// What to download from elsewhere, to compare speeds with.
    pub download: Option<Url>,
    /// A name that nobody minds, said instead of the target's.
    pub neutral_name: String,
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No certificate can be judged.
    #[error(
        "no certificates of authorities are known on this machine ({0}): install the system's, or name a file in `egress.ca_files`"
    )]
    NoRoots(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

/// Measures.
#[derive(Clone)]
pub struct Probe {
    settings: Arc<Settings>,
    guard: Arc<Guard>,
    tls: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl Probe {
    /// Measures with what the operator trusts.
    pub fn new(trust: &Trust, settings: Settings) -> Result<Self, ProbeError> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&trust.roots), Arc::clone(&provider))
            .build()
            .map_err(|error| ProbeError::NoRoots(error.to_string()))?;
        let tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ProbeError::Tls)?
            .with_webpki_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        let written = settings.resolvers.iter().map(|resolver| resolver.address.ip());
        let controls = settings.controls.iter().chain(&settings.download).filter_map(|url| literal(url.host_str()?));
        let guard = trust.guard.and(written.chain(controls).map(Into::into));
        Ok(Self { guard: Arc::new(guard), settings: Arc::new(settings), tls: Arc::new(tls), verifier, provider })
    }

    /// Measures the way to each target, all at once, in 38 seconds at most. `started_ms` is the time now, in milliseconds since the epoch.
    pub async fn run(&self, targets: &[Target], started_ms: i64, vantage: Vantage) -> Run {
        let written = targets.iter().flat_map(|target| target.addresses.iter().copied().chain(literal(&target.host)));
        let probe = Self { guard: Arc::new(self.guard.and(written.map(Into::into))), ..self.clone() };
        run::run(&probe, targets, started_ms, vantage).await
    }
}

/// A host that is an address.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
