//! The wiring: the one place that knows every service and what it is made of.

mod accounts;
mod blocklists;
mod deployment;
mod encryption;
mod ephemeral;
mod evidence;
mod federation;
mod gateway;
mod media;
mod moves;
mod names;
mod parts;
mod places;
pub mod probe;
pub(crate) mod proxy;
mod push;
mod reading;
mod remote;
mod restore;
mod settings;
pub(crate) mod standing;

use std::sync::Arc;

use anyhow::Context;
use domicile_app::{
    account_data::{Filters, Ignored},
    accounts::{OpenIdTokens, UserDirectory, Users},
    admin::Health,
    calls::Calls,
    entrance::Entrance,
    ephemeral::{Presence, Receipts, Typing, WaitingReceipts},
    events::{
        Events,
        send::{Sender, SenderParts},
        wake::Wakers,
    },
    federation::{
        Destinations, History, Outbound, OutboundBell, Readers, Transactions,
        outbound::{Carrier, Network, OutboundParts},
    },
    moderation::Reports,
    moves::Departures,
    profile::Profiles,
    push::{Gateways, Notifications, PushBell, PushClasses, Pushers},
    residency::Homes,
    restore::Fence,
    rooms::{RoomMaker, Rooms, StateKeys, StateTrees, Upgrades},
    search::Search,
    sync::{SlidingSync, Sync, SyncParts},
};
use domicile_egress::{Client, Trust};
use domicile_http::{
    admin::AdminServices,
    state::{AllServices, Services},
};
use domicile_store::Store;

use accounts::{AccountSettings, People};
use encryption::OfDevices;
use ephemeral::{Boards, Told};
use push::Notifying;
use reading::Ground;
use remote::{Known, Outside};

pub use blocklists::BlocklistSettings;
pub use federation::{FederationSettings, tell_unknown};
pub use names::own_names;
pub use parts::{Surroundings, Wired};
pub use places::{keystore, keystore_options, media_folder, store_options};
pub use settings::Settings;

