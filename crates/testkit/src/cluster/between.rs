//! Somebody who stole a cell's key and takes its place where others meet it: as the way between two of them, which is all that is asked of them.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domicile_egress::{
    detour,
    inner::{Admission, Identity},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::Cluster;

/// Bytes of a line that pass as they are each way: both ends have seen each other's key before anything is altered.
const UNALTERED: usize = 1_000;

/// What they do with a line that others want through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Pass it on, and look at it.
    PassesOn,
    /// Change something in it.
    Alters,
    /// Answer as if they were the other end.
    Poses,
    /// Say that it is open, and pass nothing on.
    Swallows,
}

struct Inner {
    manner: Mutex<Manner>,
    acceptor: TlsAcceptor,
    /// Where the others are.
    cells: BTreeMap<String, SocketAddr>,
    connections: AtomicUsize,
    lines: AtomicUsize,
    believed: AtomicUsize,
    saw: Mutex<Vec<u8>>,
}

/// Them. It ends when it is dropped.
pub struct Between {
    inner: Arc<Inner>,
    taking: JoinHandle<()>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

impl Between {
    /// Does something else with the lines that are opened from now on. Those that are open stay.
    pub fn behave(&self, manner: Manner) {
        *self.inner.manner.lock() = manner;
    }

    /// Connections of whoever took them for the cell, by its key.
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::Relaxed)
    }

    /// Lines that others wanted through them.
    pub fn lines(&self) -> usize {
        self.inner.lines.load(Ordering::Relaxed)
    }

    /// Those of them whose opener took them for the other end.
    pub fn believed(&self) -> usize {
        self.inner.believed.load(Ordering::Relaxed)
    }

    /// All that passed through their hands.
    pub fn saw(&self) -> Vec<u8> {
        self.inner.saw.lock().clone()
    }
}

impl Cluster {
    /// Somebody who has the key of a cell, and to whom its border leads from now on.
    pub async fn between(&self, cell: &str) -> Between {
        let key = &self.keys[cell];
        let identity = Identity { pkcs8: key.to_pkcs8().to_vec(), spki: key.public().to_spki() };
        let others = self.keys.values().map(|key| key.public().to_spki()).collect();
        let admission = Admission::new(&identity, others).expect("an identity");
        let mut config = (**admission.config()).clone();
        // Lines are opened over HTTP/1.1; nothing else is answered.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let inner = Arc::new(Inner {
            manner: Mutex::new(Manner::PassesOn),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            cells: self.borders.iter().map(|(name, border)| (name.clone(), border.address())).collect(),
            connections: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            believed: AtomicUsize::new(0),
            saw: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.borders[cell].lead_to(listener.local_addr().expect("an address"));
        let of = Arc::clone(&inner);
        let taking = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let of = Arc::clone(&of);
                // What breaks is the test's business, which sees it at its own end.
                tokio::spawn(async move { drop(of.serve(stream).await) });
            }
        });
        Between { inner, taking }
    }
}

impl Inner {
    async fn serve(self: Arc<Self>, stream: TcpStream) -> io::Result<()> {
        let mut stream = self.acceptor.accept(stream).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let head = head(&mut stream).await?;
        let wanted = head.strip_prefix("POST ").and_then(|rest| rest.strip_prefix(detour::PATH));
        let target = wanted.and_then(|rest| rest.split(' ').next()).and_then(|cell| self.cells.get(cell));
        let Some(target) = target else {
            return stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        };
        self.lines.fetch_add(1, Ordering::Relaxed);
        let opened =
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {}\r\n\r\n", detour::PROTOCOL);
        stream.write_all(opened.as_bytes()).await?;
        let manner = *self.manner.lock();
        match manner {
            Manner::Swallows => {
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            }
            Manner::Poses => {
                let mut line = self.acceptor.accept(stream).await?;
                // With TLS 1.3 the handshake is over here before the other end has said what it thinks of the key.
                line.read_u8().await?;
                self.believed.fetch_add(1, Ordering::Relaxed);
            }
            Manner::PassesOn | Manner::Alters => {
                let (from_here, to_here) = split(stream);
                let (from_there, to_there) = split(TcpStream::connect(target).await?);
                tokio::select! {
                    () = self.pass(from_here, to_there, manner == Manner::Alters) => {}
                    () = self.pass(from_there, to_here, false) => {}
                }
            }
        }
        Ok(())
    }

    /// Passes on what goes one way, and keeps a copy.
    async fn pass(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, alters: bool) {
        let (mut piece, mut count) = (vec![0; 4096], 0);
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            self.saw.lock().extend_from_slice(&piece[..length]);
            count += length;
            if alters && count > UNALTERED {
                piece[length / 2] ^= 1;
            }
            if to.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    }
}

/// The head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
