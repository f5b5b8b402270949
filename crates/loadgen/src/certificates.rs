//! An authority that one run makes up, and a certificate for every server of that run: they all are on this machine.

use std::{fs, net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The files, in the folder of a run.
const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// The addresses of made-up servers in each of the networks 127.0.1.0 to 127.0.4.0.
const HOSTS: u8 = 250;
const NETWORKS: u8 = 4;

/// The addresses of made-up servers, all of them this machine's.
pub(crate) fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (1..=NETWORKS).flat_map(|network| (1..=HOSTS).map(move |host| Ipv4Addr::new(127, 0, network, host)))
}

/// Writes them.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    // A name of its own: where issuer and subject are called the same, OpenSSL takes a certificate for a self-signed one.
    params.distinguished_name.push(DnType::CommonName, "authority of a measurement");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.subject_alt_names.extend(addresses().map(|address| SanType::IpAddress(address.into())));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, text) in [(AUTHORITY, authority.pem()), (CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// TLS as a server.
pub(crate) fn acceptor(folder: &Path) -> Result<TlsAcceptor> {
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY)).context("reading the key")?;
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(read(&folder.join(CERTIFICATE))?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// TLS as a client of the run's servers.
pub(crate) fn connector(folder: &Path) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in read(&folder.join(AUTHORITY))? {
        roots.add(certificate)?;
    }
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).with_context(|| format!("reading {}", path.display()))?;
    found.collect::<Result<_, _>>().with_context(|| format!("reading {}", path.display()))
}
