//! Hosts that are joined by links which can be slow, lossy or cut: network namespaces, and between them a link of our own.
//!
//! Not every kernel has netem, so nothing of the kernel's is used but namespaces and TUN: each host has a device whose
//! packets come to a hub in this process, which hands each to its destination's device, late, or not at all.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use domicile_testkit::link::{Network, Quality};
//! # fn main() -> anyhow::Result<()> {
//! let network = Network::of(7, ["a", "b", "c"])?;
//! network.link("a", "b")?.set(Quality::perfect().delay(Duration::from_millis(40)).loss(0.02));
//! network.link("a", "c")?.cut();
//! let listener = network.host("b")?.inside(|| std::net::TcpListener::bind("0.0.0.0:8448"))??;
//! let status = network.host("a")?.command("curl").arg("https://10.77.0.2:8448/").status()?;
//! network.link("a", "c")?.heal();
//! # Ok(()) }
//! ```
//!
//! * Each pair of hosts has a link of its own, and each direction of it a [`Quality`] that may be changed at any moment.
//! * Which packets are lost follows from the seed: of the same seed, host names and way, the same packets by number. How
//!   many packets a TCP connection makes of what it is given depends on time, so a run is not repeated to the byte.
//! * Packets of one way keep their order, as they do in a queue; jitter is what the queue takes longer.
//! * A [`Middlebox`] sees every packet between two hosts and may let it pass, hold it up, swallow it, or add its own.
//! * Hosts have the addresses `10.77.0.N` and `fd77::N`, in the order in which they came; [`Network::add_host_at`] gives
//!   others. Namespaces are apart, so networks at the same time may have the same addresses.
//!
//! It needs root, `/dev/net/tun`, and `ip` (Debian's package `iproute2`); where one of them is missing, an error says which.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail, ensure};

mod host;
mod hub;
mod middlebox;
mod namespace;
mod quality;

pub use host::{Foothold, Host};
pub use middlebox::{Middlebox, Verdict};
pub use quality::{Counts, Quality};

use hub::Hub;

/// Names of devices and namespaces are short.
const LONGEST_NAME: usize = 24;

/// Networks of this process so far.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// Hosts and the links between them. All of it is gone when it is dropped, and so are the programs that run on the hosts.
pub struct Network {
    hub: Arc<Hub>,
    hosts: Vec<Host>,
    number: u32,
    clerk: Option<JoinHandle<()>>,
}

impl Network {
    /// A network without hosts. The seed decides which packets are lost.
    pub fn new(seed: u64) -> Result<Self> {
        namespace::possible()?;
        namespace::sweep()?;
        let hub = Arc::new(Hub::new(seed));
        let clerk = {
            let hub = Arc::clone(&hub);
            let builder = std::thread::Builder::new().name("link-clerk".to_owned());
            builder.spawn(move || hub.deliver()).context("starting the thread that hands packets on")?
        };
        Ok(Self { hub, hosts: Vec::new(), number: NETWORKS.fetch_add(1, Ordering::Relaxed), clerk: Some(clerk) })
    }

    /// A network of these hosts, with perfect links.
    pub fn of<'a>(seed: u64, hosts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut network = Self::new(seed)?;
        for name in hosts {
            network.add_host(name)?;
        }
        Ok(network)
    }

    /// One host more, with the next addresses.
    pub fn add_host(&mut self, name: &str) -> Result<&Host> {
        let number = u8::try_from(self.hosts.len() + 1).context("a network has 254 hosts at most")?;
        let addresses = [IpAddr::from([10, 77, 0, number]), IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, number.into()])];
        self.add_host_at(name, &addresses[..if namespace::has_ipv6() { 2 } else { 1 }])
    }

    /// One host more, with these addresses, whichever they are: nothing of it is seen outside.
    pub fn add_host_at(&mut self, name: &str, addresses: &[IpAddr]) -> Result<&Host> {
        let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        ensure!(
            !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(fits),
            "a host's name is 1 to {LONGEST_NAME} letters a-z, digits and `-`, not `{name}`"
        );
        ensure!(self.hosts.iter().all(|host| host.name() != name), "there is a host `{name}` already");
        if let Some(taken) = addresses.iter().find(|wanted| self.hosts.iter().any(|host| host.has(**wanted))) {
            bail!("another host has the address {taken}");
        }
        let host = Host::make(name, self.number, addresses, &self.hub)?;
        self.hosts.push(host);
        self.host(name)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.iter().find(|host| host.name() == name).with_context(|| format!("there is no host `{name}`"))
    }

    /// All hosts, in the order in which they came.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The link between two hosts.
    pub fn link(&self, one: &str, other: &str) -> Result<Link<'_>> {
        ensure!(one != other, "a link is between two hosts, not `{one}` and itself");
        Ok(Link { hub: &self.hub, ends: [self.host(one)?.number(), self.host(other)?.number()] })
    }

    /// Cuts the link between two hosts; see [`Link::cut`].
    pub fn cut(&self, one: &str, other: &str) -> Result<()> {
        self.link(one, other).map(|link| link.cut())
    }

    /// Joins what was cut.
    pub fn heal(&self, one: &str, other: &str) -> Result<()> {
        self.link(one, other).map(|link| link.heal())
    }

    /// From now on this box sees every packet between hosts; the one before it is taken away.
    pub fn place(&self, middlebox: impl Middlebox + 'static) {
        self.hub.place(Some(Box::new(middlebox)));
    }

    /// Takes the middlebox away.
    pub fn remove_middlebox(&self) {
        self.hub.place(None);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The hosts first: their readers end with their devices.
        self.hosts.clear();
        self.hub.end();
        if let Some(clerk) = self.clerk.take() {
            // It panicked if it is not well, and a test that ends says so itself.
            clerk.join().ok();
        }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// The link between two hosts: a way there and a way back.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    hub: &'a Hub,
    ends: [usize; 2],
}

impl Link<'_> {
    /// Makes both ways like this. A cut remains a cut.
    pub fn set(&self, quality: Quality) {
        self.set_there(quality);
        self.set_back(quality);
    }

    /// Makes the way from the first host to the second like this.
    pub fn set_there(&self, quality: Quality) {
        self.hub.way(self.there(), |way| way.set(quality));
    }

    /// Makes the way from the second host to the first like this.
    pub fn set_back(&self, quality: Quality) {
        self.hub.way(self.back(), |way| way.set(quality));
    }

    /// Nothing passes any more, either way, and what is on its way is lost; nobody is told, as when a cable is cut.
    pub fn cut(&self) {
        self.cut_there(true);
        self.cut_back(true);
    }

    /// Packets pass again, with the quality that the link had.
    pub fn heal(&self) {
        self.cut_there(false);
        self.cut_back(false);
    }

    /// Cuts or heals the way from the first host to the second alone.
    pub fn cut_there(&self, cut: bool) {
        self.hub.way(self.there(), |way| way.cut(cut));
    }

    /// Cuts or heals the way from the second host to the first alone.
    pub fn cut_back(&self, cut: bool) {
        self.hub.way(self.back(), |way| way.cut(cut));
    }

    /// What became of the packets so far: of those there, and of those back.
    pub fn counts(&self) -> [Counts; 2] {
        [self.there(), self.back()].map(|ends| self.hub.way(ends, |way| way.counts()))
    }

    fn there(&self) -> (usize, usize) {
        (self.ends[0], self.ends[1])
    }

    fn back(&self) -> (usize, usize) {
        (self.ends[1], self.ends[0])
    }
}

impl std::fmt::Debug for Link<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("ends", &self.ends).finish_non_exhaustive()
    }
}
