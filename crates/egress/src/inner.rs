//! Requests to other cells of the deployment: over TLS 1.3 with the cells' own keys on both sides, without certificates (RFC 7250).
//!
//! Each cell has a pool of connections of its own, on which nobody is spoken to but the holder of its key: another cell that stands in the way
//! reads nothing that is not for it. The deployment document, which the operator's root key signed, names the addresses, so the guard has no
//! say in them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::PathAndQuery};
use http_body_util::Full;
use parking_lot::RwLock;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

pub use rustls::ServerConfig;
use tokio::net::TcpStream;

use crate::{
    client::{Bounds, Client, ClientError, Pieces},
    connect::{ConnectError, Connector, SystemHosts, open},
    detour::{DIRECT_TIME, Detour, Hop, Hops, Passport, Relays},
    guard::Guard,
    proxy::Proxy,
    trust::Trust,
};

/// The key of this cell.
pub struct Identity {
    /// The secret half as PKCS #8, in DER.
    pub pkcs8: Vec<u8>,
    /// The public half as a `SubjectPublicKeyInfo`, in DER.
    pub spki: Vec<u8>,
}

/// Another cell.
pub struct InnerPlace {
    /// Its name.
    pub name: String,
    /// Its inner address.
    pub url: String,
    /// Its public key as a `SubjectPublicKeyInfo`, in DER.
    pub spki: Vec<u8>,
    /// By what it is reached, if not directly.
    pub proxy: Option<Proxy>,
    /// The cells that may be the way there where the direct line is blocked.
    pub relays: Vec<String>,
}

/// A key or an address that cannot be used between cells.
#[derive(Debug, thiserror::Error)]
#[error("cells cannot speak with each other: {0}")]
pub struct InnerError(String);

/// Asks other cells.
pub struct InnerClient {
    cells: BTreeMap<String, Place>,
    /// The cells that may be the way to each.
    ways: BTreeMap<String, Vec<String>>,
    /// Lets everything pass: where cells are is said by the document, which the root key has signed.
    guard: Arc<Guard>,
    relays: Arc<Relays>,
}

/// Another cell, and the connections to it.
#[derive(Clone)]
struct Place {
    /// Another one when the way changes: connections over the old one are not used for anything new then.
    client: Arc<RwLock<Client>>,
    uri: Uri,
    spki: Arc<[u8]>,
    trust: Trust,
    detour: Detour,
    hop: Hop,
}

impl Place {
    /// Goes the direct way from now on.
    fn go_directly(&self) {
        self.detour.is_open();
        *self.client.write() = Client::new(&self.trust);
    }
}

impl InnerClient {
    /// Asks these cells in the name of this one. `passport` is for those that are the way to others; without one, no cell is.
    pub fn new(
        identity: &Identity,
        cells: Vec<InnerPlace>,
        passport: Option<Arc<dyn Passport>>,
    ) -> Result<Self, InnerError> {
        let guard = Arc::new(Guard::anywhere());
        let relays = Arc::new(Relays::new(Arc::clone(&guard), passport));
        let none = Self { cells: BTreeMap::new(), ways: BTreeMap::new(), guard, relays };
        let client = none.with_places(identity, cells)?;
        client.settle();
        Ok(client)
    }

