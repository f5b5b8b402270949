//! The wiring: the one place that knows every service and what it is made of.

mod federation;
mod places;
mod settings;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use domicile_app::{
    account_data::{AccountData, Filters, Ignored},
    accounts::{
        Accounts, Devices, LoginTokens, Logins, OpenIdTokens, Passwords, RateLimits, Registration, RegistrationTokens,
        Sessions, Standings, Uia, UserDirectory, Users,
    },
    admin::{BackupParts, Backups, Health},
    calls::Calls,
    e2ee::{
        CrossSigning, DehydratedDevices, DeviceKeys, DeviceListCopies, DeviceLists, KeyBackup, KeySignatures,
        OneTimeKeys, ToDevice, ToDeviceParts,
    },
    ephemeral::{Presence, PresenceNotices, Receipts, Typing, TypingNotices},
    events::{
        Events, Ingest, IngestParts, Presenter,
        send::{Sender, SenderParts},
        wake::Wakers,
    },
    federation::{
        Destinations, Edus, EdusParts, Outbound, OutboundBell, Peers, RemoteRooms, RemoteRoomsParts, Resident,
        ResidentParts, Transactions,
        outbound::{Carrier, Network, OutboundParts},
    },
    jobs::Jobs,
    media::{Media, MediaSettings, SealedBlobs},
    moderation::Reports,
    profile::Profiles,
    push::{Delivery, DeliveryParts, Gateways, NewsParts, Notifications, PushBell, PushClasses, PushRules, Pushers},
    residency::Localities,
    rooms::{
        Directory, Graph, Hierarchies, Members, PublicRooms, Resolution, RoomMaker, RoomReader, Rooms, StateKeys,
        StateTrees, Successions, Summaries, Upgrades,
    },
    search::Search,
    sync::{SlidingSync, Sync, SyncParts},
};
use domicile_core::{clock::Clock, config, rng::Rng};
use domicile_egress::{Client, Trust, federation::Dns};
use domicile_http::{
    admin::AdminServices,
    state::{AllServices, Services},
};
use domicile_store::{Blobs, Keystore, Store};
use ruma::OwnedServerName;
use tokio_util::sync::CancellationToken;

pub use federation::FederationSettings;
pub use places::{keystore, keystore_options, media_folder, store_options};
pub use settings::Settings;

/// What the wiring needs from outside.
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Told when the server stops.
    pub stopping: CancellationToken,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// The folder of media.
    pub media: PathBuf,
    /// Carries what other servers are told, if it is not the network.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// The name system, for finding other servers.
    pub dns: Arc<dyn Dns>,
}

/// Everything, ready to serve.
pub struct Wired {
    /// What the Client-Server API asks.
    pub services: Services,
    /// What the operator's API asks.
    pub admin: AdminServices,
    /// The state of what the server depends on.
    pub health: Arc<Health>,
    /// Work that changes left behind.
    pub jobs: Arc<Jobs>,
    /// Notifications to push gateways.
    pub delivery: Arc<Delivery>,
    /// Push gateways as they were found.
    pub gateways: Arc<Gateways>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Asks other servers.
    pub peers: Arc<Peers>,
    /// Takes events of other servers.
    pub ingest: Arc<Ingest>,
    /// Copies of other people's devices.
    pub copies: Arc<DeviceListCopies>,
    /// The database.
    pub store: Store,
}

async fn media(
    config: &config::Media,
    store: Store,
    server_name: OwnedServerName,
    surroundings: &Surroundings,
) -> anyhow::Result<Media> {
    let files = Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?;
    let keystore = Arc::clone(&surroundings.keystore);
    let blobs = Arc::new(SealedBlobs::new(files, Arc::clone(&keystore), config.max_upload.0));
    let settings = MediaSettings {
        upload_bytes: config.max_upload.0,
        awaited_ms: config.unused_for.0,
        ..MediaSettings::default()
    };
    let (clock, rng) = (Arc::clone(&surroundings.clock), Arc::clone(&surroundings.rng));
    Ok(Media::new(store, blobs, keystore, clock, rng, server_name, settings))
}

