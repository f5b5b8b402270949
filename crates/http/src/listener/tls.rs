//! A certificate from files, read again when they change.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use domicile_app::residency::Admission;
use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    pki_types::pem::PemObject,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(2);

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
    current: Current,
    /// The files as they were when they were last read, with success or without.
    read: Mutex<Option<[Stamp; 2]>>,
}

/// What connections are answered with.
enum Current {
    /// What was read from the files.
    Files(RwLock<TlsAcceptor>),
    /// What the cell's deployment document makes of its key and those of others.
    Cells(watch::Receiver<Arc<Admission>>),
}

/// What changes when a file is written or another one takes its place.
type Stamp = (SystemTime, u64, u64);

impl Certificate {
    /// Reads a certificate chain and its key.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        // The look before the reading: what is written in between is read again.
        let stamps = stamps(certificate, key).ok();
        let acceptor = read(certificate, key)?;
        Ok(Arc::new(Self {
            chain: certificate.to_owned(),
            key: key.to_owned(),
            current: Current::Files(RwLock::new(acceptor)),
            read: Mutex::new(stamps),
        }))
    }

    /// TLS between cells, for which there are keys instead of certificates. Whose they are may change.
    pub fn of_cell(admission: watch::Receiver<Arc<Admission>>) -> Arc<Self> {
        Arc::new(Self {
            chain: PathBuf::new(),
            key: PathBuf::new(),
            current: Current::Cells(admission),
            read: Mutex::new(None),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        match &self.current {
            Current::Files(current) => current.read().clone(),
            Current::Cells(admission) => TlsAcceptor::from(Arc::clone(admission.borrow().config())),
        }
    }

    /// Who gets through, between cells.
    pub(super) fn admission(&self) -> Option<watch::Receiver<Arc<Admission>>> {
        match &self.current {
            Current::Files(_) => None,
            Current::Cells(admission) => Some(admission.clone()),
        }
    }

    /// Reads the files again if they changed. A pair that cannot be used leaves the old one in its place.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let Current::Files(current) = &self.current else { return Ok(false) };
        let Ok(now) = stamps(&self.chain, &self.key) else { return Ok(false) };
        if self.read.lock().replace(now) == Some(now) {
            return Ok(false);
        }
        *current.write() = read(&self.chain, &self.key)?;
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

fn stamps(certificate: &Path, key: &Path) -> io::Result<[Stamp; 2]> {
    let stamp = |path: &Path| {
        let found = std::fs::metadata(path)?;
        Ok::<_, io::Error>((found.modified()?, found.ino(), found.len()))
    };
    Ok([stamp(certificate)?, stamp(key)?])
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
