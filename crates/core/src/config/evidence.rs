//! What the operator declares to auditors.

use super::{Problem, section::section};

section! {
    /// What reports say on the operator's word: no program can see in which country a disk stands, or by which right something is sent.
    Evidence = "evidence" {
        /// Everybody else who gets data, each as `kind; endpoint; country; classes`, such as `turn; turn.example.org; DE; activity`. Kinds are
        /// push, mail, turn, notary, identity, database, bucket, standby, log, bridge, proxy, webhook. `domicile config check` refuses one that is used and not listed.
        processors: Vec<String> = Vec::new();
        /// The legal basis for what is sent to other people's servers, as reports and the ledger print it.
        outer_basis: String = String::new();
    }
}

/// The kinds of processors.
const KINDS: [&str; 12] = [
    "push", "mail", "turn", "notary", "identity", "database", "bucket", "standby", "log", "bridge", "proxy", "webhook",
];

/// A processor that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor<'a> {
    /// What it does.
    pub kind: &'a str,
    /// Its host.
    pub endpoint: &'a str,
    /// Where it stands.
    pub country: &'a str,
    /// The classes of data that it gets.
    pub classes: &'a str,
}

impl<'a> Processor<'a> {
    /// One as it stands in the list.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(';').map(str::trim).collect();
        let [kind, endpoint, country, classes] = parts.as_slice() else {
            return Err(format!("`{text}` is no processor: write `kind; endpoint; country; classes`"));
        };
        if !KINDS.contains(kind) {
            return Err(format!("`{text}`: the kinds of processors are {}", KINDS.join(", ")));
        }
        if endpoint.is_empty() || country.is_empty() || classes.is_empty() {
            return Err(format!("`{text}`: none of the four parts may be empty"));
        }
        Ok(Self { kind, endpoint, country, classes })
    }
}

impl super::Config {
    /// What is wrong with the list of processors: entries that are none, and processors that are used and not listed.
    pub fn unlisted_processors(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut listed = Vec::new();
        for text in &self.evidence.processors {
            match Processor::parse(text) {
                Ok(processor) => listed.push(processor),
                Err(what) => problems.push(Problem::about("evidence.processors", what)),
            }
        }
        for (kind, endpoint, key) in self.used_processors() {
            let is_listed =
                listed.iter().any(|known| known.kind == kind && known.endpoint.eq_ignore_ascii_case(&endpoint));
            if !is_listed {
                let what = format!(
                    "{endpoint} gets data and is not listed: add \"{kind}; {endpoint}; COUNTRY; CLASSES\" to evidence.processors"
                );
                problems.push(Problem::about(key, what));
            }
        }
        problems
    }

    /// Everybody beside this machine who gets data by the configuration: kind, host, and the key that says so.
    fn used_processors(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut used = Vec::new();
        let turn = self.turn.uris.iter().filter_map(|uri| uri.split_once(':'));
        used.extend(turn.map(|(_, rest)| ("turn", host(rest), "turn.uris")));
        used.extend(self.federation.notaries.iter().map(|name| ("notary", host(name), "federation.notaries")));
        if !self.mail.server.is_empty() && !is_this_machine(&self.mail.server) {
            used.push(("mail", host(&self.mail.server), "mail.server"));
        }
        if let Some(webhook) = address_host(&self.standing.alert_url).filter(|host| !is_this_machine(host)) {
            used.push(("webhook", webhook, "standing.alert_url"));
        }
        if let Some(database) = database_host(&self.database.url).filter(|host| !is_this_machine(host)) {
            used.push(("database", database, "database.url"));
        }
        for proxy in self.proxies() {
            if let Some(place) = proxy.place().ok().filter(|place| !is_this_machine(&place.host)) {
                let key = if proxy.section == "federation" { "federation.proxy" } else { "deployment.proxy" };
                used.push(("proxy", place.host.to_ascii_lowercase(), key));
            }
        }
        used.sort();
        used.dedup();
        used
    }
}

/// The host of `host:port?parameters`.
fn host(text: &str) -> String {
    let text = text.split(['?', '/']).next().unwrap_or_default();
    let without_port = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => text.split(':').next().unwrap_or_default(),
    };
    without_port.to_ascii_lowercase()
}

/// The host of a database's address, whichever of the two ways it is written in; none for a file.
fn database_host(url: &str) -> Option<String> {
    let pairs = || url.split_whitespace().find_map(|pair| pair.strip_prefix("host=")).map(str::to_owned);
    address_host(url).or_else(pairs)
}

/// The host of `scheme://user@host:port/path`.
fn address_host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    Some(host(authority.rsplit_once('@').map_or(authority, |(_, host)| host)))
}

fn is_this_machine(host: &str) -> bool {
    // A path is the folder of a unix socket.
    host.is_empty()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn who_is_used_must_be_listed() {
        let mut config = Config::default();
        assert!(config.unlisted_processors().is_empty());
        config.turn.uris = vec!["turns:turn.example.org:5349?transport=tcp".to_owned()];
        config.federation.notaries = vec!["notary.example".to_owned()];
        config.database.url = "postgres://user:secret@db.example/domicile".to_owned();
        let told: Vec<String> = config.unlisted_processors().iter().map(|problem| problem.what.clone()).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|told| !told.contains("secret")), "{told:?}");
        config.evidence.processors = vec![
            "turn; turn.example.org; DE; activity".to_owned(),
            "notary; notary.example; NL; operational".to_owned(),
            "database; db.example; DE; all".to_owned(),
        ];
        assert!(config.unlisted_processors().is_empty());
        config.federation.proxy = "socks5://127.0.0.1:9050".to_owned();
        assert!(config.unlisted_processors().is_empty(), "it is this machine");
        config.deployment.proxy = "http://Proxy.example:3128".to_owned();
        assert_eq!(config.unlisted_processors().len(), 1);
        config.evidence.processors.push("proxy; proxy.example; DE; operational".to_owned());
        assert!(config.unlisted_processors().is_empty());
        config.standing.alert_url = "https://Hooks.example:8443/secret".to_owned();
        let told: Vec<String> = config.unlisted_processors().iter().map(|problem| problem.what.clone()).collect();
        assert!(told.len() == 1 && told[0].contains("webhook; hooks.example;"), "{told:?}");
        assert!(!told[0].contains("secret"), "{told:?}");
        config.evidence.processors.push("webhook; hooks.example; DE; operational".to_owned());
        assert!(config.unlisted_processors().is_empty());
        config.database.url = "host=/run/postgresql dbname=domicile".to_owned();
        config.evidence.processors.push("turn; turn.example.org".to_owned());
        config.evidence.processors.push("oracle; x; DE; all".to_owned());
        assert_eq!(config.unlisted_processors().len(), 2);
    }
}
