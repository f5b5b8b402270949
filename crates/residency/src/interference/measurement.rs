//! What was seen on the way to a target: each step with when it began, how long it took, and how it failed.
//!
//! Times are milliseconds; those of a step count from the run's beginning. A measurement may come from a stranger's machine, so `bounds` says
//! whether it is of a size that is kept.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Targets of one run.
pub const TARGETS: usize = 32;
/// Bytes of a page that are kept.
pub const PAGE: usize = 4_096;
/// Headers of an answer that are kept.
pub const HEADERS: usize = 40;
/// Certificates of a chain.
pub const CHAIN: usize = 6;
/// How much longer than a way there and back a handshake takes, in milliseconds, before it says anything about a speed.
const TELLING_MS: u32 = 400;
/// Reads of a download that are told.
pub const READS: usize = 64;

/// When a step began, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Milliseconds from the run's beginning.
    pub at_ms: u32,
    /// Milliseconds that it took.
    pub took_ms: u32,
}

/// What a target is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Clients talk to it.
    Client,
    /// Other servers talk to it.
    Federation,
    /// The server's name itself, which says where the others are.
    Name,
    /// Anything else that speaks HTTPS.
    #[default]
    Other,
}

/// One address of a deployment, as people reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is asked for, from `/` on.
    pub path: String,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
    /// The key that the answer has as a JSON object; none: whatever is not an error will do.
    #[serde(default)]
    pub expects: Option<String>,
    /// Its addresses, where the deployment says them.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// What may be fetched from it to see how fast it is.
    #[serde(default)]
    pub download: Option<String>,
}

impl Target {
    /// Its address for people.
    pub fn url(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 443 {
            format!("https://{host}{}", self.path)
        } else {
            format!("https://{host}:{}{}", self.port, self.path)
        }
    }
}

/// How a name server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// As this machine is set up to ask.
    System,
    /// A trusted one, in the clear.
    Udp,
    /// A trusted one, in the clear.
    Tcp,
    /// A trusted one, encrypted.
    Tls,
    /// A trusted one, encrypted.
    Https,
}

impl Transport {
    /// Whether nobody on the way can forge the answer.
    pub fn is_authentic(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// One question to a name server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsQuery {
    /// The name.
    pub host: String,
    /// Which of the repeated questions it is, from 0.
    pub attempt: u8,
    /// How it was asked.
    pub transport: Transport,
    /// The name server, such as `9.9.9.9:53`; empty for the machine's own.
    pub resolver: String,
    /// Whether addresses of IPv6 were asked for.
    pub ipv6: bool,
    /// How it failed.
    pub failure: Option<Failure>,
    /// The addresses that it gave.
    pub addresses: Vec<IpAddr>,
    /// Those of them that are nowhere on the internet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bogons: Vec<IpAddr>,
    /// When.
    pub when: Span,
}

/// One attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpConnect {
    /// To where.
    pub address: SocketAddr,
    /// How it failed.
    pub failure: Option<Failure>,
    /// When.
    pub when: Span,
}

/// Which name the handshake says in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sni {
    /// The target's.
    Real,
    /// One that nobody minds.
    Neutral,
    /// None.
    None,
}

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its fingerprint: SHA-256 of all of it, as hexadecimal digits.
    pub sha256: String,
    /// Whom it is for.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// When it begins to be good, in milliseconds since the epoch.
    pub from_ms: i64,
    /// When it ends.
    pub until_ms: i64,
    /// The names that it is for.
    #[serde(default)]
    pub names: Vec<String>,
    /// All of it (DER) as base64. Not kept in the history.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub der: String,
}

/// One handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsHandshake {
    /// With whom.
    pub address: SocketAddr,
    /// Which name it said.
    pub sni: Sni,
    /// That name.
    pub server_name: Option<String>,
    /// How it failed.
    pub failure: Option<Failure>,
    /// The alert with which the other side ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Whether anything came back at all.
    pub answered: bool,
    /// Bytes that came back.
    #[serde(default)]
    pub received: u64,
    /// Why the certificate is not good for the target's name, whatever name was said.
    pub invalid: Option<Failure>,
    /// The certificates that came.
    pub chain: Vec<Certificate>,
    /// The protocol's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The cipher suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// When.
    pub when: Span,
}

