//! A proxy by which others are reached, as each section names its own.

use super::{Problem, Problems};

/// How a proxy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// By HTTP's CONNECT.
    Http,
    /// By SOCKS 5.
    Socks5,
}

/// Where a proxy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPlace {
    /// How it is asked.
    pub kind: ProxyKind,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What a section says of a proxy.
#[derive(Clone, Copy, Debug)]
pub struct ProxyKeys<'a> {
    /// The section.
    pub section: &'static str,
    /// `proxy`. Empty: there is none.
    pub address: &'a str,
    /// `proxy_username`. Empty: it wants none.
    pub username: &'a str,
    /// `proxy_password_file`.
    pub password_file: &'a str,
}

/// Bytes of a name or a password (RFC 1929).
pub const PROXY_SECRET_BYTES: usize = 255;

impl ProxyKeys<'_> {
    /// Whether there is a proxy.
    pub fn is_set(&self) -> bool {
        !self.address.is_empty()
    }

    /// A key of the section.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.section)
    }

    /// Where it is. An error says what to write.
    pub fn place(&self) -> Result<ProxyPlace, String> {
        let expected = || {
            format!(
                "`{}` is no proxy: write \"http://proxy.example.org:3128\" for one that knows CONNECT, or \"socks5://127.0.0.1:1080\"",
                without_credentials(self.address)
            )
        };
        let (scheme, rest) = self.address.split_once("://").ok_or_else(expected)?;
        let kind = match scheme {
            "http" => ProxyKind::Http,
            "socks5" => ProxyKind::Socks5,
            "https" => {
                let what = "a proxy is spoken to without TLS, since what goes through it is encrypted from end to end: write \"http://…\" and the port \
                            at which it takes that";
                return Err(what.to_owned());
            }
            "socks5h" => {
                return Err("write \"socks5://…\": who looks names up does not stand in the address".to_owned());
            }
            "socks" | "socks4" | "socks4a" => {
                return Err("of SOCKS only version 5 is spoken: \"socks5://…\"".to_owned());
            }
            _ => return Err(expected()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            let what = "a name and a password do not belong into the address, which is shown: use `proxy_username` and `proxy_password_file`";
            return Err(what.to_owned());
        }
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| format!("{}; the port is missing", expected()))?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(expected)?;
        let (host, fits) = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => (address, address.parse::<std::net::Ipv6Addr>().is_ok()),
            None => (host, is_name(host)),
        };
        if fits { Ok(ProxyPlace { kind, host: host.to_owned(), port }) } else { Err(expected()) }
    }

    /// What does not fit together.
    pub(super) fn check(&self, problems: &mut Problems) {
        let mut wrong = |key: &str, what: String| problems.push(Problem::about(&self.key(key), what));
        let both_or_neither = "a proxy wants `proxy_username` and `proxy_password_file`, or neither";
        if !self.is_set() {
            for (key, value) in [("proxy_username", self.username), ("proxy_password_file", self.password_file)] {
                if !value.is_empty() {
                    wrong(key, format!("no proxy is named: set {}", self.key("proxy")));
                }
            }
            return;
        }
        let place = self.place();
        if let Err(what) = &place {
            wrong("proxy", what.clone());
        }
        match (self.username.is_empty(), self.password_file.is_empty()) {
            (true, false) => wrong("proxy_username", both_or_neither.to_owned()),
            (false, true) => wrong("proxy_password_file", both_or_neither.to_owned()),
            _ => {}
        }
        if self.username.len() > PROXY_SECRET_BYTES || self.username.chars().any(char::is_control) {
            wrong("proxy_username", format!("use at most {PROXY_SECRET_BYTES} bytes, and no control characters"));
        }
        if place.is_ok_and(|place| place.kind == ProxyKind::Http) && self.username.contains(':') {
            wrong("proxy_username", "an HTTP proxy takes no name with a colon".to_owned());
        }
    }
}

fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !host.is_empty() && host.len() <= 253 && host.bytes().all(fits)
}

/// An address as it may be shown, though somebody wrote a password into it.
fn without_credentials(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(address: &str) -> ProxyKeys<'_> {
        ProxyKeys { section: "federation", address, username: "", password_file: "" }
    }

    fn wrong(keys: ProxyKeys<'_>) -> Vec<String> {
        let mut problems = Problems::default();
        keys.check(&mut problems);
        problems.all().iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect()
    }

    #[test]
    fn a_proxy_is_a_kind_a_host_and_a_port() {
        let place = |kind, host: &str, port| Ok(ProxyPlace { kind, host: host.to_owned(), port });
        assert_eq!(keys("http://proxy.example.org:3128").place(), place(ProxyKind::Http, "proxy.example.org", 3128));
        assert_eq!(keys("http://10.0.0.1:80/").place(), place(ProxyKind::Http, "10.0.0.1", 80));
        assert_eq!(keys("socks5://[::1]:1080").place(), place(ProxyKind::Socks5, "::1", 1080));
        for (address, said) in [
            ("proxy.example.org:3128", "is no proxy"),
            ("http://proxy.example.org", "port is missing"),
            ("http://proxy.example.org:0", "is no proxy"),
            ("http://proxy.example.org:70000", "is no proxy"),
            ("http://:3128", "is no proxy"),
            ("http://a b:3128", "is no proxy"),
            ("http://proxy.example.org:3128/path", "is no proxy"),
            ("http://[::1:3128", "is no proxy"),
            ("https://proxy.example.org:443", "without TLS"),
            ("socks5h://localhost:1080", "who looks names up"),
            ("socks4://localhost:1080", "only version 5"),
            ("ftp://localhost:1080", "is no proxy"),
            ("http://me:hidden@proxy.example.org:3128", "proxy_password_file"),
            ("me:hidden@proxy.example.org:3128", "is no proxy"),
        ] {
            let told = wrong(keys(address));
            assert!(told.len() == 1 && told[0].starts_with("federation.proxy: "), "{address}: {told:?}");
            assert!(told[0].contains(said) && !told[0].contains("hidden"), "{address}: {told:?}");
        }
    }

    #[test]
    fn a_name_goes_with_a_password_and_both_with_a_proxy() {
        let all = ProxyKeys { username: "me", password_file: "/run/secret", ..keys("http://localhost:3128") };
        assert_eq!(wrong(all), Vec::<String>::new());
        assert_eq!(wrong(keys("")), Vec::<String>::new());
        assert!(wrong(ProxyKeys { password_file: "", ..all })[0].starts_with("federation.proxy_password_file: "));
        assert!(wrong(ProxyKeys { username: "", ..all })[0].starts_with("federation.proxy_username: "));
        assert_eq!(wrong(ProxyKeys { address: "", ..all }).len(), 2);
        assert!(wrong(ProxyKeys { username: "a:b", ..all })[0].contains("colon"));
        assert_eq!(wrong(ProxyKeys { username: "a:b", address: "socks5://localhost:1080", ..all }).len(), 0);
        let long = "x".repeat(256);
        assert_eq!(wrong(ProxyKeys { username: &long, ..all }).len(), 1);
    }
}
