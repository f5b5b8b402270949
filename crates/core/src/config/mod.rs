//! Configuration: one file a section, one definition of each key for its type, its default and its explanation.
//!
//! Values come from the defaults, then from a TOML file, then from the environment (`DOMICILE_SECTION__KEY=value`). Everything that is wrong is
//! told at once, each with its place and with what was meant.

mod accounts;
mod blocklists;
mod database;
mod deployment;
mod egress;
mod evidence;
mod federation;
mod limits;
mod listeners;
mod logging;
mod mail;
mod media;
mod probe;
mod problem;
mod proxy;
mod read;
mod rooms;
mod section;
mod server;
mod standing;
mod sync;
mod turn;
mod value;

use std::fmt::Write;

pub use accounts::{Accounts, Passwords, Registration, RegistrationMode};
pub use blocklists::Blocklist;
pub use database::Database;
pub use deployment::{Deployment, NewRegions, UnsignedDevices};
pub use egress::Egress;
pub use evidence::{Evidence, Processor};
pub use federation::Federation;
pub use limits::RateLimits;
pub use listeners::{Api, Listener};
pub use logging::{LogFormat, Logging};
pub use mail::{Mail, MailSecurity};
pub use media::Media;
pub use probe::Probe;
pub use problem::{Problem, Problems, meant};
pub use proxy::{PROXY_SECRET_BYTES, ProxyKeys, ProxyKind, ProxyPlace};
pub use read::{Origins, Source};
pub use rooms::{EncryptByDefault, Rooms};
pub use section::{KeyDoc, Section};
pub use server::Server;
pub use standing::{Standing, StandingAudience};
pub use sync::{Memory, Sync};
pub use turn::Turn;
pub use value::{ByteSize, Duration, Mode, Rate, Setting};

/// Everything that the operator chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who this is and where its data lies.
    pub server: Server,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// The database.
    pub database: Database,
    /// Who may make an account.
    pub registration: Registration,
    /// What accounts may do.
    pub accounts: Accounts,
    /// The cost of passwords.
    pub passwords: Passwords,
    /// What rooms begin as.
    pub rooms: Rooms,
    /// How often somebody may do something.
    pub rate_limits: RateLimits,
    /// Uploads.
    pub media: Media,
    /// Calls.
    pub turn: Turn,
    /// Syncing.
    pub sync: Sync,
    /// Other servers.
    pub federation: Federation,
    /// The deployment's other cells.
    pub deployment: Deployment,
    /// Connections to others.
    pub egress: Egress,
    /// Interference.
    pub probe: Probe,
    /// What the operator declares.
    pub evidence: Evidence,
    /// The service's standing with authorities.
    pub standing: Standing,
    /// The mail server.
    pub mail: Mail,
    /// What is kept in memory.
    pub memory: Memory,
    /// The log.
    pub logging: Logging,
    /// Registers of what is blocked that are watched.
    pub blocklists: Vec<Blocklist>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            listeners: Listener::defaults(),
            database: Database::default(),
            registration: Registration::default(),
            accounts: Accounts::default(),
            passwords: Passwords::default(),
            rooms: Rooms::default(),
            rate_limits: RateLimits::default(),
            media: Media::default(),
            turn: Turn::default(),
            sync: Sync::default(),
            federation: Federation::default(),
            deployment: Deployment::default(),
            egress: Egress::default(),
            probe: Probe::default(),
            evidence: Evidence::default(),
            standing: Standing::default(),
            mail: Mail::default(),
            memory: Memory::default(),
            logging: Logging::default(),
            blocklists: Vec::new(),
        }
    }
}

impl Config {
    /// All sections but the listeners, in the order in which they are shown.
    fn sections(&self) -> Vec<&dyn Section> {
        vec![
            &self.server,
            &self.database,
            &self.registration,
            &self.accounts,
            &self.passwords,
            &self.rooms,
            &self.rate_limits,
            &self.media,
            &self.turn,
            &self.sync,
            &self.federation,
            &self.deployment,
            &self.egress,
            &self.probe,
            &self.evidence,
            &self.standing,
            &self.mail,
            &self.memory,
            &self.logging,
        ]
    }

    fn section_mut(&mut self, name: &str) -> Option<&mut dyn Section> {
        Some(match name {
            "server" => &mut self.server,
            "database" => &mut self.database,
            "registration" => &mut self.registration,
            "accounts" => &mut self.accounts,
            "passwords" => &mut self.passwords,
            "rooms" => &mut self.rooms,
            "rate_limits" => &mut self.rate_limits,
            "media" => &mut self.media,
            "turn" => &mut self.turn,
            "sync" => &mut self.sync,
            "federation" => &mut self.federation,
            "deployment" => &mut self.deployment,
            "egress" => &mut self.egress,
            "probe" => &mut self.probe,
            "evidence" => &mut self.evidence,
            "standing" => &mut self.standing,
            "mail" => &mut self.mail,
            "memory" => &mut self.memory,
            "logging" => &mut self.logging,
            _ => return None,
        })
    }

