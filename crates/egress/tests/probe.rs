//! A probe against hosts on this machine: what it notes, and what follows.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{net::SocketAddr, sync::Arc};

use domicile_egress::{
    ClientSettings, Trust,
    probe::{Probe, Settings},
};
use domicile_residency::interference::{Failure, Kind, Run, Sni, Target, Vantage, judge, outside::Outside};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Somebody who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A host that answers every request with `answer`; without an acceptor it ends every connection.
async fn host(acceptor: Option<TlsAcceptor>, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Some(acceptor) = acceptor else {
                    // What was said is read, so that the end is an end and no reset.
                    let _ = stream.read(&mut [0; 4_096]).await;
                    return;
                };
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.read(&mut [0; 4_096]).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
                let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

async fn probe(authority: &Authority, control: SocketAddr, port: u16) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.0.pem()).unwrap();
    let settings = ClientSettings { ca_files: vec![file.path().to_owned()], ..ClientSettings::default() };
    let settings_of_probe = Settings {
        controls: vec![format!("https://{control}/").parse().unwrap()],
        neutral_name: "example.com".to_owned(),
        ..Settings::default()
    };
    let probe = Probe::new(&Trust::new(settings).unwrap(), settings_of_probe).unwrap();
    let target = Target {
        host: "127.0.0.1".to_owned(),
        port,
        path: "/_matrix/client/versions".to_owned(),
        expects: Some("versions".to_owned()),
        ..Target::default()
    };
    probe.run(&[target], 1_000, Vantage::default()).await
}

fn verdict(run: &Run, outside: Option<&Outside>) -> Kind {
    judge(&run.measurements[0], &run.control, outside, &[]).kind
}

#[tokio::test]
async fn what_works_is_measured_once() {
    let authority = Authority::new("true");
    let good = host(Some(authority.acceptor()), r#"{"versions":["v1.18"]}"#).await;
    let run = probe(&authority, good, good.port()).await;
    assert_eq!(verdict(&run, None), Kind::Ok, "{run:#?}");
    let seen = &run.measurements[0];
    assert_eq!(seen.tls.iter().map(|shaken| shaken.sni).collect::<Vec<_>>(), [Sni::Real, Sni::Neutral, Sni::None]);
    assert!(seen.tls[0].chain[0].issuer.contains("true"), "{:?}", seen.tls[0].chain);
    assert_eq!(seen.http.len(), 1);
    assert!(seen.http[0].body.is_empty() && seen.http[0].length == 22, "{:?}", seen.http);
    assert!(run.bounded().is_ok());
}

#[tokio::test]
async fn somebody_elses_certificate_is_noted_and_judged() {
    let (authority, other) = (Authority::new("true"), Authority::new("Ministry"));
    let good = host(Some(authority.acceptor()), "{}").await;
    let bad = host(Some(other.acceptor()), "<html><title>No</title></html>").await;
    let run = probe(&authority, good, bad.port()).await;
    let seen = &run.measurements[0];
    let real: Vec<_> = seen.tls.iter().filter(|shaken| shaken.sni == Sni::Real).collect();
    assert_eq!(real.len(), 3);
    assert!(real.iter().all(|shaken| shaken.invalid == Some(Failure::SslUnknownAuthority)), "{real:?}");
    assert!(
        seen.http.iter().all(|request| !request.secure && request.title.as_deref() == Some("No")),
        "{:?}",
        seen.http
    );
    assert_eq!(verdict(&run, None), Kind::Inconclusive);
    let outside = Outside { works: true, certificates: vec!["another".to_owned()], ..Outside::default() };
    assert_eq!(verdict(&run, Some(&outside)), Kind::TlsMitm);
}

#[tokio::test]
async fn ends_and_closed_ports_are_noted_as_such() {
    let authority = Authority::new("true");
    let good = host(Some(authority.acceptor()), "{}").await;
    let ending = host(None, "").await;
    let run = probe(&authority, good, ending.port()).await;
    let real: Vec<_> = run.measurements[0].tls.iter().filter(|shaken| shaken.sni == Sni::Real).collect();
    assert!(real.len() == 3 && real.iter().all(|shaken| shaken.failure == Some(Failure::Eof)), "{real:?}");
    // Nobody listens where nobody listens any more.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let run = probe(&authority, good, closed.port()).await;
    assert!(
        run.measurements[0].tcp.iter().all(|attempt| attempt.failure == Some(Failure::ConnectionRefused)),
        "{run:?}"
    );
    assert!(run.measurements[0].tcp.len() >= 3, "what fails is tried again");
    assert_eq!(verdict(&run, None), Kind::Inconclusive);
    let outside = Outside { works: false, ..Outside::default() };
    assert_eq!(verdict(&run, Some(&outside)), Kind::Down);
}
