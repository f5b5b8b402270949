//! Rooms together with other people's servers.

use super::{Duration, ProxyKeys, section::section};

section! {
    /// Rooms together with other people's servers.
    Federation = "federation" {
        /// Whether this server talks to others at all.
        enabled: bool = true;
        /// Servers that it talks to, as globs such as "*.example.org"; none means all. A port plays no part.
        allow_servers: Vec<String> = Vec::new();
        /// Servers that it does not talk to, as globs. They win over `allow_servers`.
        deny_servers: Vec<String> = Vec::new();
        /// Servers that are believed when they tell another server's keys, for servers that are gone.
        notaries: Vec<String> = Vec::new();
        /// How long others may use our list of keys before they ask again. After `domicile federation rotate-key` they may believe the old key
        /// for so long. Others use it for seven days at most.
        key_validity: Duration = Duration(24 * 3_600_000);
        /// Where others find this server, told at `/.well-known/matrix/server`: a host and, unless it is 8448, a port, such as
        /// "matrix.example.org:443". Empty: nothing is told there.
        well_known: String = String::new();
        /// Requests of one server that are in work at once; what comes beyond is refused for the moment.
        requests_at_once: u32 = 50;
        /// Whether other servers are told who is online, if users here see it of each other.
        presence: bool = true;
        /// Whether other servers are told what people call their devices.
        device_names: bool = false;
        /// Whether the metrics count what each server is told by its name. Whoever reads the metrics learns whom people here talk to.
        metrics_by_destination: bool = false;
        /// A proxy by which other servers are reached: `http://proxy.example.org:3128` for one that knows CONNECT, or `socks5://127.0.0.1:1080`. Empty:
        /// they are reached directly. Where there is one, nothing goes past it.
        proxy: String = String::new();
        /// The name that it wants. Empty: none.
        proxy_username: String = String::new();
        /// The file with the password that it wants, which only this server's account may read.
        proxy_password_file: String = String::new();
        /// Whether the proxy looks up the names of servers, where that cannot or must not be done from here. Without it the server looks them up and
        /// judges each address, and the proxy gets addresses. With it, the proxy must refuse what lies in its own network, and servers that only an
        /// SRV record leads to are not found.
        proxy_resolves: bool = false;
    }
}

impl Federation {
    /// What it says of a proxy.
    pub fn proxy(&self) -> ProxyKeys<'_> {
        ProxyKeys {
            section: "federation",
            address: &self.proxy,
            username: &self.proxy_username,
            password_file: &self.proxy_password_file,
        }
    }
}
