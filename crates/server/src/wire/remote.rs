//! What takes in other servers' events, and the rooms that they hold.

use std::sync::Arc;

use domicile_app::{
    accounts::{Devices, Users},
    e2ee::DeviceListCopies,
    ephemeral::WaitingReceipts,
    events::{Events, Ingest, IngestParts, Presenter, ShownNames, send::Sender, wake::Wakers},
    federation::{Completion, Destinations, RemoteProfiles, RemoteRooms, RemoteRoomsParts, Resident, ResidentParts},
    jobs::Jobs,
    media::Media,
    moves::Departures,
    rooms::{Graph, Members, Resolution, Rooms, StateKeys, StateTrees, Successions},
};
use domicile_store::Store;

use super::{Surroundings, federation::Federation};

pub(super) struct Outside {
    pub(super) graph: Arc<Graph>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) completion: Arc<Completion>,
    pub(super) remote_rooms: Arc<RemoteRooms>,
}

/// What they are made of.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) store: &'a Store,
    pub(super) users: &'a Arc<Users>,
    pub(super) rooms: &'a Arc<Rooms>,
    pub(super) events: &'a Arc<Events>,
    pub(super) keys: &'a Arc<StateKeys>,
    pub(super) trees: &'a Arc<StateTrees>,
    pub(super) sender: &'a Arc<Sender>,
    pub(super) destinations: &'a Arc<Destinations>,
    pub(super) wakers: &'a Arc<Wakers>,
    pub(super) waiting_receipts: &'a Arc<WaitingReceipts>,
}

/// What others call themselves, as their servers tell it, and the names that stand in no event.
pub(super) fn profiles(
    users: &Arc<Users>,
    federation: &Federation,
    surroundings: &Surroundings,
) -> (Arc<RemoteProfiles>, Arc<ShownNames>) {
    let clock = || Arc::clone(&surroundings.clock);
    let remote = Arc::new(RemoteProfiles::new(Arc::clone(&federation.peers), users.localities_shared(), clock()));
    let names = Arc::new(ShownNames::new(Arc::clone(users), Arc::clone(&remote), clock()));
    (remote, names)
}

/// Events as readers see them.
pub(super) fn presenter(
    (events, keys, trees): (&Arc<Events>, &Arc<StateKeys>, &Arc<StateTrees>),
    names: &Arc<ShownNames>,
) -> Arc<Presenter> {
    Arc::new(Presenter::new(Arc::clone(events), Arc::clone(keys), Arc::clone(trees), Arc::clone(names)))
}

pub(super) fn wire(known: Known<'_>, federation: &Federation, surroundings: &Surroundings) -> Outside {
    let Known { store, users, rooms, events, keys, trees, sender, destinations, wakers, waiting_receipts } = known;
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let graph = Arc::new(Graph::default());
    let resolution = Arc::new(Resolution::new(
        store.clone(),
        Arc::clone(events),
        Arc::clone(keys),
        Arc::clone(trees),
        Arc::clone(&graph),
    ));
    let ingest = Arc::new(Ingest::new(IngestParts {
        store: store.clone(),
        clock: clock(),
        sender: Arc::clone(sender),
        users: Arc::clone(users),
        rooms: Arc::clone(rooms),
        events: Arc::clone(events),
        keys: Arc::clone(keys),
        trees: Arc::clone(trees),
        resolution,
        peers: Arc::clone(&federation.peers),
        server_keys: Arc::clone(&federation.server_keys),
        destinations: Arc::clone(destinations),
        waiting_receipts: Arc::clone(waiting_receipts),
    }));
    sender.sign_with(Arc::<Ingest>::clone(&ingest));
    let completion = Arc::new(Completion::new(store.clone(), clock(), Arc::clone(rooms), Arc::clone(&ingest)));
    let remote_rooms = Arc::new(RemoteRooms::new(RemoteRoomsParts {
        store: store.clone(),
        clock: clock(),
        rng: rng(),
        peers: Arc::clone(&federation.peers),
        own_keys: Arc::clone(&federation.own_keys),
        users: Arc::clone(users),
        rooms: Arc::clone(rooms),
        events: Arc::clone(events),
        keys: Arc::clone(keys),
        trees: Arc::clone(trees),
        sender: Arc::clone(sender),
        ingest: Arc::clone(&ingest),
        completion: Arc::clone(&completion),
        destinations: Arc::clone(destinations),
        wakers: Arc::clone(wakers),
    }));
    Outside { graph, ingest, completion, remote_rooms }
}

/// Comings and goings, here and in rooms that others hold.
pub(super) fn members(
    known: Known<'_>,
    outside: &Outside,
    successions: &Arc<Successions>,
    profiles: &Arc<RemoteProfiles>,
) -> Arc<Members> {
    Arc::new(Members::new(
        known.store.clone(),
        Arc::clone(known.users),
        Arc::clone(known.sender),
        Arc::clone(successions),
        Arc::clone(&outside.remote_rooms),
        Arc::clone(profiles),
    ))
}

/// What other servers ask of rooms that are here.
pub(super) fn resident(
    known: Known<'_>,
    federation: &Federation,
    outside: &Outside,
    (members, departures): (&Arc<Members>, &Arc<Departures>),
) -> Arc<Resident> {
    let Known { store, users, rooms, events, keys, trees, sender, destinations, wakers, .. } = known;
    Arc::new(Resident::new(ResidentParts {
        store: store.clone(),
        own_keys: Arc::clone(&federation.own_keys),
        users: Arc::clone(users),
        rooms: Arc::clone(rooms),
        events: Arc::clone(events),
        keys: Arc::clone(keys),
        trees: Arc::clone(trees),
        graph: Arc::clone(&outside.graph),
        sender: Arc::clone(sender),
        ingest: Arc::clone(&outside.ingest),
        destinations: Arc::clone(destinations),
        members: Arc::clone(members),
        remote: Arc::clone(&outside.remote_rooms),
        wakers: Arc::clone(wakers),
        departures: Arc::clone(departures),
    }))
}

/// Work that changes leave behind.
pub(super) fn jobs(
    known: Known<'_>,
    (members, devices, copies, media): (&Arc<Members>, &Arc<Devices>, &Arc<DeviceListCopies>, &Arc<Media>),
    surroundings: &Surroundings,
) -> Arc<Jobs> {
    Arc::new(Jobs::new(
        known.store.clone(),
        Arc::clone(&surroundings.clock),
        Arc::clone(known.users),
        Arc::clone(known.rooms),
        Arc::clone(members),
        Arc::clone(devices),
        Arc::clone(copies),
        Arc::clone(media),
    ))
}