/// Makes every service.
#[expect(clippy::too_many_lines, reason = "a list of what is made of what, without a decision in it")]
pub async fn wire(settings: Settings, store: Store, surroundings: &Surroundings) -> anyhow::Result<Wired> {
    let Settings { server_name, passwords, memory, .. } = settings;
    let clock = || Arc::clone(&surroundings.clock);
    let rng = || Arc::clone(&surroundings.rng);
    let trust = Trust::new(settings.egress).context("egress.ca_files")?;
    let outbound_bell = Arc::new(OutboundBell::default());
    let federation =
        federation::wire(settings.federation, &trust, &store, &server_name, surroundings, &outbound_bell).await?;
    let carrier = surroundings.carrier.clone().unwrap_or_else(|| {
        Arc::new(Network::new(Arc::clone(&federation.peers), server_name.clone())) as Arc<dyn Carrier>
    });

    let media = media(&settings.media, store.clone(), server_name.clone(), surroundings).await?;
    let backups = Backups::new(BackupParts {
        store: store.clone(),
        keystore: Arc::clone(&surroundings.keystore),
        blobs: Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?,
        clock: clock(),
        rng: rng(),
        work: surroundings.media.parent().map_or_else(|| PathBuf::from("."), std::path::Path::to_path_buf),
        server_name: server_name.to_string(),
    });
    let localities = Arc::new(Localities::new(server_name));
    let destinations = Arc::new(Destinations::new(store.clone(), Arc::clone(&localities)));
    let users = Arc::new(Users::new(store.clone(), clock(), localities));
    let sessions = Arc::new(Sessions::new(store.clone(), clock(), rng(), settings.access_token_life_ms));
    let memory_kib = u32::try_from(passwords.memory.0 / 1_024).unwrap_or(u32::MAX);
    let at_once = usize::try_from(passwords.at_once).unwrap_or(1).max(1);
    let passwords = Arc::new(Passwords::new(memory_kib, passwords.iterations, at_once));
    let rate_limits = Arc::new(RateLimits::new(clock(), settings.rate_limits));
    let wakers = Arc::new(Wakers::new(clock()));
    let device_lists =
        Arc::new(DeviceLists::new(store.clone(), Arc::clone(&users), Arc::clone(&wakers), Arc::clone(&outbound_bell)));
    let devices = Arc::new(Devices::new(
        store.clone(),
        clock(),
        rng(),
        Arc::clone(&sessions),
        Arc::clone(&device_lists),
        Arc::clone(&surroundings.keystore),
    ));
    let accounts = Arc::new(Accounts::new(
        store.clone(),
        clock(),
        Arc::clone(&users),
        Arc::clone(&passwords),
        Arc::clone(&devices),
        Arc::clone(&surroundings.keystore),
    ));
    let registration_tokens = Arc::new(RegistrationTokens::new(store.clone(), clock(), rng()));
    let uia = Arc::new(Uia::new(
        store.clone(),
        clock(),
        rng(),
        Arc::clone(&accounts),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
    ));
    let logins = Arc::new(Logins::new(
        store.clone(),
        Arc::clone(&users),
        Arc::clone(&accounts),
        passwords,
        Arc::clone(&devices),
        Arc::clone(&rate_limits),
    ));
    let registration = Arc::new(Registration::new(
        rng(),
        Arc::clone(&accounts),
        Arc::clone(&uia),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
        settings.registration,
    ));
    let to_device = Arc::new(ToDevice::new(ToDeviceParts {
        store: store.clone(),
        clock: clock(),
        rng: rng(),
        wakers: Arc::clone(&wakers),
        users: Arc::clone(&users),
        destinations: Arc::clone(&destinations),
        outbound: Arc::clone(&outbound_bell),
    }));
    let copies = Arc::new(DeviceListCopies::new(
        store.clone(),
        clock(),
        Arc::clone(&device_lists),
        Arc::clone(&federation.peers),
    ));

    let events = Arc::new(Events::new(store.clone(), memory.events.0));
    let keys = Arc::new(StateKeys::new(store.clone()));
    let trees = Arc::new(StateTrees::new(store.clone(), memory.state.0));
    let room_entries = u64::from(memory.room_entries);
    let rooms = Arc::new(Rooms::new(store.clone(), Arc::clone(&events), Arc::clone(&trees), room_entries));
    let presenter = Arc::new(Presenter::new(Arc::clone(&events), Arc::clone(&keys), Arc::clone(&trees)));
    let push = Arc::new(PushClasses::new(store.clone(), Arc::clone(&users)));
    let client = Client::new(&trust);
    let ignored = Arc::new(Ignored::default());
    let bell = Arc::new(PushBell::default());
    let gateways = Arc::new(Gateways::new(clock()));
    let presence = Arc::new(Presence::new(clock(), settings.presence));
    let presence_watchers = Arc::new(Wakers::new(clock()));
    let sender = Arc::new(Sender::new(SenderParts {
        presence: Arc::clone(&presence),
        bell: Arc::clone(&bell),
        destinations: Arc::clone(&destinations),
        outbound: Arc::clone(&outbound_bell),
        push: Arc::clone(&push),
        store: store.clone(),
        clock: clock(),
        rng: rng(),
        signer: Arc::clone(&federation.own_keys),
        users: Arc::clone(&users),
        events: Arc::clone(&events),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
        rooms: Arc::clone(&rooms),
        wakers: Arc::clone(&wakers),
    }));
    let outbound = Arc::new(Outbound::new(OutboundParts {
        store: store.clone(),
        clock: clock(),
        rng: rng(),
        destinations: Arc::clone(&destinations),
        bell: Arc::clone(&outbound_bell),
        carrier,
        rooms: Arc::clone(&rooms),
        events: Arc::clone(&events),
        users: Arc::clone(&users),
        devices: Arc::clone(&devices),
        presence: Arc::clone(&presence),
        settings: settings.outbound,
    }));
    let account_data = Arc::new(AccountData::new(
        store.clone(),
        Arc::clone(&rooms),
        Arc::clone(&wakers),
        Arc::clone(&ignored),
        Arc::clone(&push),
    ));
    let push_rules = Arc::new(PushRules::new(store.clone(), Arc::clone(&account_data), Arc::clone(&push)));
    let successions = Arc::new(Successions::new(
        store.clone(),
        Arc::clone(&rooms),
        Arc::clone(&keys),
        Arc::clone(&events),
        Arc::clone(&account_data),
        Arc::clone(&push_rules),
    ));
    let graph = Arc::new(Graph::default());
    let resolution = Arc::new(Resolution::new(
        store.clone(),
        Arc::clone(&events),
        Arc::clone(&keys),
        Arc::clone(&trees),
        Arc::clone(&graph),
    ));
    let ingest = Arc::new(Ingest::new(IngestParts {
        store: store.clone(),
        clock: clock(),
        sender: Arc::clone(&sender),
        users: Arc::clone(&users),
        rooms: Arc::clone(&rooms),
        events: Arc::clone(&events),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
        resolution,
        peers: Arc::clone(&federation.peers),
        server_keys: Arc::clone(&federation.server_keys),
        destinations: Arc::clone(&destinations),
    }));
    sender.sign_with(Arc::<Ingest>::clone(&ingest));
    let remote_rooms = Arc::new(RemoteRooms::new(RemoteRoomsParts {
        store: store.clone(),
        clock: clock(),
        rng: rng(),
        peers: Arc::clone(&federation.peers),
        own_keys: Arc::clone(&federation.own_keys),
        users: Arc::clone(&users),
        rooms: Arc::clone(&rooms),
        events: Arc::clone(&events),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
        sender: Arc::clone(&sender),
        ingest: Arc::clone(&ingest),
        destinations: Arc::clone(&destinations),
        wakers: Arc::clone(&wakers),
    }));
    let members = Arc::new(Members::new(
        store.clone(),
        Arc::clone(&users),
        Arc::clone(&sender),
        Arc::clone(&successions),
        Arc::clone(&remote_rooms),
    ));
    let resident = Arc::new(Resident::new(ResidentParts {
        store: store.clone(),
        own_keys: Arc::clone(&federation.own_keys),
        users: Arc::clone(&users),
        rooms: Arc::clone(&rooms),
        events: Arc::clone(&events),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
        graph,
        sender: Arc::clone(&sender),
        ingest: Arc::clone(&ingest),
        members: Arc::clone(&members),
        remote: remote_rooms,
        wakers: Arc::clone(&wakers),
    }));
    let typing = Arc::new(Typing::new(clock()));
    let jobs = Arc::new(Jobs::new(
        store.clone(),
        clock(),
        Arc::clone(&users),
        Arc::clone(&rooms),
        Arc::clone(&members),
        Arc::clone(&devices),
        Arc::clone(&copies),
    ));
    let news = Arc::new(NewsParts {
        events: Arc::clone(&events),
        rooms: Arc::clone(&rooms),
        classes: Arc::clone(&push),
        ignored: Arc::clone(&ignored),
    });
    let delivery = Arc::new(Delivery::new(DeliveryParts {
        store: store.clone(),
        clock: clock(),
        keystore: Arc::clone(&surroundings.keystore),
        client,
        bell: Arc::clone(&bell),
        gateways: Arc::clone(&gateways),
        news: Arc::clone(&news),
        users: Arc::clone(&users),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
    }));
    let sync_parts = Arc::new(SyncParts {
        push: Arc::clone(&push),
        store: store.clone(),
        clock: clock(),
        users: Arc::clone(&users),
        events: Arc::clone(&events),
        presenter: Arc::clone(&presenter),
        rooms: Arc::clone(&rooms),
        keys: Arc::clone(&keys),
        trees: Arc::clone(&trees),
        wakers: Arc::clone(&wakers),
        typing: Arc::clone(&typing),
        ignored: Arc::clone(&ignored),
        presence: Arc::clone(&presence),
        presence_watchers: Arc::clone(&presence_watchers),
        stopping: surroundings.stopping.clone(),
    });
    let room_reader = Arc::new(RoomReader::new(sync_parts.for_reading()));
    let summaries = Arc::new(Summaries::new(
        store.clone(),
        Arc::clone(&rooms),
        Arc::clone(&events),
        Arc::clone(&keys),
        Arc::clone(&trees),
    ));
    let standings = Arc::new(Standings::new(
        store.clone(),
        clock(),
        Arc::clone(&users),
        Arc::clone(&sessions),
        settings.administrators,
    ));
    let reports = Arc::new(Reports::new(store.clone(), clock(), Arc::clone(&users), Arc::clone(&room_reader)));
    let upgrades = Arc::new(Upgrades::new(Arc::clone(&sender), Arc::clone(&members), Arc::clone(&keys), successions));
    let presence = Arc::new(PresenceNotices::new(
        store.clone(),
        clock(),
        presence,
        Arc::clone(&users),
        Arc::clone(&rooms),
        presence_watchers,
        Arc::clone(&outbound_bell),
    ));
    let typing = Arc::new(TypingNotices::new(
        clock(),
        typing,
        Arc::clone(&rooms),
        Arc::clone(&wakers),
        Arc::clone(&outbound_bell),
    ));
    let edus = Arc::new(Edus::new(EdusParts {
        store: store.clone(),
        clock: clock(),
        users: Arc::clone(&users),
        rooms: Arc::clone(&rooms),
        events: Arc::clone(&events),
        typing: Arc::clone(&typing),
        presence: Arc::clone(&presence),
        lists: Arc::clone(&device_lists),
        copies: Arc::clone(&copies),
        wakers: Arc::clone(&wakers),
    }));
    let services = Services::new(AllServices {
        inbound: federation.inbound,
        transactions: Arc::new(Transactions::new(
            store.clone(),
            Arc::clone(&rooms),
            Arc::clone(&ingest),
            Arc::clone(&edus),
        )),
        resident,
        peers: Arc::clone(&federation.peers),
        server_keys: federation.server_keys,
        notary: federation.notary,
        own_keys: Arc::clone(&federation.own_keys),
        media: Arc::new(media),
        push_rules,
        pushers: Arc::new(Pushers::new(store.clone(), clock(), Arc::clone(&surroundings.keystore), Arc::clone(&bell))),
        notifications: Arc::new(Notifications::new(store.clone(), clock(), news, presenter)),
        account_data,
        filters: Arc::new(Filters::new(store.clone())),
        profiles: Arc::new(Profiles::new(store.clone(), Arc::clone(&users), Arc::clone(&rooms), Arc::clone(&members))),
        device_keys: Arc::new(DeviceKeys::new(
            store.clone(),
            Arc::clone(&users),
            Arc::clone(&device_lists),
            Arc::clone(&copies),
        )),
        one_time_keys: Arc::new(OneTimeKeys::new(store.clone(), Arc::clone(&users), Arc::clone(&federation.peers))),
        cross_signing: Arc::new(CrossSigning::new(store.clone(), Arc::clone(&device_lists), Arc::clone(&uia))),
        key_signatures: Arc::new(KeySignatures::new(store.clone(), Arc::clone(&device_lists))),
        key_backup: Arc::new(KeyBackup::new(store.clone())),
        dehydrated_devices: Arc::new(DehydratedDevices::new(
            store.clone(),
            clock(),
            Arc::clone(&device_lists),
            Arc::clone(&to_device),
        )),
        room_maker: Arc::new(RoomMaker::new(
            Arc::clone(&sender),
            Arc::clone(&users),
            Arc::clone(&members),
            settings.creation,
        )),
        members,
        search: Arc::new(Search::new(&room_reader)),
        room_reader,
        public_rooms: Arc::new(PublicRooms::new(
            store.clone(),
            Arc::clone(&users),
            Arc::clone(&rooms),
            Arc::clone(&sender),
        )),
        standings: Arc::clone(&standings),
        login_tokens: Arc::new(LoginTokens::new(
            store.clone(),
            clock(),
            rng(),
            Arc::clone(&users),
            Arc::clone(&logins),
            Arc::clone(&rate_limits),
            settings.login_tokens,
        )),
        discovery: Arc::new(settings.discovery),
        calls: Arc::new(Calls::new(clock(), settings.turn)),
        reports: Arc::clone(&reports),
        openid_tokens: Arc::new(OpenIdTokens::new(store.clone(), clock(), rng(), Arc::clone(&users))),
        user_directory: Arc::new(UserDirectory::new(store.clone(), Arc::clone(&users))),
        hierarchies: Arc::new(Hierarchies::new(Arc::clone(&summaries), rng())),
        summaries,
        upgrades,
        directory: Arc::new(Directory::new(store.clone(), Arc::clone(&users), Arc::clone(&rooms))),
        sliding_sync: Arc::new(SlidingSync::new(Arc::clone(&sync_parts))),
        sync: Arc::new(Sync::new(sync_parts)),
        receipts: Arc::new(Receipts::new(store.clone(), clock(), rooms, events, wakers, bell, outbound_bell)),
        presence,
        typing,
        edus,
        sender,
        to_device,
        device_lists,
        sessions,
        users,
        accounts: Arc::clone(&accounts),
        devices,
        logins,
        registration,
        registration_tokens: Arc::clone(&registration_tokens),
        uia,
        rate_limits,
    });
    Ok(Wired {
        services,
        admin: AdminServices {
            accounts,
            registration_tokens,
            backups: Arc::new(backups),
            reports,
            standings,
            outbound: Arc::clone(&outbound),
        },
        health: Arc::new(Health::new(store.clone())),
        jobs,
        delivery,
        gateways,
        outbound,
        copies,
        ingest,
        peers: federation.peers,
        store,
    })
}
