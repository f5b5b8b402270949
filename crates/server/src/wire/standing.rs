//! Standing with authorities.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use domicile_app::{
    blocklists::Blocklists,
    discovery::{Contact, Discovery},
    e2ee::KeyIncidents,
    events::Events,
    federation::OwnKeys,
    probes::Probes,
    residency::{CutParts, Cuts},
    rooms::{Rooms, StateKeys},
    standing::{
        Addresses, Alerts, CutNotices, Demands, Dossiers, Duties, Evidence, Incidents, Jurisdictions, KeyNotices,
        MoveNotices, Notices, Processing, Recipients, RegionNotices, Signs, StandingSettings, StatusPage, Teller,
        addresses::{AddressParts, AddressSettings, document},
        alerts::AlertParts,
        dossiers::DossierParts,
        notices::NoticeParts,
        signs::SignParts,
        status::StatusParts,
    },
};
use domicile_core::{
    clock::Clock,
    config::{self, Config, StandingAudience},
};
use domicile_egress::{Client, MailSecurity, MailSettings, Mailer, Trust, Webhook};
use domicile_http::{admin::StandingServices, state::Services};
use domicile_residency::standing::{
    Catalogue,
    catalogue::File,
    words::{Audience, Service},
};
use domicile_store::{Keystore, Store};

use super::{Surroundings, deployment::OwnLink, remote::Known};

/// Most files of an operator's catalogue, and largest one in bytes.
const FILES: usize = 300;
const FILE_BYTES: u64 = 1024 * 1024;

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct Choices {
    /// What is said about the service.
    settings: StandingSettings,
    /// Where alerts are told.
    webhook: Option<Webhook>,
    mail: Option<MailSettings>,
    /// Where else the service is reached.
    addresses: AddressSettings,
    /// The localpart of the account that writes notices, and what it is called.
    from: (String, String),
    /// What leaves the server.
    recipients: Recipients,
    /// The address that clients use.
    public_url: Option<String>,
    /// How long another cell is not reached before people are told, in milliseconds; none: they never are.
    cut_patience_ms: Option<i64>,
}

impl Choices {
    /// What each law asks, and which countries a union is made of.
    pub(super) fn laws(&self) -> Arc<Catalogue> {
        Arc::clone(&self.settings.catalogue)
    }
}

/// What others need before everything is there.
pub(super) struct Begun {
    pub(super) jurisdictions: Arc<Jurisdictions>,
    pub(super) status: Arc<StatusPage>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) cuts: Arc<Cuts>,
    duties: Arc<Duties>,
    incidents: Arc<Incidents>,
    rooms: Arc<Rooms>,
    /// By what people call rooms.
    named: (Arc<Rooms>, Arc<StateKeys>, Arc<Events>),
    store: Store,
    clock: Arc<dyn Clock>,
    choices: Choices,
    demands: Arc<Demands>,
    admin_contact: Option<String>,
}

pub(super) fn begin(
    choices: Choices,
    (known, cells): (Known<'_>, Option<&OwnLink>),
    discovery: &Discovery,
    own_keys: &Arc<OwnKeys>,
    surroundings: &Surroundings,
) -> Begun {
    let (store, clock) = (|| known.store.clone(), || Arc::clone(&surroundings.clock));
    let duties = Arc::new(Duties::new(store(), clock(), choices.settings.clone()));
    let keystore = Arc::clone(&surroundings.keystore);
    let demands = Arc::new(Demands::new(store(), keystore, clock(), Arc::clone(&duties)));
    let root = known.users.localities().cells().map(|cells| cells.own.root());
    let addresses = Arc::new(Addresses::new(AddressParts {
        store: store(),
        clock: clock(),
        keys: Arc::clone(own_keys),
        root: root.map(document::root_key),
        settings: choices.addresses.clone(),
    }));
    let status = Arc::new(StatusPage::new(StatusParts {
        addresses: Arc::clone(&addresses),
        store: store(),
        clock: clock(),
        duties: Arc::clone(&duties),
        demands: Arc::clone(&demands),
        service: known.users.server_name().to_string(),
        public_url: choices.public_url.clone(),
        contacts: discovery.contacts.clone(),
    }));
    let cuts = Arc::new(Cuts::new(cells.map(|OwnLink { own, link, .. }| CutParts {
        store: store(),
        clock: clock(),
        own: Arc::clone(own),
        link: Arc::clone(link),
        events: Arc::clone(known.events),
        users: Arc::clone(known.users),
        patience_ms: choices.cut_patience_ms,
    })));
    let admin_contact = discovery.support_page.clone().or_else(|| {
        discovery.contacts.iter().find_map(|contact| match contact {
            Contact::Mail(address) => Some(format!("mailto:{address}")),
            Contact::User(_) => None,
        })
    });
    Begun {
        jurisdictions: Arc::new(Jurisdictions::new(store(), clock(), Arc::clone(known.users))),
        incidents: Arc::new(Incidents::new(store(), clock(), Arc::clone(&status))),
        rooms: Arc::clone(known.rooms),
        named: (Arc::clone(known.rooms), Arc::clone(known.keys), Arc::clone(known.events)),
        store: store(),
        clock: clock(),
        status,
        addresses,
        cuts,
        duties,
        demands,
        choices,
        admin_contact,
    }
}

/// What reaches outward and looks there, and what was noticed of others.
pub(super) struct Outward<'w> {
    pub(super) ways: (&'w Client, &'w Trust),
    pub(super) blocklists: &'w Arc<Blocklists>,
    pub(super) probes: &'w Arc<Probes>,
    pub(super) noticed: &'w Arc<KeyIncidents>,
}

