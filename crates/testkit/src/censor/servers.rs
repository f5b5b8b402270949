//! The programs on the hosts: name servers, the target, the control, the ministry.

use std::{convert::Infallible, future::Future, net::Ipv4Addr, sync::Arc};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use super::names::{self, Said};
use crate::link::Host;

/// Somebody who signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Encrypts with a certificate for these names.
    pub(super) fn acceptor(&self, names: &[&str], alpn: &[u8]) -> Result<TlsAcceptor> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        let certificate = params.signed_by(&key, &self.0)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A page: status, content type, and what stands in it; or where it points to.
#[derive(Clone)]
pub(super) enum Page {
    Text(u16, &'static str, Bytes),
    Elsewhere(String),
}

/// What a host answers to a path.
pub(super) type Site = Arc<dyn Fn(&str) -> Page + Send + Sync>;

/// Runs something on a host for as long as what is returned lives.
pub(super) fn on<F, T>(host: &Host, begin: F) -> Result<Runtime>
where
    F: FnOnce() -> T + Send,
    T: Future<Output = Result<()>>,
{
    host.inside(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(begin())?;
        Ok(runtime)
    })?
}

async fn each<F, T>(port: u16, serve: F) -> Result<()>
where
    F: Fn(tokio::net::TcpStream) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("0.0.0.0", port)).await.with_context(|| format!("listening at port {port}"))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(())
}

/// A site over HTTPS.
pub(super) async fn https(acceptor: TlsAcceptor, site: Site) -> Result<()> {
    each(443, move |stream| {
        let (acceptor, site) = (acceptor.clone(), Arc::clone(&site));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                one(stream, site).await;
            }
        }
    })
    .await
}

/// A site in the clear.
pub(super) async fn http(site: Site) -> Result<()> {
    each(80, move |stream| one(stream, Arc::clone(&site))).await
}

async fn one<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, site: Site) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let page = site(request.uri().path());
        let response = match page {
            Page::Text(status, kind, body) => {
                Response::builder().status(status).header("content-type", kind).body(Full::new(body))
            }
            Page::Elsewhere(to) => Response::builder().status(301).header("location", to).body(Full::default()),
        };
        async move { response }
    });
    // Whoever goes away in the middle does so.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

/// What a name server knows.
pub(super) type Zone = Arc<dyn Fn(&str) -> Option<Ipv4Addr> + Send + Sync>;

fn said(zone: &Zone, question: &[u8]) -> Option<Vec<u8>> {
    names::answer(question, |name| Some(zone(name).map_or(Said::Nothing, Said::At)))
}

/// Over UDP and TCP.
pub(super) async fn name_server(zone: Zone) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:53").await.context("listening for questions")?;
    let known = Arc::clone(&zone);
    tokio::spawn(async move {
        let mut bytes = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            if let Some(answer) = said(&known, &bytes[..length]) {
                // A lost answer is asked for again.
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    each(53, move |stream| stream_of_questions(stream, Arc::clone(&zone))).await
}

/// Over TLS and HTTPS.
pub(super) async fn encrypted_name_server(over_tls: TlsAcceptor, over_https: TlsAcceptor, zone: Zone) -> Result<()> {
    let known = Arc::clone(&zone);
    each(853, move |stream| {
        let (acceptor, zone) = (over_tls.clone(), Arc::clone(&known));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                stream_of_questions(stream, zone).await;
            }
        }
    })
    .await?;
    each(443, move |stream| {
        let (acceptor, zone) = (over_https.clone(), Arc::clone(&zone));
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = service_fn(move |request: Request<Incoming>| {
                let zone = Arc::clone(&zone);
                async move {
                    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                    let answer = body.ok().and_then(|body| said(&zone, &body)).unwrap_or_default();
                    let response = Response::builder().header("content-type", "application/dns-message");
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer))).unwrap_or_default())
                }
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = serving.serve_connection(TokioIo::new(stream), answer).await;
        }
    })
    .await
}

/// Questions one after the other, each with its length before it (RFC 1035, section 4.2.2).
async fn stream_of_questions<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(mut stream: S, zone: Zone) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = said(&zone, &question) else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let whole = [&length.to_be_bytes()[..], &answer].concat();
        if stream.write_all(&whole).await.and(stream.flush().await).is_err() {
            return;
        }
    }
}
