//! Where the server listens, and for what.

use super::{Mode, Setting, section::section};

super::value::choice! {
    /// A part of what the server offers.
    Api {
        /// The Client-Server API.
        Client = "client",
        /// Media, for clients.
        Media = "media",
        /// The Server-Server API, for other Matrix servers.
        Federation = "federation",
        /// `/health`
        Health = "health",
        /// `/metrics` for Prometheus
        Metrics = "metrics",
        /// The operator's API, on a unix socket only: it asks for no password.
        Admin = "admin",
        /// The operator's console, pages for a browser behind a password of its own.
        Console = "console",
        /// The deployment's other cells, with the cell's own key instead of a certificate; nothing else is served beside it.
        Inner = "inner",
    }
}

impl Setting for Vec<Api> {
    fn read(value: &toml_edit::Value) -> Result<Self, String> {
        <Vec<String> as Setting>::read(value)?.iter().map(|word| Api::read_text(word)).collect()
    }

    fn read_text(text: &str) -> Result<Self, String> {
        <Vec<String> as Setting>::read_text(text)?.iter().map(|word| Api::read_text(word)).collect()
    }

    fn show(&self) -> String {
        let words: Vec<String> = self.iter().map(Setting::show).collect();
        format!("[{}]", words.join(", "))
    }
}

section! {
    /// Where the server listens.
    Listener = "listeners" {
        /// An address and port, or `unix:` and a path.
        bind: String = "127.0.0.1:8008".to_owned();
        /// Who may open a unix socket, as file permissions: `0600` is this account only, `0660` also its group, such as a reverse proxy's.
        mode: Mode = Mode(0o600);
        /// What is served here: client, media, federation, health, metrics, admin, console, inner.
        serve: Vec<Api> = vec![Api::Client, Api::Media, Api::Federation, Api::Health];
        /// The certificate chain (PEM) for TLS. It is read again when it changes.
        certificate: String = String::new();
        /// The certificate's key (PEM).
        key: String = String::new();
        /// Addresses or networks of proxies whose X-Forwarded-For is believed, such as `127.0.0.1` or `10.0.0.0/8`.
        trusted_proxies: Vec<String> = Vec::new();
    }
}

impl Listener {
    /// Whether what is typed into a page that is served here could be read on its way: it is served to other machines, without TLS of its own and
    /// without a proxy that is trusted and may have it.
    pub(super) fn is_readable_on_the_way(&self) -> bool {
        let (host, _) = self.bind.rsplit_once(':').unwrap_or((&self.bind, ""));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stays = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !self.bind.starts_with("unix:") && !stays && self.certificate.is_empty() && self.trusted_proxies.is_empty()
    }

    /// The listeners of a configuration that names none.
    pub fn defaults() -> Vec<Self> {
        vec![Self::default(), Self::metrics()]
    }

    /// The listener for metrics of a configuration that names none.
    pub fn metrics() -> Self {
        Self { bind: "127.0.0.1:9008".to_owned(), serve: vec![Api::Metrics], ..Self::default() }
    }
}
