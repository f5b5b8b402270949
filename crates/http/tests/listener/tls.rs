//! Certificates that change while the server runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domicile_http::listener::Certificate;
use domicile_testkit::server::TestServer;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{END, Listening, VERSIONS, listen, one_answer, until_closed};

/// Made for these tests with `openssl req -x509 -newkey ec -nodes -days 36500`; they protect nothing.
const PAIRS: [(&str, &str); 2] = [
    (include_str!("first.pem"), include_str!("first.key.pem")),
    (include_str!("second.pem"), include_str!("second.key.pem")),
];

fn certificate(pair: usize) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(PAIRS[pair].0.as_bytes()).unwrap()
}

/// Connects, trusting both certificates, and tells which one was shown.
async fn connect(listening: &Listening) -> (TlsStream<TcpStream>, usize) {
    let mut roots = RootCertStore::empty();
    for pair in 0..PAIRS.len() {
        roots.add(certificate(pair)).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(listening.address.unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let which = (0..PAIRS.len()).find(|pair| certificate(*pair) == shown).unwrap();
    (stream, which)
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_old_connections_go_on() {
    let server = TestServer::start().await;
    let folder: PathBuf = std::env::temp_dir().join(format!("domicile-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, PAIRS[0].0).unwrap();
    std::fs::write(&key, PAIRS[0].1).unwrap();
    let loaded = Certificate::load(&chain, &key).unwrap();
    let stopping = CancellationToken::new();
    let watch = tokio::spawn(Arc::clone(&loaded).watch(stopping.clone()));
    let listening = listen(&server, "127.0.0.1:0", 0o600, Some(loaded), &[]).await;

    let (mut old, which) = connect(&listening).await;
    assert_eq!(which, 0);
    one_answer(&mut old, VERSIONS).await;

    // Half of a new pair cannot be used, and disturbs nobody.
    std::fs::write(&chain, PAIRS[1].0).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(connect(&listening).await.1, 0);
    one_answer(&mut old, VERSIONS).await;

    // The other half comes as a file that is older than the one it replaces, as a copy that keeps its times is.
    let new = folder.join("new.pem");
    std::fs::write(&new, PAIRS[1].1).unwrap();
    let past = std::fs::metadata(&new).unwrap().modified().unwrap() - Duration::from_hours(48);
    std::fs::File::options().write(true).open(&new).unwrap().set_modified(past).unwrap();
    std::fs::rename(&new, &key).unwrap();
    let shown = async {
        while connect(&listening).await.1 != 1 {
            one_answer(&mut old, VERSIONS).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(END, shown).await.expect("the new certificate within seconds");
    one_answer(&mut old, VERSIONS).await;
    one_answer(&mut connect(&listening).await.0, VERSIONS).await;

    // Files that are gone leave the last pair in its place.
    std::fs::remove_file(&chain).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(connect(&listening).await.1, 1);
    stopping.cancel();
    tokio::time::timeout(END, watch).await.unwrap().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_is_not_waited_for() {
    let server = TestServer::start().await;
    let folder: PathBuf = std::env::temp_dir().join(format!("domicile-handshake-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, PAIRS[0].0).unwrap();
    std::fs::write(&key, PAIRS[0].1).unwrap();
    let listening = listen(&server, "127.0.0.1:0", 0o600, Some(Certificate::load(&chain, &key).unwrap()), &[]).await;
    for said in [&b""[..], b"\x16\x03\x01\x02\x00", VERSIONS.as_bytes()] {
        let stream = TcpStream::connect(listening.address.unwrap()).await.unwrap();
        let begun = tokio::time::Instant::now();
        let heard = until_closed(stream, said).await;
        assert!(!heard.contains("HTTP/"), "{heard}");
        assert!(begun.elapsed() < super::PATIENCE * 4, "{:?}", begun.elapsed());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
