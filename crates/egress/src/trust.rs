//! Whom connections go to at all: addresses that may be connected to, and authorities whose certificates are believed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{detour::Detour, guard::Guard, proxy::Proxy};

/// Where systems keep the certificates of those whom everybody trusts, as one file.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the operator chooses.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Which addresses may be connected to.
    pub guard: Guard,
    /// Files with certificates that are trusted beside those of the system, as PEM.
    pub ca_files: Vec<PathBuf>,
}

/// A certificate file of the configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificates of {path} cannot be used: {reason}")]
pub struct CaError {
    path: PathBuf,
    reason: String,
}

/// The operator's choices, read. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    pub(crate) guard: Arc<Guard>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) roots: Arc<RootCertStore>,
    /// The certificates of `ca_files`.
    pub(crate) own: Arc<[CertificateDer<'static>]>,
    /// By what connections are made, if not directly.
    pub(crate) proxy: Option<Proxy>,
    /// Other ways than that, if there are any.
    pub(crate) detour: Option<Detour>,
}

impl Trust {
    /// Trusts the system's certificates and those of `ca_files`.
    pub fn new(settings: ClientSettings) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.is_file()) {
            // Single certificates that rustls does not take (of old kinds) are left out, as browsers do.
            let (_, left_out) = roots.add_parsable_certificates(pem(path)?);
            tracing::debug!(left_out, path = %path.display(), "the system's certificates are read");
        }
        let mut own = Vec::new();
        for path in &settings.ca_files {
            let wrong = |reason: String| CaError { path: path.clone(), reason };
            let certificates = pem(path)?;
            if certificates.is_empty() {
                return Err(wrong("there is none".to_owned()));
            }
            for certificate in certificates {
                own.push(certificate.clone());
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        let failed = |error: rustls::Error| CaError { path: PathBuf::from("TLS"), reason: error.to_string() };
        let roots = Arc::new(roots);
        let mut tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(Arc::clone(&roots))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (guard, tls) = (Arc::new(settings.guard), Arc::new(tls));
        Ok(Self { guard, tls, roots, own: own.into(), proxy: None, detour: None })
    }

    /// The same by way of a proxy, or directly.
    #[must_use]
    pub fn through(&self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self.clone() }
    }

    /// The certificates that are trusted beside those of the system.
    pub(crate) fn own_roots(&self) -> &[CertificateDer<'static>] {
        &self.own
    }
}

fn pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let wrong = |reason: String| CaError { path: path.to_owned(), reason };
    CertificateDer::pem_file_iter(path)
        .map_err(|error| wrong(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))
}
