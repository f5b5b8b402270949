//! The operator's choices, as services understand them.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, bail};
use domicile_app::{
    accounts::{
        rate_limits::{Rate as Bucket, RateLimitSettings},
        registration::{Policy, RegistrationMode, RegistrationSettings},
    },
    calls::{TurnProof, TurnSettings},
    discovery::{Contact, Discovery},
    evidence::Declared,
    federation::{Policy as FederationPolicy, outbound::OutboundSettings},
    residency::{InnerWays, OwnCellSettings},
    rooms::{CreationSettings, EncryptByDefault},
};
use domicile_core::config::{self, Api, Config, Rate};
use domicile_egress::{ClientSettings, Guard};
use ruma::{OwnedServerName, OwnedUserId, RoomVersionId};

use super::{BlocklistSettings, FederationSettings, probe, proxy, standing::Choices};

/// The operator's choices, as services understand them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The deployment's name.
    pub server_name: OwnedServerName,
    /// Registration.
    pub registration: RegistrationSettings,
    /// Rate limits.
    pub rate_limits: RateLimitSettings,
    /// Life of an access token that can be refreshed, in milliseconds.
    pub access_token_life_ms: i64,
    /// The cost of passwords.
    pub passwords: config::Passwords,
    /// What rooms begin as.
    pub creation: CreationSettings,
    /// What is kept in memory.
    pub memory: config::Memory,
    /// Uploads.
    pub media: config::Media,
    /// Those who may lock and suspend others.
    pub administrators: BTreeSet<OwnedUserId>,
    /// Whether there are login tokens.
    pub login_tokens: bool,
    /// What anybody is told about the server.
    pub discovery: Discovery,
    /// Servers that carry calls.
    pub turn: Option<TurnSettings>,
    /// Whether users see who is online.
    pub presence: bool,
    /// What other servers are told.
    pub outbound: OutboundSettings,
    /// Other servers.
    pub federation: FederationSettings,
    /// The deployment, if it has more than this cell.
    pub deployment: Option<OwnCellSettings>,
    /// Whether devices of other cells' people that these have not signed are withheld.
    pub withholds_unsigned: bool,
    /// What people are told before the first copy of a room goes to another region.
    pub new_regions: config::NewRegions,
    /// By what other cells are reached.
    pub inner_ways: InnerWays,
    /// Connections to others.
    pub egress: ClientSettings,
    /// Registers of what is blocked.
    pub blocklists: BlocklistSettings,
    /// Whether somebody interferes with the ways to this deployment.
    pub probe: probe::Choices,
    /// What the operator says about the places of data.
    pub declared: Declared,
    /// Standing with authorities.
    pub standing: Choices,
}

impl Settings {
    /// The choices of a configuration.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            server_name: OwnedServerName::try_from(config.server.name.as_str())
                .with_context(|| format!("server.name = \"{}\"", config.server.name))?,
            registration: registration(&config.registration),
            rate_limits: rate_limits(&config.rate_limits),
            access_token_life_ms: config.registration.access_token_life.0,
            passwords: config.passwords.clone(),
            creation: creation(&config.rooms)?,
            memory: config.memory.clone(),
            media: config.media.clone(),
            administrators: administrators(config)?,
            login_tokens: config.accounts.login_tokens,
            discovery: discovery(config)?,
            turn: turn(&config.turn)?,
            presence: config.sync.presence,
            outbound: OutboundSettings {
                presence: config.sync.presence && config.federation.presence,
                device_names: config.federation.device_names,
                metrics_by_destination: config.federation.metrics_by_destination,
            },
            federation: federation(config)?,
            deployment: super::deployment::settings(&config.deployment)?,
            withholds_unsigned: config.deployment.unsigned_devices == config::UnsignedDevices::Withhold,
            new_regions: config.deployment.new_regions,
            inner_ways: proxy::inner(&config.deployment)?,
            blocklists: BlocklistSettings::new(config)?,
            egress: Self::egress(&config.egress)?,
            probe: probe::Choices::new(config)?,
            declared: super::evidence::declared(config),
            standing: super::standing::choices(config)?,
        })
    }

    /// Whom connections may go to.
    pub fn egress(config: &config::Egress) -> anyhow::Result<ClientSettings> {
        let ranges = config.allow_addresses.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
        let guard = Guard::new(ranges.context("egress.allow_addresses")?);
        Ok(ClientSettings { guard, ca_files: config.ca_files.iter().map(PathBuf::from).collect() })
    }
}

fn bucket(rate: Rate) -> Option<Bucket> {
    match rate {
        Rate::Off => None,
        Rate::Limited { per_second, burst } => Some(Bucket { per_second, burst }),
    }
}

fn rate_limits(config: &config::RateLimits) -> RateLimitSettings {
    RateLimitSettings {
        login_address: bucket(config.login_address),
        login_account: bucket(config.login_account),
        registration: bucket(config.registration),
        messages: bucket(config.messages),
        invites: bucket(config.invites),
        joins: bucket(config.joins),
        uploads: bucket(config.uploads),
        searches: bucket(config.searches),
        reports: bucket(config.reports),
        server_keys: bucket(config.server_keys),
        strangers: bucket(config.strangers),
        tokens_elsewhere: bucket(config.tokens_elsewhere),
    }
}

fn registration(config: &config::Registration) -> RegistrationSettings {
    let mode = match config.mode {
        config::RegistrationMode::Closed => RegistrationMode::Closed,
        config::RegistrationMode::Token => RegistrationMode::Token,
        config::RegistrationMode::Open => RegistrationMode::Open,
    };
    let english = ("en".to_owned(), (config.terms_name.clone(), config.terms_url.clone()));
    let policy = Policy { version: config.terms_version.clone(), translations: [english].into() };
    let terms = if config.terms_url.is_empty() { None } else { Some(("terms_of_service".to_owned(), policy)) };
    RegistrationSettings { mode, terms: terms.into_iter().collect(), chosen_names: config.chosen_names }
}

