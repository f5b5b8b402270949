//! The way to a server in words: what works, what does not, and what to do about it. For the operator, about others or about the own name.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domicile_core::clock::{Clock, DAY_MS};
use domicile_egress::{
    ConnectError, FederationClient,
    federation::{Examination, Step as Way},
};
use ruma::ServerName;
use serde_json::{Value, json};

use super::{Bounds, OwnKeys, Policy, server_keys::KeyList};

/// What one answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: 64 * 1024 };

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Good,
    /// It is worth knowing, and nothing is wrong for that.
    Note,
    /// It does not work.
    Bad,
}

impl Outcome {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// One step on the way.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub step: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
    /// What to do.
    pub advice: Option<&'static str>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The steps in their order.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether servers can be reached in this way.
    pub fn works(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome != Outcome::Bad)
    }

    fn add(&mut self, step: &'static str, outcome: Outcome, text: String, advice: Option<&'static str>) {
        self.findings.push(Finding { step, outcome, text, advice });
    }

    fn good(&mut self, step: &'static str, text: String) {
        self.add(step, Outcome::Good, text, None);
    }

    fn bad(&mut self, step: &'static str, text: String, advice: &'static str) {
        self.add(step, Outcome::Bad, text, Some(advice));
    }
}

/// Goes the way to servers.
pub struct Check {
    client: FederationClient,
    own: Arc<OwnKeys>,
    policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
}

impl Check {
    /// Asks with `client`.
    pub fn new(client: FederationClient, own: Arc<OwnKeys>, policy: Arc<Policy>, clock: Arc<dyn Clock>) -> Self {
        Self { client, own, policy, clock }
    }

    /// Goes the way to a server.
    pub async fn check(&self, server_name: &ServerName) -> Report {
        let mut report = Report::default();
        self.name(&mut report, server_name);
        let found = self.client.examine(server_name).await;
        delegation(&mut report, &found);
        place(&mut report, &found);
        connections(&mut report, &found, self.clock.now_ms());
        if report.works() || found.connections.iter().any(|(_, connection)| connection.is_ok()) {
            self.version(&mut report, server_name).await;
            self.keys(&mut report, server_name).await;
        }
        report
    }

    fn name(&self, report: &mut Report, server_name: &ServerName) {
        let is_ours = server_name == self.own.server_name();
        let whose = if is_ours { "this server itself" } else { "another server" };
        report.good("name", format!("{server_name} is {whose}"));
        if !self.policy.is_enabled() {
            let text = "this server talks to no others: `federation.enabled` is false".to_owned();
            report.bad("lists", text, "Set `enabled = true` in [federation], and start the server again.");
        } else if !is_ours && !self.policy.allows(server_name) {
            let text = "`federation.allow_servers` and `deny_servers` leave it out".to_owned();
            report.bad("lists", text, "Change the lists in [federation] if this server is to talk to it.");
        }
    }

    async fn version(&self, report: &mut Report, server_name: &ServerName) {
        const ADVICE: &str = "Whatever answers there is no Matrix server, or a proxy in front of it does not pass /_matrix/federation on.";
        match self.ask(server_name, "/_matrix/federation/v1/version").await {
            Ok(text) => {
                let said: Value = serde_json::from_str(&text).unwrap_or_default();
                let word = |key: &str| said["server"][key].as_str().unwrap_or("(not told)").chars().take(100).collect();
                let (name, version): (String, String) = (word("name"), word("version"));
                report.good("version", format!("{name} {version}"));
            }
            Err(error) => report.bad("version", error, ADVICE),
        }
    }

    async fn keys(&self, report: &mut Report, server_name: &ServerName) {
        const PROXY: &str = "A proxy in front of the server must pass /_matrix/key on, too.";
        const BROKEN: &str = "The server's own list of keys is wrong: its operator has to repair it.";
        const OTHER: &str =
            "What answers at this name is another server, or an older copy of this one. Look where the name leads.";
        let text = match self.ask(server_name, "/_matrix/key/v2/server").await {
            Ok(text) => text,
            Err(error) => return report.bad("keys", error, PROXY),
        };
        let list = match KeyList::read(&text, server_name, self.clock.now_ms()) {
            Ok(list) => list,
            Err(error) => return report.bad("keys", error.to_string(), BROKEN),
        };
        let (in_use, left_ms) = (list.in_use(), list.valid_until_ts.saturating_sub(self.clock.now_ms()));
        if left_ms <= 0 {
            return report.bad(
                "keys",
                "its list of keys is no longer good".to_owned(),
                "Is the clock of either server wrong?",
            );
        }
        if server_name == self.own.server_name() && !in_use.contains(&self.own.outer().key_id()) {
            return report.bad("keys", format!("{} is not this server's key", in_use.join(", ")), OTHER);
        }
        report.good("keys", format!("{}, signed, good for {} more hours", in_use.join(", "), left_ms / 3_600_000));
    }

