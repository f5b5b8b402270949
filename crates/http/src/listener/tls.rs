//! A certificate from files, read again when they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    pki_types::pem::PemObject,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(10);

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {path} as PEM: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate {certificate} and its key cannot be used: {reason}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// A certificate and its key.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<(TlsAcceptor, Option<SystemTime>)>,
}

impl Certificate {
    /// Reads a certificate chain and its key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let acceptor = read(certificate, key)?;
        Ok(Arc::new(Self {
            chain: certificate.to_owned(),
            key: key.to_owned(),
            current: RwLock::new((acceptor, changed(certificate, key).ok())),
        }))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().0.clone()
    }

    /// Reads the files again if they changed. A pair that cannot be used leaves the old one in its place.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let now = changed(&self.chain, &self.key).ok();
        if now.is_none() || now == self.current.read().1 {
            return Ok(false);
        }
        let acceptor = read(&self.chain, &self.key)?;
        *self.current.write() = (acceptor, now);
        Ok(true)
    }

    /// Looks at the files until the server stops.
    pub async fn watch(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            match self.refresh() {
                Ok(true) => tracing::info!(certificate = %self.chain.display(), "the certificate was read again"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
            }
        }
    }
}

fn changed(certificate: &Path, key: &Path) -> io::Result<SystemTime> {
    let times = [std::fs::metadata(certificate)?.modified()?, std::fs::metadata(key)?.modified()?];
    Ok(times[0].max(times[1]))
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let file = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(file(certificate, "there is no certificate in it".to_owned()));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error.to_string()))?;
    let pair = |reason: String| TlsError::Pair { certificate: certificate.to_owned(), reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| pair(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| pair(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