fn creation(config: &config::Rooms) -> anyhow::Result<CreationSettings> {
    let default_version = RoomVersionId::try_from(config.default_version.as_str())
        .ok()
        .filter(domicile_app::rooms::create::is_offered)
        .with_context(|| format!("rooms.default_version = \"{}\": choose one from 3 to 12", config.default_version))?;
    let encrypt = match config.encryption {
        config::EncryptByDefault::Off => EncryptByDefault::Off,
        config::EncryptByDefault::Private => EncryptByDefault::Private,
        config::EncryptByDefault::All => EncryptByDefault::All,
    };
    Ok(CreationSettings { default_version, encrypt })
}

fn federation(whole: &Config) -> anyhow::Result<FederationSettings> {
    let config = &whole.federation;
    let notaries = config.notaries.iter().map(|name| {
        OwnedServerName::try_from(name.as_str())
            .with_context(|| format!("federation.notaries: \"{name}\" is no server name"))
    });
    Ok(FederationSettings {
        policy: FederationPolicy::new(config.enabled, &config.allow_servers, &config.deny_servers),
        notaries: notaries.collect::<anyhow::Result<_>>()?,
        key_validity_ms: config.key_validity.0,
        at_once: usize::try_from(config.requests_at_once).unwrap_or(usize::MAX),
        proxy: proxy::open(config.proxy(), config.proxy_resolves)?,
        folder: whole.server.data_dir.clone().into(),
    })
}

/// Those who may lock and suspend others.
fn administrators(config: &Config) -> anyhow::Result<BTreeSet<OwnedUserId>> {
    let named = config.accounts.administrators.iter().map(|name| {
        let user_id = OwnedUserId::try_from(name.as_str());
        let user_id = user_id.with_context(|| format!("accounts.administrators: \"{name}\" is no Matrix id"))?;
        if user_id.server_name().as_str() != config.server.name {
            bail!("accounts.administrators: {user_id} has no account on this server");
        }
        Ok(user_id)
    });
    named.collect()
}

/// What anybody is told about the server.
fn discovery(config: &Config) -> anyhow::Result<Discovery> {
    let contacts = config.server.support_contacts.iter().map(|contact| {
        if contact.starts_with('@') {
            let user_id = OwnedUserId::try_from(contact.as_str());
            return Ok(Contact::User(user_id.with_context(|| format!("server.support_contacts: \"{contact}\""))?));
        }
        if !contact.contains('@') {
            bail!("server.support_contacts: \"{contact}\" is neither an e-mail address nor a Matrix id");
        }
        Ok(Contact::Mail(contact.clone()))
    });
    let server = (!config.federation.well_known.is_empty())
        .then(|| OwnedServerName::try_from(config.federation.well_known.as_str()))
        .transpose()
        .with_context(|| format!("federation.well_known: \"{}\" is no server name", config.federation.well_known))?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Discovery {
        homeserver: text(&config.server.public_url).or_else(|| first_address(config)),
        server,
        contacts: contacts.collect::<anyhow::Result<_>>()?,
        support_page: text(&config.server.support_page),
    })
}

/// The address of the first listener for clients, if it is one that a client could use.
fn first_address(config: &Config) -> Option<String> {
    let listener = config.listeners.iter().find(|listener| listener.serve.contains(&Api::Client))?;
    let address: std::net::SocketAddr = listener.bind.parse().ok()?;
    let scheme = if listener.certificate.is_empty() { "http" } else { "https" };
    (!address.ip().is_unspecified() && address.port() != 0).then(|| format!("{scheme}://{address}"))
}

/// The TURN servers, if there are any.
fn turn(config: &config::Turn) -> anyhow::Result<Option<TurnSettings>> {
    if config.uris.is_empty() {
        return Ok(None);
    }
    if let Some(uri) = config.uris.iter().find(|uri| !uri.starts_with("turn:") && !uri.starts_with("turns:")) {
        bail!("turn.uris: \"{uri}\" begins neither with turn: nor with turns:");
    }
    let proof = if !config.secret.is_empty() {
        TurnProof::Secret(config.secret.clone())
    } else if !config.username.is_empty() && !config.password.is_empty() {
        TurnProof::Fixed { username: config.username.clone(), password: config.password.clone() }
    } else {
        bail!("turn.uris names servers: give turn.secret, or turn.username and turn.password");
    };
    Ok(Some(TurnSettings { uris: config.uris.clone(), proof, life_ms: config.credentials_life.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_only_if_somebody_could_use_it() {
        let mut config = Config::default();
        assert_eq!(first_address(&config).as_deref(), Some("http://127.0.0.1:8008"));
        for bind in ["0.0.0.0:8008", "unix:/run/x", "127.0.0.1:0"] {
            bind.clone_into(&mut config.listeners[0].bind);
            assert_eq!(first_address(&config), None, "{bind}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let mut config = Config::default();
        config.server.support_contacts = vec!["nobody".to_owned()];
        assert!(discovery(&config).is_err());
        config.turn.uris = vec!["turn:turn.example.org".to_owned()];
        assert!(turn(&config.turn).is_err(), "without a secret");
        config.turn.secret = "s".to_owned();
        assert!(turn(&config.turn).is_ok());
        config.turn.uris.push("http://turn.example.org".to_owned());
        assert!(turn(&config.turn).is_err());
    }
}
