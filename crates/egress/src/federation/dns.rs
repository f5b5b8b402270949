//! What the name system says: services (SRV) and addresses.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use hickory_resolver::{
    TokioResolver,
    config::ResolverOpts,
    proto::rr::{Name, RData},
};
use parking_lot::Mutex;
use tokio::time::Instant;

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

/// The name system for a server that leaves names to its proxy: nothing is asked, and no service is known.
pub(super) struct LeftToTheProxy;

impl Dns for LeftToTheProxy {
    fn services<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Services, DnsError>> {
        Box::pin(std::future::ready(Ok(Services::default())))
    }

    fn addresses<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
        Box::pin(std::future::ready(Err(DnsError("the proxy looks names up".to_owned()))))
    }
}

/// Where a machine says how to ask the name system, and how often that is looked at.
const CONFIGURATION: &str = "/etc/resolv.conf";
const PAUSE: Duration = Duration::from_secs(10);

/// The name system as this machine is set up to ask it. A server may start before its network does, so the setup is read again when it changes.
pub struct SystemDns {
    setup: Mutex<Setup>,
}

struct Setup {
    resolver: Result<TokioResolver, DnsError>,
    written: Option<SystemTime>,
    look_again: Instant,
}

impl SystemDns {
    /// Reads the machine's configuration. If it cannot be read, each question tells so.
    pub fn new() -> Self {
        Self { setup: Mutex::new(Setup::read(written())) }
    }

    fn resolver(&self) -> Result<TokioResolver, DnsError> {
        let mut setup = self.setup.lock();
        if setup.look_again <= Instant::now() {
            let written = written();
            if written == setup.written {
                setup.look_again = Instant::now() + PAUSE;
            } else {
                *setup = Setup::read(written);
            }
        }
        setup.resolver.clone()
    }
}

fn written() -> Option<SystemTime> {
    std::fs::metadata(CONFIGURATION).and_then(|file| file.modified()).ok()
}

fn bound(options: &mut ResolverOpts) {
    options.timeout = QUESTION_TIME;
    options.attempts = ATTEMPTS;
    options.cache_size = KEPT;
    options.positive_max_ttl = Some(LONGEST);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE);
}

impl Setup {
    fn read(written: Option<SystemTime>) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            bound(builder.options_mut());
            builder.build()
        });
        let resolver = resolver.map_err(|error| DnsError(format!("the machine's name servers: {error}")));
        Self { resolver, written, look_again: Instant::now() + PAUSE }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_resolver::{
        config::{NameServerConfig, ResolverConfig},
        net::runtime::TokioRuntimeProvider,
        proto::{
            op::{Message, ResponseCode},
            rr::{Record, RecordType, rdata::SRV},
        },
    };
    use tokio::net::UdpSocket;

    use super::*;

    /// A name server that knows `_matrix-fed._tcp.a.example` and `t.example`, fails for `broken.example`, and counts what it is asked.
    async fn name_server() -> (SystemDns, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (asked, asks) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut bytes = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let mut message = Message::from_vec(&bytes[..length]).unwrap().into_response();
                let query = message.queries[0].clone();
                let name = query.name().to_ascii().to_lowercase();
                asked.send(name.clone()).unwrap();
                let answer = match (name.as_str(), query.query_type()) {
                    ("_matrix-fed._tcp.a.example.", RecordType::SRV) => {
                        let target = Name::from_ascii("T.example.").unwrap();
                        Some(RData::SRV(SRV::new(1, 2, 3, target)))
                    }
                    ("t.example.", RecordType::A) => Some(RData::A(Ipv4Addr::new(192, 0, 2, 7).into())),
                    _ => None,
                };
                match answer {
                    Some(data) => {
                        message.add_answer(Record::from_rdata(query.name().clone(), 120, data));
                    }
                    None if name.starts_with("broken") => message.metadata.response_code = ResponseCode::ServFail,
                    None => message.metadata.response_code = ResponseCode::NXDomain,
                }
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        });
        let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        server.connections[0].port = port;
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        bound(builder.options_mut());
        let setup = Setup {
            resolver: Ok(builder.build().unwrap()),
            written: written(),
            look_again: Instant::now() + Duration::from_hours(1),
        };
        (SystemDns { setup: Mutex::new(setup) }, asks)
    }

    #[tokio::test]
    async fn the_name_system_is_asked_once_for_what_is_still_good() {
        let (dns, mut asks) = name_server().await;
        for _ in 0..2 {
            let found = dns.services("_matrix-fed._tcp.a.example").await.unwrap();
            let place = Service { priority: 1, weight: 2, port: 3, target: "T.example".to_owned() };
            assert_eq!(found.places, [place]);
            assert!(found.life > Duration::from_secs(100) && found.life <= Duration::from_mins(2), "{:?}", found.life);
            assert_eq!(dns.addresses("t.example", 9).await.unwrap(), ["192.0.2.7:9".parse().unwrap()]);
        }
        let mut asked = Vec::new();
        while let Ok(name) = asks.try_recv() {
            asked.push(name);
        }
        assert_eq!(asked.iter().filter(|name| name.starts_with('_')).count(), 1, "{asked:?}");
    }

    #[tokio::test]
    async fn nothing_is_told_apart_from_failure() {
        let (dns, _asks) = name_server().await;
        assert!(dns.services("_matrix._tcp.none.example").await.unwrap().places.is_empty());
        assert!(dns.addresses("none.example", 1).await.unwrap().is_empty());
        assert!(dns.services("broken.example").await.is_err());
        assert!(dns.addresses("broken.example", 1).await.is_err());
        assert!(dns.services(&"x".repeat(300)).await.is_err());
    }
}
