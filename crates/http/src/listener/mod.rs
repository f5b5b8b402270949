//! Listening: TCP or a unix socket, with or without TLS, HTTP/1 and HTTP/2, until the server is told to stop.

mod connection;
mod finish;
mod patience;
mod tls;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

pub use connection::CellKey;
use connection::Connection;
pub use patience::Patience;
pub use tls::{Certificate, TlsError};

use crate::forwarded::{Peer, Proxies};

/// Connections of one listener at once.
const CONNECTIONS: usize = 50_000;
/// How long requests in flight may take to finish when the server stops.
const FINISH_TIME: Duration = Duration::from_secs(3);

/// A socket that listens.
pub struct Bound {
    socket: Socket,
    certificate: Option<Arc<Certificate>>,
    proxies: Arc<Proxies>,
    patience: Patience,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A listener that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is none.
    #[error("`{0}` is no address to listen on: write an IP address and a port, such as 127.0.0.1:8008, or unix:/path")]
    Address(String),
    /// The system refused.
    #[error("cannot listen on {bind}: {cause}{}", hint(cause))]
    Refused {
        /// Where.
        bind: String,
        /// What the system said. It stands in the text, so it is no `source` that would be told a second time.
        cause: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another program listens there; stop it, or choose another port in [[listeners]])"
        }
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 and foreign folders need rights that this process has not)"
        }
        io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
        _ => "",
    }
}

impl Bound {
    /// Listens on `address:port` or `unix:path`, the latter with the permissions `mode`.
    pub async fn bind(
        bind: &str,
        mode: u32,
        certificate: Option<Arc<Certificate>>,
        proxies: Proxies,
    ) -> Result<Self, BindError> {
        let refused = |cause| BindError::Refused { bind: bind.to_owned(), cause };
        let socket = if let Some(path) = bind.strip_prefix("unix:") {
            Socket::Unix(unix(Path::new(path), mode).map_err(refused)?, PathBuf::from(path))
        } else {
            let address: SocketAddr = bind.parse().map_err(|_| BindError::Address(bind.to_owned()))?;
            Socket::Tcp(TcpListener::bind(address).await.map_err(refused)?)
        };
        Ok(Self { socket, certificate, proxies: Arc::new(proxies), patience: Patience::default() })
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The address as a person would type it into a browser.
    pub fn shown(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                let scheme = if self.certificate.is_some() { "https" } else { "http" };
                listener.local_addr().map_or_else(|_| scheme.to_owned(), |address| format!("{scheme}://{address}"))
            }
            Socket::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The TCP address, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    /// Serves until `stopping`, then lets requests in flight finish for a few seconds.
    pub async fn serve(self, router: Router, stopping: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let unattended = Arc::new(Semaphore::new(finish::UNATTENDED));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let (stream, address, uid) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: a moment later there may be some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let peer = Peer { address, uid, tls: self.certificate.is_some(), proxies: Arc::clone(&self.proxies) };
            let patience = self.patience;
            let (router, watcher, stopping) = (router.clone(), graceful.watcher(), stopping.clone());
            let unattended = Arc::clone(&unattended);
            let connection = Connection { router, peer, patience, watcher, stopping, unattended, cell: None };
            let connection = Box::new(connection);
            let certificate = self.certificate.clone();
            tokio::spawn(async move {
                let _place = place;
                // Each in a box of its own size: most of them wait most of the time.
                match (stream, certificate) {
                    (Accepted::Tcp(stream), None) => Box::pin(connection.plain(stream)).await,
                    (Accepted::Unix(stream), None) => Box::pin(connection.http1(stream)).await,
                    (Accepted::Tcp(stream), Some(certificate)) => Box::pin(connection.tls(stream, &certificate)).await,
                    (Accepted::Unix(stream), Some(certificate)) => Box::pin(connection.tls(stream, &certificate)).await,
                }
            });
        }
        drop(self.socket);
        if tokio::time::timeout(FINISH_TIME, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
    }

    /// A connection, with its address or with the account of the process that opened it.
    async fn accept(&self) -> io::Result<(Accepted, Option<IpAddr>, Option<u32>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Accepted::Tcp(stream), Some(address.ip().to_canonical()), None))
            }
            Socket::Unix(listener, _) => {
                let stream = listener.accept().await?.0;
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                Ok((Accepted::Unix(stream), None, uid))
            }
        }
    }
}

enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A unix socket that those may open whom `mode` names. One that a stopped server left behind is replaced; one that answers is not.
fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        // What is no socket is somebody's file: never ours to remove.
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there already"));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::from(io::ErrorKind::AddrInUse));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_left_socket_is_replaced_and_a_file_is_not() {
        let folder = std::env::temp_dir().join(format!("domicile-listener-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, socket) = (folder.join("file"), folder.join("socket"));
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(unix(&file, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");

        let first = unix(&socket, 0o600).unwrap();
        assert_eq!(unix(&socket, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        for mode in [0o600, 0o660] {
            drop(unix(&socket, mode).unwrap());
            assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, mode);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