impl TlsHandshake {
    /// How fast what came back came, in bytes a second, if that took long: a way there and back, of `trip_ms` milliseconds, is not counted. None if
    /// it was quick, so that nothing follows from it.
    pub fn pace(&self, trip_ms: u32) -> Option<u64> {
        let rest_ms = self.when.took_ms.saturating_sub(trip_ms);
        (self.answered && rest_ms >= TELLING_MS).then(|| self.received.saturating_mul(1_000) / u64::from(rest_ms))
    }

    /// Whether the target itself was at the other end.
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.invalid.is_none()
    }
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// For what.
    pub url: String,
    /// With whom.
    pub address: Option<SocketAddr>,
    /// Whether the certificate was good for the target's name.
    pub secure: bool,
    /// How it failed.
    pub failure: Option<Failure>,
    /// The answer's status; none if there is no answer.
    pub status: Option<u16>,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its title, if it is a page.
    pub title: Option<String>,
    /// Its length in bytes, as far as it was read.
    pub length: u64,
    /// Whether there was more.
    pub truncated: bool,
    /// The fingerprint of what was read: SHA-256, as hexadecimal digits.
    pub sha256: String,
    /// The beginning of it. A stranger's text: escape it where it is shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Whether it is what the target says.
    pub expected: bool,
    /// When.
    pub when: Span,
}

impl HttpRequest {
    /// Whether it went in the clear, where anybody on the way can answer.
    pub fn is_plain(&self) -> bool {
        self.url.starts_with("http:")
    }

    /// Where it points to.
    pub fn location(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, value)| value.as_str())
    }
}

/// One download.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Of what.
    pub url: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// How it failed, if nothing can be said from it. Running out of time is no failure: it is what is measured.
    pub failure: Option<Failure>,
    /// Bytes that came.
    pub bytes: u64,
    /// Whether all of it came.
    pub whole: bool,
    /// The first reads: milliseconds from the request, and bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<(u32, u32)>,
    /// When; what it took counts from the request on the open connection to the last byte.
    pub when: Span,
}

impl Download {
    /// Bytes in a second; none where it failed.
    pub fn rate(&self) -> Option<u64> {
        self.failure.is_none().then(|| self.bytes.saturating_mul(1_000) / u64::from(self.when.took_ms.max(1)))
    }
}

/// What was seen of hosts that nobody has a reason to block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Their names, asked of the machine's own name server.
    pub dns: Vec<DnsQuery>,
    /// Connections to them.
    pub tcp: Vec<TcpConnect>,
    /// A download from one of them.
    pub downloads: Vec<Download>,
}

/// What was seen of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// The target.
    pub target: Target,
    /// Whether the time was over before all was done.
    #[serde(default)]
    pub unfinished: bool,
    /// Its name.
    pub dns: Vec<DnsQuery>,
    /// Connections to its addresses.
    pub tcp: Vec<TcpConnect>,
    /// Handshakes.
    pub tls: Vec<TlsHandshake>,
    /// Requests.
    pub http: Vec<HttpRequest>,
    /// Downloads.
    pub downloads: Vec<Download>,
}

/// Where a run was made, as far as whoever made it wants to say. There is no address in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// The country, as two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The network, such as `AS64496`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// One run: all targets, seen from one place at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
    /// How long it took.
    pub took_ms: u32,
    /// Where.
    #[serde(default)]
    pub vantage: Vantage,
    /// What nobody has a reason to block.
    pub control: Control,
    /// The targets.
    pub measurements: Vec<Measurement>,
}

impl Run {
    /// Without what is only of use to somebody who looks at one run closely: whole certificates.
    #[must_use]
    pub fn for_history(mut self) -> Self {
        for handshake in self.measurements.iter_mut().flat_map(|measurement| &mut measurement.tls) {
            for certificate in &mut handshake.chain {
                certificate.der.clear();
            }
        }
        self
    }
}