impl Begun {
    /// What needs the other services, and all of it together.
    pub(super) fn finish(
        self,
        services: &Services,
        evidence: &Arc<dyn Evidence>,
        keystore: &Arc<Keystore>,
        Outward { ways: (client, trust), blocklists, probes, noticed }: Outward<'_>,
    ) -> anyhow::Result<StandingServices> {
        let Self {
            addresses,
            cuts,
            jurisdictions,
            status,
            duties,
            incidents,
            rooms,
            named,
            store,
            clock,
            choices,
            demands,
            admin_contact,
        } = self;
        let service = services.users.server_name().to_string();
        let dossiers = Arc::new(Dossiers::new(DossierParts {
            store: store.clone(),
            keystore: Arc::clone(keystore),
            clock: Arc::clone(&clock),
            duties: Arc::clone(&duties),
            evidence: Arc::clone(evidence),
            names: (service.clone(), choices.public_url.clone()),
        }));
        let alerts = Arc::new(Alerts::new(AlertParts {
            store: store.clone(),
            clock: Arc::clone(&clock),
            duties: Arc::clone(&duties),
            dossiers: Arc::clone(&dossiers),
            demands: Arc::clone(&demands),
            webhook: choices.webhook.map(|webhook| (webhook, client.clone())),
            mailer: choices.mail.map(|mail| Mailer::new(mail, trust)).transpose().context("[mail]")?,
            service: service.clone(),
        }));
        let notices = Arc::new(Notices::new(NoticeParts {
            addresses: Arc::clone(&addresses),
            store: store.clone(),
            clock: Arc::clone(&clock),
            users: Arc::clone(&services.users),
            accounts: Arc::clone(&services.accounts),
            profiles: Arc::clone(&services.profiles),
            room_maker: Arc::clone(&services.room_maker),
            rooms,
            members: Arc::clone(&services.members),
            sender: Arc::clone(&services.sender),
            account_data: Arc::clone(&services.account_data),
            pushers: Arc::clone(&services.pushers),
            incidents: Arc::clone(&incidents),
            settings: choices.settings,
            from: choices.from,
            admin_contact,
        }));
        let teller = Teller::new(Arc::clone(&notices), Arc::clone(&services.users), Arc::clone(&jurisdictions));
        let cut_notices = CutNotices::new(store.clone(), Arc::clone(&clock), teller.clone());
        let key_notices = KeyNotices::new(Arc::clone(noticed), teller.clone());
        let region_notices = RegionNotices::new(store.clone(), teller.clone(), named);
        let move_notices = MoveNotices::new(Arc::clone(&services.moves), teller, choices.public_url);
        let signs = Arc::new(Signs::new(SignParts {
            store,
            clock: Arc::clone(&clock),
            blocklists: Arc::clone(blocklists),
            probes: Arc::clone(probes),
            incidents: Arc::clone(&incidents),
            alerts: Arc::clone(&alerts),
            notices: Arc::clone(&notices),
            addresses: Arc::clone(&addresses),
        }));
        let processing = Arc::new(Processing::new(
            clock,
            Arc::clone(&duties),
            Arc::clone(&status),
            Arc::clone(evidence),
            service,
            choices.recipients,
        ));
        Ok(StandingServices {
            addresses,
            duties,
            jurisdictions,
            dossiers,
            demands,
            incidents,
            notices,
            move_notices: Arc::new(move_notices),
            key_notices: Arc::new(key_notices),
            region_notices: Arc::new(region_notices),
            cuts,
            cut_notices: Arc::new(cut_notices),
            signs,
            alerts,
            status,
            processing,
        })
    }
}

