//! A host: a namespace with a loopback of its own and one device, behind which is the hub; and a foothold on it, for what lives there.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use tappers::{Interface, Tun};

use super::hub::Hub;
use super::namespace::Namespace;

/// The device's name in each namespace.
const DEVICE: &str = "link0";
/// What most links carry at once, in bytes.
const MTU: u16 = 1500;

/// A host of a network. `127.0.0.1` is its own there; everything else goes through the hub.
pub struct Host {
    name: String,
    addresses: Vec<IpAddr>,
    number: usize,
    namespace: Arc<Namespace>,
    reader: Option<JoinHandle<()>>,
}

impl Host {
    /// Makes its namespace and plugs it into the hub.
    pub(super) fn make(name: &str, network: u32, addresses: &[IpAddr], hub: &Arc<Hub>) -> Result<Self> {
        let namespace = Arc::new(Namespace::make(network, name)?);
        let device = namespace.inside(device)?.with_context(|| format!("making the device of `{name}`"))?;
        namespace.configure(&configuration(addresses))?;
        let device = Arc::new(device);
        let number = hub.plug(name, addresses, Arc::clone(&device));
        let hub = Arc::clone(hub);
        let reader = std::thread::Builder::new().name(format!("link-{name}"));
        let reader =
            reader.spawn(move || hub.listen(number, &device)).context("starting a thread that reads packets")?;
        Ok(Self { name: name.to_owned(), addresses: addresses.to_vec(), number, namespace, reader: Some(reader) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its first address, by which others reach it.
    pub fn address(&self) -> Result<IpAddr> {
        self.addresses.first().copied().with_context(|| format!("the host `{}` has no address", self.name))
    }

    /// A program that is to run on this host. What is spawned of it has the program's own process id; it is killed at the
    /// latest when the network is dropped.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.namespace.command(program.as_ref())
    }

    /// Does something on a thread that lives on this host, and waits for it. Sockets that it makes stay on the host,
    /// whichever thread uses them then; a runtime that it makes has its own threads there, too.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.inside(act)
    }

    /// What a program that lives on this host holds on to. The host's namespace is gone when the network and all footholds are; without the
    /// network nothing leaves it any more.
    pub fn foothold(&self) -> Foothold {
        Foothold(Arc::clone(&self.namespace))
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
}

/// A place on a host, see [`Host::foothold`].
#[derive(Debug, Clone)]
pub struct Foothold(Arc<Namespace>);

impl Foothold {
    /// A program that is to run there, as by [`Host::command`].
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.0.command(program.as_ref())
    }

    /// Does something there, as by [`Host::inside`].
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        self.0.inside(act)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Reading fails when the device is gone, and so the reader ends.
        if self.namespace.configure(&format!("link delete {DEVICE}\n")).is_ok()
            && let Some(reader) = self.reader.take()
        {
            reader.join().ok();
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("name", &self.name).field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// A device of the namespace that the calling thread is in.
fn device() -> std::io::Result<Tun> {
    Tun::new_named(Interface::new(DEVICE)?)
}

/// What `ip` does with a namespace that has its device. Everything is on the other side of the device: what no host
/// has is lost there, as it is on the Internet.
fn configuration(addresses: &[IpAddr]) -> String {
    // Without an address of its own making, the kernel has nothing to say to IPv6 neighbours, of which there are none.
    let mut lines = format!("link set lo up\nlink set {DEVICE} mtu {MTU} addrgenmode none\n");
    for address in addresses {
        let (length, nodad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
        let _ = writeln!(lines, "address add {address}/{length} dev {DEVICE}{nodad}");
    }
    let _ = writeln!(lines, "link set {DEVICE} up");
    for (family, default) in [(true, "0.0.0.0/0"), (false, "::/0")] {
        if addresses.iter().any(|address| address.is_ipv4() == family) {
            let _ = writeln!(lines, "route add {default} dev {DEVICE}");
        }
    }
    lines
}
