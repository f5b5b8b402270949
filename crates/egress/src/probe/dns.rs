//! Asking name servers: this machine's, and trusted ones over UDP, TCP, TLS and HTTPS.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domicile_residency::interference::{
    Failure,
    measurement::{DnsQuery, Transport},
};
use futures::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{Name, RData, RecordType},
};
use tokio::time::{Instant, timeout};

use super::{Probe, failure::of_dns, lap::Lap, resolver::Resolver};
use crate::guard::Guard;

/// How long one question may take, with its repetitions and the encryption under it.
const TIME: Duration = Duration::from_secs(5);
/// How long a datagram is waited for before it is sent again.
const PATIENCE: Duration = Duration::from_millis(2_200);
/// Addresses of one answer that are noted.
const ADDRESSES: usize = 32;

/// A name server that is ready to be asked.
struct Asked {
    transport: Transport,
    shown: String,
    resolver: Result<TokioResolver, Failure>,
}

/// All name servers of a run. Nothing is remembered between questions.
pub(super) struct NameServers {
    all: Vec<Asked>,
    guard: Arc<Guard>,
}

impl NameServers {
    pub(super) fn new(probe: &Probe) -> Self {
        let system = TokioResolver::builder_tokio().and_then(|mut builder| {
            bound(builder.options_mut());
            builder.build()
        });
        let system = system.map_err(|error| of_dns(&error));
        let mut all = vec![Asked { transport: Transport::System, shown: String::new(), resolver: system }];
        all.extend(probe.settings.resolvers.iter().map(|written| Asked {
            transport: written.transport,
            shown: written.shown(),
            resolver: trusted(probe, written),
        }));
        Self { all, guard: Arc::clone(&probe.guard) }
    }

    /// Asks all of them for a host, at once.
    pub(super) async fn ask(&self, lap: Lap, host: &str, attempt: u8) -> Vec<DnsQuery> {
        let questions =
            self.all.iter().flat_map(|asked| [false, true].map(|ipv6| self.one(lap, asked, host, attempt, ipv6)));
        join_all(questions).await
    }

    /// Asks the machine's own only.
    pub(super) async fn ask_system(&self, lap: Lap, host: &str, attempt: u8) -> Vec<DnsQuery> {
        let system = self.all.iter().filter(|asked| asked.transport == Transport::System);
        join_all(system.map(|asked| self.one(lap, asked, host, attempt, false))).await
    }

    async fn one(&self, lap: Lap, asked: &Asked, host: &str, attempt: u8, ipv6: bool) -> DnsQuery {
        let began = Instant::now();
        let found = match &asked.resolver {
            Ok(resolver) => timeout(TIME, lookup(resolver, host, ipv6)).await.unwrap_or(Err(Failure::Timeout)),
            Err(failure) => Err(failure.clone()),
        };
        let (addresses, failure) = match found {
            Ok(addresses) => (addresses, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let nowhere = |address: &&IpAddr| !self.guard.allows(SocketAddr::new(**address, 443));
        let bogons: Vec<IpAddr> = addresses.iter().filter(nowhere).copied().collect();
        DnsQuery {
            host: host.to_owned(),
            attempt,
            transport: asked.transport,
            resolver: asked.shown.clone(),
            ipv6,
            failure,
            addresses,
            bogons,
            when: lap.span(began),
        }
    }
}

fn bound(options: &mut hickory_resolver::config::ResolverOpts) {
    options.timeout = PATIENCE;
    options.attempts = 1;
    options.cache_size = 0;
}

fn trusted(probe: &Probe, written: &Resolver) -> Result<TokioResolver, Failure> {
    let name: Arc<str> = written.name.as_str().into();
    let protocol = match written.transport {
        Transport::Tcp => ProtocolConfig::Tcp,
        Transport::Tls => ProtocolConfig::Tls { server_name: name },
        Transport::Https => ProtocolConfig::Https { server_name: name, path: written.path.as_str().into() },
        Transport::Udp | Transport::System => ProtocolConfig::Udp,
    };
    let mut connection = ConnectionConfig::new(protocol);
    connection.port = written.address.port();
    let server = NameServerConfig::new(written.address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_tls_config((*probe.tls).clone());
    let options = builder.options_mut();
    bound(options);
    options.use_hosts_file = ResolveHosts::Never;
    if written.transport.is_authentic() {
        // A connection and a handshake come first.
        options.timeout = TIME;
        options.attempts = 0;
    }
    builder.build().map_err(|error| of_dns(&error))
}

async fn lookup(resolver: &TokioResolver, host: &str, ipv6: bool) -> Result<Vec<IpAddr>, Failure> {
    let mut name = Name::from_ascii(host).map_err(|error| Failure::other(format_args!("no name: {error}")))?;
    name.set_fqdn(true);
    let kind = if ipv6 { RecordType::AAAA } else { RecordType::A };
    let found = resolver.lookup(name, kind).await.map_err(|error| of_dns(&error))?;
    let addresses = found.answers().iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    let addresses: Vec<IpAddr> = addresses.take(ADDRESSES).collect();
    if addresses.is_empty() { Err(Failure::DnsNoAnswer) } else { Ok(addresses) }
}
