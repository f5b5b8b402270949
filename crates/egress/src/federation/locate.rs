//! Where a name is served that nobody delegates further (server-server specification, *Resolving server names*, after `/.well-known`): the
//! given address or port, else what SRV records say, else port 8448.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use domicile_core::{
    clock::Clock,
    rng::{self, Rng},
};
use http::Uri;
use ruma::ServerName;

use super::{
    dns::{Dns, DnsError, Service, Services},
    kept::Kept,
};
use crate::connect::{ConnectError, Locate, Located, Named, host_and_port, tls_name};

/// The port of servers that name none.
pub const PORT: u16 = 8448;
/// Records of one service that are looked at.
const PLACES: usize = 8;
/// Services that are kept in memory, and for how long.
const KEPT: usize = 10_000;
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);

/// Which step of the specification told where a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The name is an address.
    Address,
    /// The name has a port.
    Port,
    /// An SRV record of this service.
    Service(&'static str),
    /// Nothing else did: port 8448.
    Usual,
}

/// Where a name is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it was found.
    pub step: Step,
    /// What the certificate must be for.
    pub host: String,
    /// Hosts and ports to connect to, the best first.
    pub targets: Vec<(String, u16)>,
}

/// The services by which servers are found, in order. The second is the older one.
const SERVICES: [&str; 2] = ["_matrix-fed._tcp", "_matrix._tcp"];

/// Finds where names are served.
pub struct Locator {
    dns: Arc<dyn Dns>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    services: Kept<String, Services>,
}

impl Locator {
    /// Nothing is known yet.
    pub fn new(dns: Arc<dyn Dns>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { dns, services: Kept::new(KEPT, Arc::clone(&clock)), clock, rng }
    }

    /// Where a name is served.
    pub async fn place(&self, name: &ServerName) -> Result<Place, ConnectError> {
        let host = bare_host(name).to_owned();
        let one = |step, port| Place { step, targets: vec![(host.clone(), port)], host: host.clone() };
        if host.parse::<IpAddr>().is_ok() {
            return Ok(one(Step::Address, name.port().unwrap_or(PORT)));
        }
        if let Some(port) = name.port() {
            return Ok(one(Step::Port, port));
        }
        for service in SERVICES {
            let found = self.services(&format!("{service}.{host}")).await;
            if found.places.is_empty() {
                continue;
            }
            let targets = ordered(found.places, &*self.rng);
            if targets.is_empty() {
                return Err(ConnectError::NoService);
            }
            return Ok(Place { step: Step::Service(service), host, targets });
        }
        Ok(one(Step::Usual, PORT))
    }

    /// Forgets the services of a name.
    pub(super) fn forget(&self, name: &ServerName) {
        for service in SERVICES {
            self.services.forget(&format!("{service}.{}", bare_host(name)));
        }
    }

    /// The places of a service. A question that fails counts as no record: the usual port is a better guess than none.
    async fn services(&self, name: &str) -> Services {
        let now = self.clock.now_ms();
        self.services
            .get(&name.to_owned(), async |_| {
                let found = self.dns.services(name).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "a service could not be looked up");
                    Services { places: Vec::new(), life: SHORTEST }
                });
                let life = found.life.clamp(SHORTEST, LONGEST);
                (found, now.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)))
            })
            .await
    }

    /// The addresses of a place.
    pub async fn addresses(&self, place: &Place) -> Result<Vec<std::net::SocketAddr>, DnsError> {
        let (mut addresses, mut failed) = (Vec::new(), None);
        for (host, port) in &place.targets {
            match host.parse::<IpAddr>() {
                Ok(address) => addresses.push((address, *port).into()),
                Err(_) => match self.dns.addresses(host, *port).await {
                    Ok(found) => addresses.extend(found.into_iter().take(PLACES)),
                    Err(error) => failed = Some(error),
                },
            }
        }
        match failed {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }
}

