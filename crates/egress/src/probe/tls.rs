//! Handshakes: with the target's name, with another one, with none. Whatever certificate comes is noted, and judged for the target's name.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use domicile_residency::interference::{
    Failure,
    measurement::{Certificate, Sni, Span, TlsHandshake},
};
use parking_lot::Mutex;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Probe, certificate,
    failure::{of_certificate, of_handshake},
    lap::Lap,
};

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(5);
/// How long it may take where something came: whoever is held back to a kilobyte a second needs it.
const TIME: Duration = Duration::from_secs(9);

/// What came in a handshake.
#[derive(Debug, Default)]
struct Seen {
    chain: Vec<Certificate>,
    invalid: Option<Failure>,
}

/// Takes every certificate and notes whether it is good. Nothing secret goes over such a connection: it asks for what everybody may read.
#[derive(Debug)]
struct Recorder {
    judge: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
    seen: Arc<Mutex<Seen>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.judge.verify_server_cert(leaf, rest, &self.name, ocsp, now);
        let mut chain = certificate::chain(std::slice::from_ref(leaf));
        chain.extend(certificate::chain(rest));
        chain.truncate(domicile_residency::interference::measurement::CHAIN);
        *self.seen.lock() = Seen { chain, invalid: judged.err().map(|error| of_certificate(&error)) };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// A connection whose received bytes are counted, so that silence can be told from a slow answer after the handshake failed, too.
pub(super) struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
    /// The same of all handshakes on a line.
    of_line: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        let more = into.filled().len().saturating_sub(before);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.received.fetch_add(more, Ordering::Relaxed);
        self.of_line.fetch_add(more, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// An encrypted connection to whoever it was.
pub(super) type Encrypted = TlsStream<Counted>;

/// Encrypts a connection, with the certificate judged for `host`. `of_line` counts the bytes that come of all handshakes with that host.
pub(super) async fn handshake(
    probe: &Probe,
    lap: Lap,
    (stream, of_line): (TcpStream, Arc<AtomicU64>),
    (address, host, sni): (SocketAddr, &str, Sni),
) -> (TlsHandshake, Option<Encrypted>) {
    let began = Instant::now();
    let mut noted = TlsHandshake {
        address,
        sni,
        server_name: None,
        failure: None,
        alert: None,
        answered: false,
        received: 0,
        invalid: None,
        chain: Vec::new(),
        version: None,
        cipher: None,
        when: Span::default(),
    };
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (config, said) = match config(probe, host, sni, &seen) {
        Ok(made) => made,
        Err(failure) => {
            noted.failure = Some(failure);
            return (noted, None);
        }
    };
    noted.server_name = match (&said, sni) {
        (ServerName::DnsName(name), Sni::Real | Sni::Neutral) => Some(name.as_ref().to_owned()),
        _ => None,
    };
    let received = Arc::new(AtomicU64::new(0));
    let counted = Counted { stream, received: Arc::clone(&received), of_line };
    let mut shaking = std::pin::pin!(TlsConnector::from(Arc::new(config)).connect(said, counted));
    let mut shaken = timeout_at(began + SILENCE, &mut shaking).await;
    if shaken.is_err() && received.load(Ordering::Relaxed) > 0 {
        shaken = timeout_at(began + TIME, &mut shaking).await;
    }
    noted.received = received.load(Ordering::Relaxed);
    noted.answered = noted.received > 0;
    let stream = match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            let (failure, alert) = of_handshake(&error);
            (noted.failure, noted.alert) = (Some(failure), alert);
            None
        }
        Err(_) => {
            noted.failure = Some(Failure::Timeout);
            None
        }
    };
    if let Some(stream) = &stream {
        let (_, session) = stream.get_ref();
        noted.version = session.protocol_version().map(|version| format!("{version:?}").replace('_', "."));
        noted.cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    }
    let seen = std::mem::take(&mut *seen.lock());
    (noted.chain, noted.invalid) = (seen.chain, seen.invalid);
    noted.when = lap.span(began);
    (noted, stream)
}

fn config(
    probe: &Probe,
    host: &str,
    sni: Sni,
    seen: &Arc<Mutex<Seen>>,
) -> Result<(ClientConfig, ServerName<'static>), Failure> {
    let named = |name: &str| ServerName::try_from(name.to_owned()).map_err(Failure::other);
    let name = named(host)?;
    let said = if sni == Sni::Neutral { named(&probe.settings.neutral_name)? } else { name.clone() };
    let recorder = Recorder { judge: Arc::clone(&probe.verifier), name, seen: Arc::clone(seen) };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&probe.provider))
        .with_safe_default_protocol_versions()
        .map_err(Failure::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder))
        .with_no_client_auth();
    config.enable_sni = sni != Sni::None;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, said))
}
