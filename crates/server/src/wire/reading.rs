//! What reads rooms: for users of this server, and for other servers.

use std::sync::Arc;

use domicile_app::{
    events::send::Sender,
    federation::{
        Destinations, Peers, RemoteSpaces, Residents, RoomEvents, RoomStates, Sights, Spaces, ThirdPartyInvites,
    },
    rooms::{Directory, Graph, Hierarchies, Members, PublicRooms, RoomReader, Summaries, reader::RoomReaderParts},
};

use super::Surroundings;

pub(super) struct Reading {
    pub(super) room_reader: Arc<RoomReader>,
    pub(super) summaries: Arc<Summaries>,
    pub(super) hierarchies: Arc<Hierarchies>,
    pub(super) public_rooms: Arc<PublicRooms>,
    pub(super) directory: Arc<Directory>,
    pub(super) room_events: Arc<RoomEvents>,
    pub(super) room_states: Arc<RoomStates>,
    pub(super) spaces: Arc<Spaces>,
    pub(super) third_party_invites: Arc<ThirdPartyInvites>,
}

/// What they are made of.
pub(super) struct Ground {
    pub(super) parts: RoomReaderParts,
    pub(super) destinations: Arc<Destinations>,
    pub(super) sender: Arc<Sender>,
    pub(super) members: Arc<Members>,
    pub(super) graph: Arc<Graph>,
    pub(super) peers: Arc<Peers>,
}

pub(super) fn wire(ground: Ground, surroundings: &Surroundings) -> Reading {
    let Ground { parts, destinations, sender, members, graph, peers } = ground;
    let parts = Arc::new(parts);
    let (store, users, rooms) = (&parts.store, &parts.users, &parts.rooms);
    let residents = Arc::new(Residents::new(users.localities_shared(), destinations, Arc::clone(rooms)));
    let remote = Arc::new(RemoteSpaces::new(Arc::clone(&peers), Arc::clone(&surroundings.clock)));
    let summaries = Arc::new(Summaries::new(
        store.clone(),
        Arc::clone(rooms),
        Arc::clone(&parts.events),
        Arc::clone(&parts.keys),
        Arc::clone(&parts.trees),
        Arc::clone(&remote),
    ));
    let hierarchies = Arc::new(Hierarchies::new(Arc::clone(&summaries), Arc::clone(&surroundings.rng), remote));
    Reading {
        room_events: Arc::new(RoomEvents::new(Arc::clone(&parts), Arc::clone(&residents), Arc::new(Sights::default()))),
        room_states: Arc::new(RoomStates::new(Arc::clone(&parts), Arc::clone(&residents), graph)),
        spaces: Arc::new(Spaces::new(Arc::clone(&summaries), Arc::clone(&hierarchies), Arc::clone(&residents))),
        third_party_invites: Arc::new(ThirdPartyInvites::new(
            Arc::clone(users),
            Arc::clone(rooms),
            Arc::clone(&residents),
            members,
        )),
        public_rooms: Arc::new(PublicRooms::new(
            store.clone(),
            Arc::clone(users),
            Arc::clone(rooms),
            sender,
            Arc::clone(&peers),
        )),
        directory: Arc::new(Directory::new(store.clone(), Arc::clone(users), Arc::clone(rooms), residents, peers)),
        hierarchies,
        summaries,
        room_reader: Arc::new(RoomReader::new(parts, None)),
    }
}
