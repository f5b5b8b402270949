//! What stands in a certificate.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use domicile_residency::interference::measurement::{CHAIN, Certificate};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Bytes of a certificate that are looked at.
const LARGEST: usize = 8_192;
/// Characters of a name, and names.
const TEXT: usize = 256;
const NAMES: usize = 32;

/// A chain as it came, in bounds.
pub(super) fn chain(certificates: &[CertificateDer<'_>]) -> Vec<Certificate> {
    certificates.iter().take(CHAIN).map(|certificate| describe(certificate)).collect()
}

fn describe(der: &[u8]) -> Certificate {
    let mut described = Certificate { sha256: hex(&Sha256::digest(der)), ..Certificate::default() };
    if der.len() > LARGEST {
        return described;
    }
    described.der = STANDARD.encode(der);
    let Ok((_, read)) = X509Certificate::from_der(der) else { return described };
    described.subject = short(&read.subject().to_string());
    described.issuer = short(&read.issuer().to_string());
    described.from_ms = read.validity().not_before.timestamp().saturating_mul(1_000);
    described.until_ms = read.validity().not_after.timestamp().saturating_mul(1_000);
    if let Ok(Some(names)) = read.subject_alternative_name() {
        let names = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(short(name)),
            _ => None,
        });
        described.names = names.take(NAMES).collect();
    }
    described
}

fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT).collect()
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