    /// The same for other cells. Connections to those that are as they were stay. It holds when it is [settled](Self::settle).
    pub fn with_places(&self, identity: &Identity, cells: Vec<InnerPlace>) -> Result<Self, InnerError> {
        let own = certified(identity)?;
        let (mut pools, mut ways) = (BTreeMap::new(), BTreeMap::new());
        for InnerPlace { name, url, spki, proxy, relays } in cells {
            ways.insert(name.clone(), relays);
            let uri: Uri = url.parse().map_err(|_| InnerError(format!("{url} is no address")))?;
            if let Some(same) = self.cells.get(&name).filter(|place| place.uri == uri && *place.spki == *spki) {
                pools.insert(name, same.clone());
                continue;
            }
            let key: Arc<[u8]> = Arc::from(spki.as_slice());
            let verifier =
                Arc::new(OneKey { spki, algorithms: ring::default_provider().signature_verification_algorithms });
            let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .map_err(|error| InnerError(error.to_string()))?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&own))));
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            let hop = Hop { uri: uri.clone(), tls: Arc::new(tls.clone()), proxy: proxy.clone() };
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let detour = Detour::new(name.clone(), Arc::clone(&self.relays));
            let trust = Trust {
                guard: Arc::clone(&self.guard),
                tls: Arc::new(tls),
                roots: Arc::new(RootCertStore::empty()),
                own: Arc::from([]),
                proxy,
                detour: Some(detour.clone()),
            };
            let client = Arc::new(RwLock::new(Client::new(&trust)));
            pools.insert(name, Place { client, uri, spki: key, trust, detour, hop });
        }
        Ok(Self { cells: pools, ways, guard: Arc::clone(&self.guard), relays: Arc::clone(&self.relays) })
    }

    /// The cells of this one are those that are the way to others from now on. Who is reached by way of one that may not be it any more is reached directly.
    pub fn settle(&self) {
        let cells = self.cells.iter().map(|(name, place)| (name.clone(), place.hop.clone())).collect();
        self.relays.set(Hops { cells, ways: self.ways.clone() });
        for (name, place) in &self.cells {
            if place.detour.relay().is_some_and(|relay| !self.relays.lead(&relay, name)) {
                place.go_directly();
            }
        }
    }

    /// The cell by way of which another is reached, if it is not reached directly.
    pub fn relay_to(&self, cell: &str) -> Option<String> {
        self.cells.get(cell)?.detour.relay()
    }

    /// Tries the direct line to each cell that is reached by way of another. What is asked from then on goes over it, if it is open.
    pub async fn try_direct(&self) {
        let tried =
            self.cells.iter().filter(|(_, place)| place.detour.relay().is_some()).map(|(name, place)| async move {
                let connector = Connector::new(&place.trust, SystemHosts, DIRECT_TIME);
                let line = tokio::time::timeout(DIRECT_TIME, connector.directly(&place.uri)).await;
                if matches!(line, Ok(Ok(_))) {
                    place.go_directly();
                    tracing::info!(cell = name, "a cell is reached directly again");
                }
            });
        futures::future::join_all(tried).await;
    }

    /// A line to a cell for another one's bytes. This cell's proxy leads there, too, and no third cell. Nothing if there is no such cell.
    pub async fn dial(&self, cell: &str) -> Option<Result<TcpStream, ConnectError>> {
        let place = self.cells.get(cell)?;
        let dialling = open(&SystemHosts, &self.guard, place.hop.proxy.as_ref(), &place.uri);
        let dialled = tokio::time::timeout(DIRECT_TIME, dialling).await.unwrap_or(Err(ConnectError::Slow));
        Some(dialled.map(|(_, stream)| stream))
    }

    /// The key of a cell, as a `SubjectPublicKeyInfo` in DER.
    pub fn key_of(&self, cell: &str) -> Option<&[u8]> {
        self.cells.get(cell).map(|place| &*place.spki)
    }

    /// Asks a cell, and gives the whole answer. Of the request's address only path and query matter. Nothing if there is no such cell.
    pub async fn ask(
        &self,
        cell: &str,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Option<Result<Response<Bytes>, ClientError>> {
        let (client, request) = match self.addressed(cell, request)? {
            Ok(addressed) => addressed,
            Err(error) => return Some(Err(error)),
        };
        Some(client.ask(request, bounds).await)
    }

    /// The same with the answer's body piece by piece, as it comes.
    pub async fn ask_streamed(
        &self,
        cell: &str,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Option<Result<Response<Pieces>, ClientError>> {
        let (client, request) = match self.addressed(cell, request)? {
            Ok(addressed) => addressed,
            Err(error) => return Some(Err(error)),
        };
        Some(client.ask_streamed(request, bounds).await)
    }

    /// A request with the address of a cell, and what asks it.
    fn addressed(&self, cell: &str, mut request: Request<Bytes>) -> Option<Result<Addressed, ClientError>> {
        let Place { client, uri, .. } = self.cells.get(cell)?;
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path);
        match Uri::from_parts(parts) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return Some(Err(ClientError::Connect(ConnectError::NoHost))),
        }
        let client = client.read().clone();
        Some(Ok((client, request.map(Full::new))))
    }
}

/// A request to a cell, and what asks it.
type Addressed = (Client, Request<Full<Bytes>>);

/// Who gets through to this cell.
#[derive(Debug)]
pub struct Admission {
    config: Arc<ServerConfig>,
    keys: Arc<[Vec<u8>]>,
}

impl Admission {
    /// Only the holders of these keys (each a `SubjectPublicKeyInfo` in DER) get through the handshake.
    pub fn new(identity: &Identity, cells: Vec<Vec<u8>>) -> Result<Self, InnerError> {
        let keys: Arc<[Vec<u8>]> = Arc::from(cells);
        Ok(Self { config: server_config(identity, Arc::clone(&keys))?, keys })
    }

    /// How connections are answered.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Whether the holder of a key gets through.
    pub fn admits(&self, spki: &[u8]) -> bool {
        self.keys.iter().any(|key| key == spki)
    }
}

fn server_config(identity: &Identity, cells: Arc<[Vec<u8>]>) -> Result<Arc<ServerConfig>, InnerError> {
    let own = certified(identity)?;
    let verifier = Arc::new(SomeKeys { cells, algorithms: ring::default_provider().signature_verification_algorithms });
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| InnerError(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, InnerError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.pkcs8.clone()));
    let provider: CryptoProvider = ring::default_provider();
    let key = provider.key_provider.load_private_key(key).map_err(|error| InnerError(error.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(identity.spki.clone())], key)))
}

/// The other side of a connection to one cell is the holder of this key.
#[derive(Debug)]
struct OneKey {
    spki: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The other side of a connection that was accepted is the holder of one of these keys.
#[derive(Debug)]
struct SomeKeys {
    cells: Arc<[Vec<u8>]>,
    algorithms: WebPkiSupportedAlgorithms,
}

fn other_key() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// TLS 1.2 has no signatures over a raw key, and is not spoken.
fn too_old() -> Error {
    Error::General("cells speak TLS 1.3".to_owned())
}

/// Whether a handshake was signed with a raw key: the same on both sides.
fn check_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if key.as_ref() == self.spki { Ok(ServerCertVerified::assertion()) } else { Err(other_key()) }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for SomeKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.cells.iter().any(|cell| cell == key.as_ref()) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(other_key())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
