//! Somebody on the way to a server who ends the encryption on both sides and writes down what passes, as HTTP/1.1 in clear.
//!
//! It has the certificate of the server before which it stands, so others take it for that one. It never compresses anything, and tells nobody that it
//! could read what is compressed: that is for them to agree on, and [`Recorder::is_in_clear`] says whether they did.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::server::CertificateFiles;

/// What both sides speak.
const PROTOCOL: &[u8] = b"http/1.1";
/// What stands in the head of something that one cannot search.
const COMPRESSED: &str = "content-encoding:";

/// A relay before a server. It runs as long as the process.
pub(super) struct Recorder {
    address: SocketAddr,
    folder: PathBuf,
}

impl Recorder {
    /// Passes on to `server` what comes, and writes to files in `folder` what is asked and what is answered: two of each connection.
    pub(super) fn before(server: SocketAddr, files: &CertificateFiles, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let (acceptor, connector) = (acceptor(files)?, connector(files)?);
        let listener = TcpListener::bind("127.0.0.1:0").context("listening before a server")?;
        let address = listener.local_addr().context("listening before a server")?;
        listener.set_nonblocking(true).context("listening before a server")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let recorder = Self { address, folder: folder.to_owned() };
        let folder = recorder.folder.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                for number in 0_u64.. {
                    let Ok((stream, _)) = listener.accept().await else { return };
                    let (acceptor, connector) = (acceptor.clone(), connector.clone());
                    let files = ["asked", "answered"].map(|what| folder.join(format!("{number}.{what}")));
                    // A server that is down refuses; the other one sees its connection end, as it would without a relay.
                    tokio::spawn(async move { pass(stream, server, (acceptor, connector), files).await.ok() });
                }
            });
        });
        Ok(recorder)
    }

    /// Where others connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the recordings are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Complains about what nobody could search.
    pub(super) fn is_in_clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder).with_context(|| format!("looking into {}", self.folder.display()))? {
            let path = entry.context("a recording")?.path();
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let compressed = String::from_utf8_lossy(&bytes).to_ascii_lowercase().contains(COMPRESSED);
            ensure!(!compressed, "{} has something compressed in it", path.display());
        }
        Ok(())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    rustls::crypto::ring::default_provider().into()
}

fn acceptor(files: &CertificateFiles) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&files.certificate).context("the certificate")?;
    let chain = chain.collect::<Result<Vec<_>, _>>().context("the certificate")?;
    let key = PrivateKeyDer::from_pem_file(&files.key).context("the certificate's key")?;
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config =
        config?.with_no_client_auth().with_single_cert(chain, key).context("the certificate and its key")?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(files: &CertificateFiles) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&files.authority).context("the authority")? {
        roots.add(authority.context("the authority")?).context("the authority")?;
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = config?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn pass(
    stream: TcpStream,
    server: SocketAddr,
    (acceptor, connector): (TlsAcceptor, TlsConnector),
    [asked, answered]: [PathBuf; 2],
) -> io::Result<()> {
    let (mine, theirs) = (acceptor.accept(stream).await?, TcpStream::connect(server).await?);
    let theirs = connector.connect(ServerName::IpAddress(server.ip().into()), theirs).await?;
    let ((from_asker, to_asker), (from_server, to_server)) = (tokio::io::split(mine), tokio::io::split(theirs));
    let there = tokio::spawn(copy(from_asker, to_server, File::create(asked)?));
    copy(from_server, to_asker, File::create(answered)?).await?;
    // Whoever does not listen any more has nothing to ask either.
    there.abort();
    Ok(())
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut record: File) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        record.write_all(&buffer[..length])?;
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}
