//! How a step of a measurement failed, in OONI's words (data format df-007 and those that its probe has written since), so that its tools read ours.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a failure that has no word of its own.
const LONGEST: usize = 200;
/// What OONI writes before such a failure.
const UNKNOWN: &str = "unknown_failure";

/// How a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Failure {
    /// Nobody listens at the port, or somebody says so in their name.
    ConnectionRefused,
    /// The connection was torn down.
    ConnectionReset,
    /// The connection was given up on this side.
    ConnectionAborted,
    /// The connection ended in the middle.
    Eof,
    /// There is no way to the host.
    HostUnreachable,
    /// There is no way to the network.
    NetworkUnreachable,
    /// This machine's own network is down.
    NetworkDown,
    /// Nothing came in time.
    Timeout,
    /// The name system says that there is no such name.
    DnsNxdomain,
    /// The name exists, but has no such record.
    DnsNoAnswer,
    /// The name server does not want to answer.
    DnsRefused,
    /// The name server failed.
    DnsServfail,
    /// The name server's answer cannot be understood.
    DnsMisbehaving,
    /// The answer has only addresses that nobody on the internet has.
    DnsBogon,
    /// The certificate is for another name.
    SslInvalidHostname,
    /// The certificate is by nobody whom this machine trusts.
    SslUnknownAuthority,
    /// The certificate cannot be used: it is out of date, for instance.
    SslInvalidCertificate,
    /// The handshake failed in another way, such as with an alert.
    SslFailedHandshake,
    /// The egress guard does not let anybody connect there.
    Refused,
    /// Something else.
    Other(String),
}

impl Failure {
    /// Something else, in bounded words.
    pub fn other(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self::Other(text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect())
    }

    /// OONI's word.
    pub fn word(&self) -> &str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::ConnectionAborted => "connection_aborted",
            Self::Eof => "eof_error",
            Self::HostUnreachable => "host_unreachable",
            Self::NetworkUnreachable => "network_unreachable",
            Self::NetworkDown => "network_down",
            Self::Timeout => "generic_timeout_error",
            Self::DnsNxdomain => "dns_nxdomain_error",
            Self::DnsNoAnswer => "dns_no_answer",
            Self::DnsRefused => "dns_refused_error",
            Self::DnsServfail => "dns_servfail_error",
            Self::DnsMisbehaving => "dns_server_misbehaving",
            Self::DnsBogon => "dns_bogon_error",
            Self::SslInvalidHostname => "ssl_invalid_hostname",
            Self::SslUnknownAuthority => "ssl_unknown_authority",
            Self::SslInvalidCertificate => "ssl_invalid_certificate",
            Self::SslFailedHandshake => "ssl_failed_handshake",
            Self::Refused => "unknown_failure: refused by this machine's own guard",
            Self::Other(text) => text,
        }
    }

    /// Whether it says that this machine has no such network at all, which tells nothing about the other side.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::NetworkUnreachable | Self::NetworkDown | Self::Refused)
    }

    /// Whether the connection was torn down, as somebody between can do.
    pub fn is_torn(&self) -> bool {
        matches!(self, Self::ConnectionReset | Self::ConnectionAborted | Self::Eof)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => write!(out, "{UNKNOWN}: {text}"),
            known => out.write_str(known.word()),
        }
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

/// All that have a word of their own.
const KNOWN: [Failure; 19] = [
    Failure::ConnectionRefused,
    Failure::ConnectionReset,
    Failure::ConnectionAborted,
    Failure::Eof,
    Failure::HostUnreachable,
    Failure::NetworkUnreachable,
    Failure::NetworkDown,
    Failure::Timeout,
    Failure::DnsNxdomain,
    Failure::DnsNoAnswer,
    Failure::DnsRefused,
    Failure::DnsServfail,
    Failure::DnsMisbehaving,
    Failure::DnsBogon,
    Failure::SslInvalidHostname,
    Failure::SslUnknownAuthority,
    Failure::SslInvalidCertificate,
    Failure::SslFailedHandshake,
    Failure::Refused,
];

impl From<String> for Failure {
    fn from(text: String) -> Self {
        if let Some(known) = KNOWN.iter().find(|known| known.word() == text) {
            return known.clone();
        }
        let rest = text.strip_prefix(UNKNOWN).map_or(text.as_str(), |rest| rest.trim_start_matches([':', ' ']));
        Self::other(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_read_as_it_was_written() {
        for known in KNOWN.into_iter().chain([Failure::other("quoth\nthe raven")]) {
            let text = serde_json::to_string(&known).unwrap();
            assert_eq!(serde_json::from_str::<Failure>(&text).unwrap(), known, "{text}");
        }
        assert_eq!(Failure::other("a\u{1b}[31m").to_string(), "unknown_failure: a[31m");
        assert_eq!(Failure::other("x".repeat(10_000)).to_string().len(), LONGEST + UNKNOWN.len() + 2);
    }
}
