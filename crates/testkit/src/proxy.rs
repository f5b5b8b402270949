//! A proxy of the test's own, by HTTP's CONNECT or by SOCKS 5: it leads where it is asked to, notes where that was, and can want a name and a
//! password, hang, refuse and talk nonsense.
//!
//! ```text
//! let proxy = TestProxy::start(Kind::Socks5, Some(("me", "secret"))).await;
//! proxy.lead("a.example:8448", address);
//! proxy.behave(Manner::Hangs);
//! ```

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By HTTP's CONNECT.
    Http,
    /// By SOCKS 5.
    Socks5,
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It leads where it is asked to.
    Leads,
    /// It takes connections and says nothing.
    Hangs,
    /// It says something that is of no kind.
    Nonsense,
    /// It says something that has no end.
    Babbles,
    /// It leads nowhere, and says so.
    Refuses,
}

struct Inner {
    kind: Kind,
    credentials: Option<(String, String)>,
    manner: watch::Sender<Manner>,
    names: Mutex<HashMap<String, SocketAddr>>,
    blocked: Mutex<Vec<SocketAddr>>,
    asked: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

/// The proxy. It ends when it is dropped.
pub struct TestProxy {
    inner: Arc<Inner>,
    address: SocketAddr,
    taking: JoinHandle<()>,
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

impl TestProxy {
    /// A proxy that wants these credentials, or none.
    pub async fn start(kind: Kind, credentials: Option<(&str, &str)>) -> Self {
        let inner = Arc::new(Inner {
            kind,
            credentials: credentials.map(|(name, password)| (name.to_owned(), password.to_owned())),
            manner: watch::Sender::new(Manner::Leads),
            names: Mutex::default(),
            blocked: Mutex::default(),
            asked: Mutex::default(),
            connections: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let of = Arc::clone(&inner);
        let taking = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *of.connections.lock() += 1;
                let of = Arc::clone(&of);
                // What breaks is the test's business, which sees it at its own end.
                tokio::spawn(async move { drop(of.serve(stream).await) });
            }
        });
        Self { inner, address, taking }
    }

    /// As a configuration names it.
    pub fn url(&self) -> String {
        match self.inner.kind {
            Kind::Http => format!("http://{}", self.address),
            Kind::Socks5 => format!("socks5://{}", self.address),
        }
    }

    /// Its port on this machine.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Does something else from now on. Ways that were open end.
    pub fn behave(&self, manner: Manner) {
        self.inner.manner.send_replace(manner);
    }

    /// Where a name and a port, `a.example:8448`, lead.
    pub fn lead(&self, name: &str, to: SocketAddr) {
        self.inner.names.lock().insert(name.to_owned(), to);
    }

    /// Leads nobody to these addresses from now on, and says nothing about it: a border that lets some through and others not. Ways that were open end.
    pub fn block(&self, addresses: &[SocketAddr]) {
        *self.inner.blocked.lock() = addresses.to_vec();
        self.inner.manner.send_modify(|_| {});
    }

    /// Where it was asked to lead, by those with the right credentials.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().clone()
    }

    /// How many connections it took.
    pub fn connections(&self) -> usize {
        *self.inner.connections.lock()
    }
}

impl Inner {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut manner = self.manner.subscribe();
        let now = *manner.borrow_and_update();
        match now {
            Manner::Hangs => {
                manner.changed().await.ok();
                return Ok(());
            }
            Manner::Nonsense => {
                stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await?;
                manner.changed().await.ok();
                return Ok(());
            }
            Manner::Babbles => {
                let said: &[u8] = if self.kind == Kind::Http { b"HTTP/1.1 200 OK\r\nA: " } else { &[5, 0] };
                stream.write_all(said).await?;
                loop {
                    stream.write_all(&[b'x'; 1024]).await?;
                }
            }
            Manner::Leads | Manner::Refuses => {}
        }
        let asked = match self.kind {
            Kind::Http => self.http(&mut stream).await?,
            Kind::Socks5 => self.socks(&mut stream).await?,
        };
        let Some(asked) = asked else { return Ok(()) };
        self.asked.lock().push(asked.clone());
        let known = self.names.lock().get(&asked).copied();
        let target = known.or_else(|| asked.parse().ok()).filter(|_| now == Manner::Leads);
        if target.is_some_and(|target| self.blocked.lock().contains(&target)) {
            return Ok(());
        }
        let there = match target {
            Some(target) => TcpStream::connect(target).await.ok(),
            None => None,
        };
        let said: &[u8] = match (self.kind, &there) {
            (Kind::Http, Some(_)) => b"HTTP/1.1 200 Connection established\r\n\r\n",
            (Kind::Http, None) => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            (Kind::Socks5, Some(_)) => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            (Kind::Socks5, None) => &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0],
        };
        stream.write_all(said).await?;
        let Some(mut there) = there else { return Ok(()) };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut stream, &mut there) => {}
            _ = manner.changed() => {}
        }
        Ok(())
    }

    /// Where a request for CONNECT wants to go; nothing if it was refused.
    async fn http(&self, stream: &mut TcpStream) -> io::Result<Option<String>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let wanted =
            self.credentials.as_ref().map(|(name, password)| BASE64_STANDARD.encode(format!("{name}:{password}")));
        if let Some(wanted) = wanted
            && header("proxy-authorization") != Some(format!("Basic {wanted}"))
        {
            let said =
                "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(said.as_bytes()).await?;
            return Ok(None);
        }
        let asked = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        // The target stands in the first line and in `Host` alike (RFC 9112, section 3.2.3).
        assert_eq!(asked, header("host"), "{head}");
        Ok(asked)
    }

    /// The same by SOCKS 5.
    async fn socks(&self, stream: &mut TcpStream) -> io::Result<Option<String>> {
        let [version, count] = take(stream).await?;
        assert_eq!(version, 5, "the version of SOCKS");
        let mut methods = vec![0; usize::from(count)];
        stream.read_exact(&mut methods).await?;
        let method = if self.credentials.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            stream.write_all(&[5, 0xff]).await?;
            return Ok(None);
        }
        stream.write_all(&[5, method]).await?;
        if let Some((name, password)) = &self.credentials {
            let [version] = take(stream).await?;
            assert_eq!(version, 1, "the version of names and passwords");
            let said = (text(stream).await?, text(stream).await?);
            let fits = said == (name.clone(), password.clone());
            stream.write_all(&[1, u8::from(!fits)]).await?;
            if !fits {
                return Ok(None);
            }
        }
        let [version, command, _, kind] = take(stream).await?;
        assert_eq!((version, command), (5, 1), "a request to connect");
        let host = match kind {
            1 => Ipv4Addr::from(take::<4>(stream).await?).to_string(),
            3 => text(stream).await?,
            _ => format!("[{}]", Ipv6Addr::from(take::<16>(stream).await?)),
        };
        let port = stream.read_u16().await?;
        Ok(Some(format!("{host}:{port}")))
    }
}

async fn take<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A text with its length before it.
async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