/// The host of a name, an address of IPv6 without its brackets.
pub(super) fn bare_host(name: &ServerName) -> &str {
    let host = name.host();
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The order in which places are tried (RFC 2782): by priority, and by lot among those of one priority.
fn ordered(mut places: Vec<Service>, rng: &dyn Rng) -> Vec<(String, u16)> {
    // Sorted first, so that it is not the name system's order that decides which are looked at.
    places
        .sort_by(|one, other| (one.priority, &one.target, one.port).cmp(&(other.priority, &other.target, other.port)));
    let mut groups: BTreeMap<u16, Vec<Service>> = BTreeMap::new();
    for place in places.into_iter().filter(|place| !place.target.is_empty()).take(PLACES) {
        groups.entry(place.priority).or_default().push(place);
    }
    let mut targets = Vec::new();
    for (_, mut group) in groups {
        while !group.is_empty() {
            // A weight of nothing still has a small chance.
            let weights: Vec<u64> = group.iter().map(|place| u64::from(place.weight) * 100 + 1).collect();
            let mut lot = u64::from_le_bytes(rng::bytes(rng)) % weights.iter().sum::<u64>();
            let drawn = weights.iter().position(|weight| {
                let is_drawn = lot < *weight;
                lot = lot.saturating_sub(*weight);
                is_drawn
            });
            let place = group.swap_remove(drawn.unwrap_or(0));
            targets.push((place.target, place.port));
        }
    }
    targets
}

/// Finds other servers: the host of an address is a Matrix server name after delegation.
#[derive(Clone)]
pub(crate) struct PeerHosts(pub(crate) Arc<Locator>);

impl Locate for PeerHosts {
    async fn locate(&self, uri: &Uri) -> Result<Located, ConnectError> {
        let name = uri.authority().and_then(|authority| <&ServerName>::try_from(authority.as_str()).ok());
        let place = self.0.place(name.ok_or(ConnectError::NoHost)?).await?;
        let addresses = self.0.addresses(&place).await.map_err(unknown)?;
        Ok(Located { name: tls_name(&place.host)?, addresses })
    }

    async fn name(&self, uri: &Uri) -> Result<Named, ConnectError> {
        let name = uri.authority().and_then(|authority| <&ServerName>::try_from(authority.as_str()).ok());
        let place = self.0.place(name.ok_or(ConnectError::NoHost)?).await?;
        Ok(Named { name: tls_name(&place.host)?, hosts: place.targets })
    }
}

/// Finds ordinary hosts by the same name system.
#[derive(Clone)]
pub(crate) struct DnsHosts(pub(crate) Arc<dyn Dns>);

impl Locate for DnsHosts {
    async fn locate(&self, uri: &Uri) -> Result<Located, ConnectError> {
        let (host, port) = host_and_port(uri)?;
        let name = tls_name(host)?;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => self.0.addresses(host, port).await.map_err(unknown)?,
        };
        Ok(Located { name, addresses })
    }
}

fn unknown(error: DnsError) -> ConnectError {
    ConnectError::Unknown(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_core::rng::OsRng;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, port: 1, target: target.to_owned() }
    }

    #[test]
    fn priority_comes_first_and_weight_decides_by_lot() {
        let mut first = BTreeMap::<String, u32>::new();
        for _ in 0..1_000 {
            let places = vec![service(5, 0, "last"), service(1, 10, "light"), service(1, 90, "heavy")];
            let found = ordered(places, &OsRng);
            assert_eq!(found[2].0, "last");
            *first.entry(found[0].0.clone()).or_default() += 1;
        }
        assert!(first["heavy"] > 800 && first["light"] > 30, "{first:?}");
        assert!(ordered(vec![service(0, 0, "")], &OsRng).is_empty(), "a lone dot means that there is no service");
        let many = (0..100).map(|number| service(number, 0, "host")).collect();
        assert_eq!(ordered(many, &OsRng).len(), PLACES);
    }
}