    async fn ask(&self, server_name: &ServerName, path: &str) -> Result<String, String> {
        let request = http::Request::get(path).body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = self.client.ask(server_name, request, BOUNDS).await.map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("{path} answers with status {}", answer.status().as_u16()));
        }
        String::from_utf8(answer.body().to_vec()).map_err(|_| format!("{path} answers with something that is no text"))
    }
}

fn delegation(report: &mut Report, found: &Examination) {
    const STEP: &str = "well-known";
    match &found.delegation {
        None => {}
        Some(Ok((name, life_ms))) => {
            report.good(STEP, format!("leads to {name}, good for {} minutes", life_ms / 60_000));
        }
        Some(Err(error)) => {
            let text = format!("/.well-known/matrix/server leads nowhere: {error}");
            report.add(STEP, Outcome::Note, text, None);
        }
    }
}

fn place(report: &mut Report, found: &Examination) {
    const STEP: &str = "place";
    let place = match &found.place {
        Ok(place) => place,
        Err(error) => {
            let advice = "Its SRV record says `.`, which means that there is no Matrix server. Remove the record, or let it name one.";
            return report.bad(STEP, error.to_string(), advice);
        }
    };
    let targets: Vec<String> = place.targets.iter().map(|(host, port)| format!("{host} port {port}")).collect();
    let targets = targets.join(", ");
    report.good(
        STEP,
        match place.step {
            Way::Address => format!("{} is an address: {targets}", found.name),
            Way::Port => format!("{} has a port: {targets}", found.name),
            Way::Service(service) => format!("{} has an SRV record of {service}: {targets}", found.name),
            Way::Usual if found.addresses.is_none() => {
                format!("{} names no port, and SRV records are not asked for, so it is {targets}", found.name)
            }
            Way::Usual => format!("{} has no SRV record, so it is {targets}", found.name),
        },
    );
    match &found.addresses {
        None => report.add("addresses", Outcome::Note, "the proxy looks names up".to_owned(), None),
        Some(Ok(addresses)) if addresses.is_empty() => {
            let advice = "Give the name an A or AAAA record, or let /.well-known/matrix/server lead to one that has.";
            report.bad("addresses", "the name has no address".to_owned(), advice);
        }
        Some(Ok(addresses)) => {
            let told: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            report.good("addresses", told.join(", "));
        }
        Some(Err(error)) => {
            let advice = "Can this machine reach its name servers? See /etc/resolv.conf.";
            report.bad("addresses", format!("the name could not be looked up: {error}"), advice);
        }
    }
}

fn connections(report: &mut Report, found: &Examination, now_ms: i64) {
    const STEP: &str = "connection";
    for (address, connection) in &found.connections {
        let secured = match connection {
            Ok(secured) => secured,
            Err(error) => {
                report.bad(STEP, format!("{address}: {}", told(error)), advice(error));
                continue;
            }
        };
        let version = if secured.http2 { "HTTP/2" } else { "HTTP/1.1" };
        let left = secured.certificate_ends_ms.map(|ends| ends.saturating_sub(now_ms) / DAY_MS);
        let life = left.map_or_else(String::new, |days| format!(", its certificate is good for {days} more days"));
        let way = if found.by_proxy { " by the proxy" } else { "" };
        let text = format!("{address}{way}: {version}{life}");
        if left.is_some_and(|days| days < 7) {
            report.add(STEP, Outcome::Note, text, Some("The certificate ends soon: is it renewed by itself?"));
        } else {
            report.good(STEP, text);
        }
    }
}

fn told(error: &ConnectError) -> String {
    // Rustls has a type for each; its words are for programmers.
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        return "its certificate is of nobody whom this machine trusts, or the chain is not complete".to_owned();
    }
    if text.contains("Expired") {
        return "its certificate has ended".to_owned();
    }
    if text.contains("NotValidForName") {
        return format!("its certificate is for another name: {text}");
    }
    text
}

fn advice(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Refused => {
            "If this address is meant, name its range in `allow_addresses` of [egress]. Otherwise the name leads into a private network."
        }
        ConnectError::Nobody(_) | ConnectError::Slow => {
            "Does the server run, does it listen on this port, and do firewalls on the way let it through?"
        }
        ConnectError::Tls(_) => {
            "The certificate must be for the name that is told above, not have ended, and be sent with its intermediate certificates. Of an \
             authority of your own, name the file in `ca_files` of [egress]."
        }
        ConnectError::Proxy(_) => {
            "See `proxy` and what belongs to it in [federation]: `domicile config show` tells what is in force."
        }
        _ => "The name cannot be used.",
    }
}

impl Report {
    /// It as JSON.
    pub fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({ "step": finding.step, "outcome": finding.outcome.name(), "text": finding.text, "advice": finding.advice })
            })
            .collect();
        json!({ "works": self.works(), "steps": steps })
    }
}
