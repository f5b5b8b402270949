//! Whether somebody interferes with the way to this deployment.

use super::{Duration, section::section};

fn resolvers() -> Vec<String> {
    ["udp://9.9.9.9", "tcp://9.9.9.9", "tls://dns.quad9.net@9.9.9.9", "https://dns.quad9.net@9.9.9.9/dns-query"]
        .map(str::to_owned)
        .to_vec()
}

section! {
    /// Measuring whether somebody interferes with the way to this deployment (`domicile probe`).
    Probe = "probe" {
        /// How often the server looks at the deployment's addresses by itself, such as "30m". "0s": never. It asks the name servers and controls
        /// below, who learn that somebody asks.
        interval: Duration = Duration(0);
        /// Addresses to look at beside those of clients and other servers, such as `https://cell2.example.org/_matrix/client/versions`.
        targets: Vec<String> = Vec::new();
        /// Name servers that are trusted: `udp://9.9.9.9`, `tcp://9.9.9.9`, `tls://dns.quad9.net@9.9.9.9`,
        /// `https://dns.quad9.net@9.9.9.9/dns-query`.
        resolvers: Vec<String> = resolvers();
        /// Addresses that nobody has a reason to block, to tell a block from a network that is down.
        controls: Vec<String> = vec!["https://example.com/".to_owned(), "https://www.iana.org/".to_owned()];
        /// Something of at least 64 KiB that nobody has a reason to slow down, to compare speeds with. Empty: speeds are not measured.
        control_download: String = String::new();
        /// A name that nobody minds, said in place of the target's.
        neutral_name: String = "example.com".to_owned();
        /// Other places whose sight is believed, as the addresses of servers of this deployment or files: without one, a blocked address and a dead
        /// server cannot be told apart.
        outside: Vec<String> = Vec::new();
        /// The country from which this server measures, as two letters. Empty: it is not told.
        country: String = String::new();
        /// Whether reports of vantages that you invited (`domicile probe invite`) are taken.
        reports: bool = false;
        /// How long results are kept.
        keep: Duration = Duration(90 * 24 * 3_600_000);
    }
}
