//! What the name system says: services (SRV) and addresses.

use std::{net::SocketAddr, time::Duration};

use futures::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    proto::rr::{Name, RData},
};

/// How long one question may take, and how often it is put.
const QUESTION_TIME: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;
/// Answers that are kept in memory, and for how long at most.
const KEPT: u64 = 4_096;
const LONGEST: Duration = Duration::from_hours(24);
const LONGEST_NEGATIVE: Duration = Duration::from_mins(10);

/// One place where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The lowest is tried first.
    pub priority: u16,
    /// Among those of one priority: how often it is to be the first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without a dot at the end. Empty: there is decidedly no such service.
    pub target: String,
}

/// The places of a service. None: there is no such record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// The places, in no order.
    pub places: Vec<Service>,
    /// How long that is good.
    pub life: Duration,
}

/// A question that has no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct DnsError(pub String);

/// Asks the name system.
pub trait Dns: Send + Sync + 'static {
    /// The places of a service, such as `_matrix-fed._tcp.example.org`.
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Services, DnsError>>;

    /// The addresses of a host, each with `port`. There may be none.
    fn addresses<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>>;
}

/// The name system as this machine is set up to ask it.
pub struct SystemDns {
    resolver: Result<TokioResolver, DnsError>,
}

impl SystemDns {
    /// Reads the machine's configuration. If it cannot be read, each question tells so.
    pub fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = QUESTION_TIME;
            options.attempts = ATTEMPTS;
            options.cache_size = KEPT;
            options.positive_max_ttl = Some(LONGEST);
            options.negative_max_ttl = Some(LONGEST_NEGATIVE);
            builder.build()
        });
        Self { resolver: resolver.map_err(|error| DnsError(format!("the machine's name servers: {error}"))) }
    }

    fn resolver(&self) -> Result<&TokioResolver, DnsError> {
        self.resolver.as_ref().map_err(Clone::clone)
    }
}

impl Default for SystemDns {
    fn default() -> Self {
        Self::new()
    }
}

/// A name from the root: the machine's own domain is not put behind it.
fn from_root(name: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_ascii(name).map_err(|error| DnsError(format!("`{name}` is no name: {error}")))?;
    name.set_fqdn(true);
    Ok(name)
}

impl Dns for SystemDns {
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Services, DnsError>> {
        Box::pin(async move {
            let found = match self.resolver()?.srv_lookup(from_root(name)?).await {
                Ok(found) => found,
                Err(error) if error.is_no_records_found() => {
                    return Ok(Services { places: Vec::new(), life: LONGEST_NEGATIVE });
                }
                Err(error) => return Err(DnsError(error.to_string())),
            };
            let life = found.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
            let places = found.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(record) => Some(Service {
                    priority: record.priority,
                    weight: record.weight,
                    port: record.port,
                    target: record.target.to_ascii().trim_end_matches('.').to_owned(),
                }),
                _ => None,
            });
            Ok(Services { places: places.collect(), life: Duration::from_secs(u64::from(life)) })
        })
    }

    fn addresses<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
        Box::pin(async move {
            match self.resolver()?.lookup_ip(from_root(host)?).await {
                Ok(found) => Ok(found.iter().map(|address| SocketAddr::new(address, port)).collect()),
                Err(error) if error.is_no_records_found() => Ok(Vec::new()),
                Err(error) => Err(DnsError(error.to_string())),
            }
        })
    }
}