    /// The defaults as a file that explains itself. Every key is there, commented out.
    pub fn default_file() -> String {
        let config = Self::default();
        let mut out = String::from(
            "# Domicile's configuration. Every key is shown with its default; take the `#` away to change one.\n\
             # A key can also be set from the environment: DOMICILE_SERVER__NAME=example.org\n",
        );
        for section in config.sections() {
            let _ = write!(out, "\n# {}\n[{}]\n", section.explains(), section.name());
            for key in section.keys() {
                write_key(&mut out, &key);
            }
            if section.name() == "server" {
                out.push_str(
                    "\n# Where the server listens. Without any [[listeners]] it is as if these two stood here.\n",
                );
                for listener in &config.listeners {
                    out.push_str("# [[listeners]]\n");
                    for key in listener.keys() {
                        write_key(&mut out, &key);
                    }
                }
            }
        }
        out.push_str("\n# Registers of what is blocked that are watched, each with a [[blocklists]] of its own. There is none by default.\n");
        out.push_str("## [[blocklists]]\n");
        for key in Blocklist::default().keys() {
            write_example(&mut out, &key);
        }
        out
    }

    /// The configuration as it is: section, key, value as TOML. Secrets are hidden.
    pub fn shown(&self) -> Vec<(String, String, String)> {
        let mut shown = Vec::new();
        for section in self.sections() {
            for key in section.keys() {
                let value = if key.secret && key.value != "\"\"" { "\"(hidden)\"".to_owned() } else { key.value };
                shown.push((section.name().to_owned(), key.name.to_owned(), value));
            }
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            for key in listener.keys() {
                shown.push((format!("listeners.{index}"), key.name.to_owned(), key.value));
            }
        }
        for (index, blocklist) in self.blocklists.iter().enumerate() {
            for key in blocklist.keys() {
                shown.push((format!("blocklists.{index}"), key.name.to_owned(), key.value));
            }
        }
        shown
    }

    /// What the sections say of proxies.
    pub fn proxies(&self) -> [ProxyKeys<'_>; 2] {
        [self.federation.proxy(), self.deployment.proxy()]
    }

    /// What fits in no single key.
    fn check(&self, problems: &mut Problems) {
        if self.registration.mode == RegistrationMode::Open
            && self.registration.open_to_everybody != accounts::OPEN_ACKNOWLEDGEMENT
        {
            problems.push(Problem::about(
                "registration.mode",
                format!(
                    "`open` lets anybody on the internet make accounts here, spammers first. If that is what you want, add to \
                     [registration]: open_to_everybody = \"{}\"",
                    accounts::OPEN_ACKNOWLEDGEMENT
                ),
            ));
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            if listener.serve.contains(&Api::Admin) && !listener.bind.starts_with("unix:") {
                problems.push(Problem::about(
                    &format!("listeners.{index}"),
                    format!(
                        "`admin` asks nobody for a password, so it is not served on {}, where others could reach it: bind it to \
                         unix:/path, or use admin.sock in the data folder, which is always there",
                        listener.bind
                    ),
                ));
            }
            if listener.serve.contains(&Api::Console) && listener.is_readable_on_the_way() {
                problems.push(Problem::about(
                    &format!("listeners.{index}"),
                    format!(
                        "`console` takes passwords, which could be read on their way to {}: give it `certificate` and `key`, bind it to \
                         127.0.0.1 or unix:/path, or name in `trusted_proxies` the proxy that has TLS",
                        listener.bind
                    ),
                ));
            }
            if listener.mode != Listener::default().mode && !listener.bind.starts_with("unix:") {
                problems.push(Problem::about(
                    &format!("listeners.{index}.mode"),
                    format!("permissions are for a unix socket, and {} is none", listener.bind),
                ));
            }
            if listener.certificate.is_empty() != listener.key.is_empty() {
                problems.push(Problem::about(
                    &format!("listeners.{index}"),
                    "TLS needs both `certificate` and `key`, or neither".to_owned(),
                ));
            }
        }
        for (index, blocklist) in self.blocklists.iter().enumerate() {
            if let Some((key, what)) = blocklist.problem() {
                problems.push(Problem::about(&format!("blocklists.{index}.{key}"), what));
            }
            if self.blocklists.iter().take(index).any(|other| other.name == blocklist.name) {
                let what = format!("there is another one called `{}`", blocklist.name);
                problems.push(Problem::about(&format!("blocklists.{index}.name"), what));
            }
        }
        self.mail.check(&self.standing, problems);
        self.deployment.check(&self.listeners, problems);
        for proxy in self.proxies() {
            proxy.check(problems);
        }
        if ruma::ServerName::parse(&self.server.name).is_err() {
            problems.push(Problem::about(
                "server.name",
                format!("`{}` cannot be a server name: use a host name such as example.org", self.server.name),
            ));
        }
    }
}

/// Writes a key of something that is not there by default: with two signs, so that taking one away does not make half of it.
fn write_example(out: &mut String, key: &KeyDoc) {
    for line in key.doc.lines() {
        let _ = writeln!(out, "#{line}");
    }
    let _ = writeln!(out, "## {} = {}", key.name, key.value);
}

/// Writes a key, commented out. Writing to a string cannot fail.
fn write_key(out: &mut String, key: &KeyDoc) {
    for line in key.doc.lines() {
        let _ = writeln!(out, "#{line}");
    }
    let _ = writeln!(out, "# {} = {}", key.name, key.value);
}