/// Makes every service.
#[expect(clippy::too_many_lines, reason = "a list of what is made of what, without a decision in it")]
pub async fn wire(settings: Settings, store: Store, surroundings: &Surroundings) -> anyhow::Result<Wired> {
    let Settings { server_name, passwords, memory, .. } = settings;
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let trust = Trust::new(settings.egress).context("egress.ca_files")?;
    let outbound_bell = Arc::new(OutboundBell::default());
    let of_cells = (settings.deployment, &settings.inner_ways, settings.new_regions);
    let cells = deployment::open(of_cells, &store, &server_name, surroundings).await?;
    let localities = Arc::new(deployment::localities(cells.as_ref(), &store, &server_name, surroundings).await?);
    let spans = deployment::spans(cells.as_ref(), &store, surroundings).await?;
    let departures = Arc::new(Departures::new(store.clone(), clock(), Arc::clone(&localities)));
    let (bell, known) = (&outbound_bell, (cells.as_ref(), &localities));
    let outer_trust = trust.through(settings.federation.proxy.clone());
    let federation =
        federation::wire(settings.federation, &outer_trust, &store, &server_name, surroundings, bell, known).await?;
    let network = || Arc::new(Network::new(Arc::clone(&federation.peers), server_name.clone())) as Arc<dyn Carrier>;
    let carrier = surroundings.carrier.clone().unwrap_or_else(network);
    let client = Client::new(&trust);
    let blocklists = blocklists::wire(settings.blocklists, &store, client.clone(), surroundings);
    let probes = probe::wire(settings.probe, &trust, &client, &store, surroundings);
    let (asking, webhooks) = ((Arc::clone(&federation.peers), Client::new(&outer_trust)), client.clone());
    let media = Arc::new(media::wire(&settings.media, &store, &server_name, asking, known, surroundings).await?);
    let backups = media::backups(&store, &server_name, surroundings).await?;
    let linked = (cells.as_ref(), federation.peers.told());
    let evidence = evidence::wire(settings.declared, &store, &localities, linked, surroundings);
    let destinations = Arc::new(Destinations::new(store.clone(), Arc::clone(&localities)));
    let users = Arc::new(Users::new(store.clone(), clock(), localities));
    let wakers = Arc::new(Wakers::new(clock()));
    let heard = (&users, &wakers, &outbound_bell);
    let (device_lists, copies) = encryption::lists(&store, heard, &federation, surroundings);
    let chosen = AccountSettings {
        passwords,
        access_token_life_ms: settings.access_token_life_ms,
        rate_limits: settings.rate_limits,
        registration: settings.registration,
        departures: Arc::clone(&departures),
    };
    let People { sessions, devices, accounts, registration_tokens, uia, logins, registration, rate_limits, operators } =
        accounts::wire(&store, &users, &device_lists, surroundings, chosen);
    let (told, who) = ((&destinations, &outbound_bell), (&users, &wakers));
    let to_device = encryption::to_device(&store, who, told, surroundings);

    let events = Arc::new(Events::new(store.clone(), memory.events.0));
    let keys = Arc::new(StateKeys::new(store.clone()));
    let trees = Arc::new(StateTrees::new(store.clone(), memory.state.0));
    let rooms = Rooms::new(store.clone(), Arc::clone(&events), Arc::clone(&trees), u64::from(memory.room_entries));
    let rooms = Arc::new(rooms);
    let (remote_profiles, names) = remote::profiles(&users, &federation, surroundings);
    let presenter = remote::presenter((&events, &keys, &trees), &names);
    let push = Arc::new(PushClasses::new(store.clone(), Arc::clone(&users)));
    let (ignored, bell) = (Arc::new(Ignored::new(&store)), Arc::new(PushBell::default()));
    let (gateways, typing) = (Arc::new(Gateways::new(clock())), Arc::new(Typing::new(clock())));
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
        ledger: Arc::clone(&evidence.ledger),
        wakers: Arc::clone(&wakers),
        link: cells.as_ref().map(|cells| Arc::clone(&cells.link)),
        settings: settings.outbound,
    }));
    let known = Known {
        store: &store,
        users: &users,
        rooms: &rooms,
        events: &events,
        keys: &keys,
        trees: &trees,
        sender: &sender,
        destinations: &destinations,
        wakers: &wakers,
        waiting_receipts: &Arc::new(WaitingReceipts::new(store.clone(), Arc::clone(&wakers))),
    };
    let push::OwnData { account_data, push_rules, successions } = push::own_data(known, &ignored, &push);
    let outside = remote::wire(known, &federation, surroundings);
    let members = remote::members(known, &outside, &successions, &remote_profiles);
    let resident = remote::resident(known, &federation, &outside, (&members, &departures));
    let Outside { graph, ingest, completion, remote_rooms } = outside;
    let jobs = remote::jobs(known, (&members, &devices, &copies, &media), surroundings);
    let notifying = Notifying { client, bell: &bell, gateways: &gateways, classes: &push, ignored: &ignored };
    let (news, delivery) = push::wire(known, notifying, surroundings);
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
        spans,
        departures: Arc::clone(&departures),
    });
    let laws = settings.standing.laws();
    let readers = Arc::new(Readers::new(users.localities_shared(), Arc::clone(&destinations), Arc::clone(&rooms)));
    let peers = Arc::clone(&federation.peers);
    let history = Arc::new(History::new(store.clone(), Arc::clone(&readers), peers, Arc::clone(&ingest)));
    let moves = moves::wire(
        known,
        (&members, &push, &outbound_bell),
        (&sessions, &devices, &device_lists, &departures),
        (&graph, &ingest, (&remote_rooms, &history), cells.as_ref()),
        (&sync_parts, settings.media.max_upload.0, &laws),
        surroundings,
    )
    .await?;
    let ground = Ground {
        parts: sync_parts.for_reading(),
        readers,
        history,
        sender: Arc::clone(&sender),
        graph,
        remote_rooms: Arc::clone(&remote_rooms),
        peers: Arc::clone(&federation.peers),
    };
    let reading = reading::wire(ground, surroundings);
    let fence = Fence::open(store.clone()).await.context("the fence")?;
    let keeper = restore::keeper(&store, &users, &moves, cells.as_ref(), surroundings).await?;
    let room_reader = Arc::clone(&reading.room_reader);
    let standings = accounts::standings(&store, &users, &sessions, settings.administrators, surroundings);
    let reports = Arc::new(Reports::new(store.clone(), clock(), Arc::clone(&users), Arc::clone(&room_reader)));
    let upgrades = Arc::new(Upgrades::new(Arc::clone(&sender), Arc::clone(&members), Arc::clone(&keys), successions));
    let boards = Boards { presence, presence_watchers, typing };
    let lists = (&device_lists, &copies, &outbound_bell);
    let Told { presence, typing, edus } = ephemeral::wire(known, boards, lists, surroundings);
    let people = (Arc::clone(&users), Arc::clone(&devices), Arc::clone(&accounts), Arc::clone(&jobs));
    let told = evidence.of_people(&store, people, settings.media.max_upload.0, surroundings).await?;
    let door =
        deployment::front_door(cells.as_ref(), &store, &users, (&rate_limits, &departures, &sessions), surroundings);
    let ours = (known, cells.as_ref());
    let standing = standing::begin(settings.standing, ours, &settings.discovery, &federation.own_keys, surroundings);
    let lists =
        OfDevices { device_lists: &device_lists, copies: &copies, to_device: &to_device, departures: &departures };
    let noticed = encryption::key_incidents(known, surroundings);
    let encryption = encryption::wire(known, lists, &uia, (&federation, settings.withholds_unsigned), surroundings);
    let entrance = Arc::new(Entrance::new(settings.discovery.homeserver.clone(), users.localities_shared()));
    let people = (&users, &accounts, &devices, &moves);
    let shown = (&told.erasures, &evidence.documents, &standing.status);
    let restorer = restore::restorer(&store, Arc::clone(&fence), people, shown, cells.as_ref(), surroundings);
    let services = Services::new(AllServices {
        entrance: Arc::clone(&entrance),
        moves: Arc::clone(&moves),
        fence,
        restorer: Arc::clone(&restorer),
        keeper: Arc::clone(&keeper),
        departures,
        probes: Arc::clone(&probes),
        access_log: Arc::clone(&evidence.access_log),
        exports: Arc::clone(&told.exports),
        erasures: Arc::clone(&told.erasures),
        audits: Arc::clone(&evidence.audits),
        witness: Arc::clone(&evidence.witness),
        ledger: Arc::clone(&evidence.ledger),
        inbound: federation.inbound,
        front_door: Arc::new(door),
        cuts: Arc::clone(&standing.cuts),
        gateway: Arc::clone(&federation.gateway),
        transactions: Arc::new(Transactions::new(
            store.clone(),
            Arc::clone(&rooms),
            Arc::clone(&ingest),
            Arc::clone(&edus),
            Arc::clone(&remote_rooms),
        )),
        resident,
        peers: Arc::clone(&federation.peers),
        server_keys: federation.server_keys,
        notary: federation.notary,
        own_keys: Arc::clone(&federation.own_keys),
        media,
        push_rules,
        pushers: Arc::new(Pushers::new(store.clone(), clock(), Arc::clone(&surroundings.keystore), Arc::clone(&bell))),
        notifications: Arc::new(Notifications::new(store.clone(), clock(), news, presenter)),
        account_data,
        filters: Arc::new(Filters::new(store.clone())),
        profiles: Arc::new(Profiles::new(
            store.clone(),
            Arc::clone(&users),
            Arc::clone(&rooms),
            Arc::clone(&members),
            remote_profiles,
            names,
        )),
        device_keys: encryption.device_keys,
        one_time_keys: encryption.one_time_keys,
        cross_signing: encryption.cross_signing,
        key_signatures: encryption.key_signatures,
        key_backup: encryption.key_backup,
        dehydrated_devices: encryption.dehydrated_devices,
        room_maker: Arc::new(RoomMaker::new(
            Arc::clone(&sender),
            Arc::clone(&users),
            Arc::clone(&members),
            settings.creation,
        )),
        members,
        search: Arc::new(Search::new(&room_reader)),
        room_reader,
        public_rooms: reading.public_rooms,
        room_events: reading.room_events,
        room_states: reading.room_states,
        spaces: reading.spaces,
        third_party_invites: reading.third_party_invites,
        standings: Arc::clone(&standings),
        login_tokens: accounts::login_tokens(
            &store,
            &users,
            (&logins, &rate_limits),
            settings.login_tokens,
            surroundings,
        ),
        discovery: Arc::new(settings.discovery),
        calls: Arc::new(Calls::new(clock(), settings.turn)),
        jurisdictions: Arc::clone(&standing.jurisdictions),
        status: Arc::clone(&standing.status),
        addresses: Arc::clone(&standing.addresses),
        reports: Arc::clone(&reports),
        openid_tokens: Arc::new(OpenIdTokens::new(store.clone(), clock(), rng(), Arc::clone(&users))),
        user_directory: Arc::new(UserDirectory::new(store.clone(), Arc::clone(&users))),
        hierarchies: reading.hierarchies,
        summaries: reading.summaries,
        upgrades,
        directory: reading.directory,
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
        users: Arc::clone(&users),
        accounts: Arc::clone(&accounts),
        devices: Arc::clone(&devices),
        logins,
        registration,
        registration_tokens: Arc::clone(&registration_tokens),
        uia,
        rate_limits,
    });
    let ways = (&webhooks, &trust);
    let outward = standing::Outward { ways, blocklists: &blocklists, probes: &probes, noticed: &noticed };
    let standing = standing.finish(&services, &evidence.kept(surroundings), &surroundings.keystore, outward)?;
    Ok(Wired {
        services,
        probes: Arc::clone(&probes),
        admin: AdminServices {
            homes: Arc::new(Homes::new(store.clone(), Arc::clone(&users), laws)),
            probes: Arc::clone(&probes),
            accounts,
            entrance,
            registration_tokens,
            backups: Arc::new(backups),
            evidence: told,
            users,
            reports,
            standings,
            outbound: Arc::clone(&outbound),
            completion: Arc::clone(&completion),
            check: federation.check,
            own_keys: federation.own_keys,
            blocklists: Arc::clone(&blocklists),
            moves: Arc::clone(&moves),
            restorer: Arc::clone(&restorer),
            standing,
            clock: clock(),
            operators: operators.0,
            operator_sessions: operators.1,
        },
        health: Arc::new(Health::new(store.clone())),
        ledger: evidence.ledger,
        jobs,
        delivery,
        gateways,
        blocklists,
        outbound,
        copies,
        ingest,
        completion,
        peers: federation.peers,
        gateway: federation.gateway,
        link: cells.map(|cells| cells.link),
        gate: federation.gate,
        moves,
        restorer,
        keeper,
        store,
    })
}