/// The operator's choices.
pub(super) fn choices(config: &Config) -> anyhow::Result<Choices> {
    let standing = &config.standing;
    let webhook = if standing.alert_url.is_empty() {
        None
    } else {
        let parsed = Webhook::parse(&standing.alert_url, &standing.alert_token);
        Some(
            parsed
                .context("standing.alert_url is no https address, or standing.alert_token cannot stand in a header")?,
        )
    };
    let host = |uri: &String| uri.split(':').nth(1).unwrap_or_default().to_owned();
    Ok(Choices {
        settings: settings(config)?,
        webhook,
        mail: mail(config)?,
        addresses: AddressSettings {
            file: (!standing.addresses.is_empty()).then(|| PathBuf::from(&standing.addresses)),
            off_in: codes("addresses_off_in", &standing.addresses_off_in)?.into_iter().collect(),
            is_public: standing.addresses_public,
        },
        from: (standing.notices_user.clone(), standing.notices_name.clone()),
        recipients: Recipients {
            federation: config.federation.enabled,
            turn: config.turn.uris.iter().map(host).collect(),
            alerts: !standing.alert_url.is_empty() || !standing.alert_mail.is_empty(),
        },
        public_url: (!config.server.public_url.is_empty()).then(|| config.server.public_url.clone()),
        cut_patience_ms: Some(config.deployment.cut_notice_after.0).filter(|patience_ms| *patience_ms > 0),
    })
}

/// The mail server, if there is one and somebody is told by mail.
fn mail(config: &Config) -> anyhow::Result<Option<MailSettings>> {
    let mail = &config.mail;
    if mail.server.is_empty() || config.standing.alert_mail.is_empty() {
        return Ok(None);
    }
    let settings = MailSettings {
        server: mail.server.clone(),
        port: mail.port(),
        security: match mail.security {
            config::MailSecurity::Tls => MailSecurity::Tls,
            config::MailSecurity::StartTls => MailSecurity::StartTls,
            config::MailSecurity::Plain => MailSecurity::Plain,
        },
        credentials: (!mail.username.is_empty()).then(|| (mail.username.clone(), mail.password.clone())),
        from: mail.from.clone(),
        to: config.standing.alert_mail.clone(),
        hello: config.server.name.split(':').next().unwrap_or_default().to_owned(),
    };
    settings.check().context("mail.from or standing.alert_mail")?;
    Ok(Some(settings))
}

fn settings(config: &Config) -> anyhow::Result<StandingSettings> {
    let standing = &config.standing;
    let files = if standing.jurisdictions.is_empty() { Vec::new() } else { files(Path::new(&standing.jurisdictions))? };
    let catalogue = Catalogue::read(&files)
        .map_err(|problems| anyhow::anyhow!("standing.jurisdictions: the catalogue is wrong:\n{problems}"))?;
    let services = standing.services.iter().map(|word| {
        let known = Service::ALL.iter().map(|service| service.word()).collect::<Vec<_>>().join(", ");
        Service::from_word(word).with_context(|| format!("standing.services: \"{word}\" is none of {known}"))
    });
    Ok(StandingSettings {
        catalogue: Arc::new(catalogue),
        operator: (!standing.operator.is_empty()).then(|| standing.operator.clone()),
        services: services.collect::<anyhow::Result<_>>()?,
        audience: audience(standing),
        established_in: codes("established_in", &standing.established_in)?,
        stored_in: codes("stored_in", &standing.stored_in)?,
        critical_in: codes("critical_in", &standing.critical_in)?,
        public_contacts: config.server.support_contacts.len(),
    })
}

fn audience(standing: &config::Standing) -> Audience {
    match standing.audience {
        StandingAudience::Public => Audience::Public,
        StandingAudience::Organisation => Audience::Organisation,
        StandingAudience::Family => Audience::Family,
    }
}

fn codes(key: &str, codes: &[String]) -> anyhow::Result<BTreeSet<String>> {
    for code in codes {
        if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            bail!("standing.{key}: \"{code}\" is no country's code: use two capital letters (ISO 3166) such as \"DE\"");
        }
    }
    Ok(codes.iter().cloned().collect())
}

/// The files of an operator's catalogue: every `.toml` of a folder, in the order of their names.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Vec<File>> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry.with_context(|| format!("cannot read the folder {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
        if paths.len() > FILES {
            bail!("{} has more than {FILES} files: is it the right folder?", folder.display());
        }
    }
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let size = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
        if size > FILE_BYTES {
            bail!("{} has more than {FILE_BYTES} bytes", path.display());
        }
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
        Ok(File { name: path.display().to_string(), text })
    };
    paths.into_iter().map(read).collect()
}
