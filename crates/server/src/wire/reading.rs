//! What reads rooms: for users of this server, and for other servers.

use std::sync::Arc;

use domicile_app::{
    events::send::Sender,
    federation::{
        History, Peers, Readers, RemoteRooms, RemoteSpaces, RoomEvents, RoomStates, Sights, Spaces, ThirdPartyInvites,
    },
    rooms::{Directory, Graph, Hierarchies, PublicRooms, RoomReader, Summaries, reader::RoomReaderParts},
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
    pub(super) readers: Arc<Readers>,
    pub(super) history: Arc<History>,
    pub(super) sender: Arc<Sender>,
    pub(super) graph: Arc<Graph>,
    pub(super) remote_rooms: Arc<RemoteRooms>,
    pub(super) peers: Arc<Peers>,
}

pub(super) fn wire(ground: Ground, surroundings: &Surroundings) -> Reading {
    let Ground { parts, readers, history, sender, graph, remote_rooms, peers } = ground;
    let parts = Arc::new(parts);
    let (store, users, rooms) = (&parts.store, &parts.users, &parts.rooms);
    let remote =
        Arc::new(RemoteSpaces::new(Arc::clone(&peers), users.localities_shared(), Arc::clone(&surroundings.clock)));
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
        room_events: Arc::new(RoomEvents::new(Arc::clone(&parts), Arc::clone(&readers), Arc::new(Sights::default()))),
        room_states: Arc::new(RoomStates::new(Arc::clone(&parts), Arc::clone(&readers), graph)),
        spaces: Arc::new(Spaces::new(Arc::clone(&summaries), Arc::clone(&hierarchies), Arc::clone(&readers))),
        third_party_invites: Arc::new(ThirdPartyInvites::new(
            Arc::clone(users),
            Arc::clone(rooms),
            Arc::clone(&readers),
            remote_rooms,
        )),
        public_rooms: Arc::new(PublicRooms::new(
            store.clone(),
            Arc::clone(users),
            Arc::clone(rooms),
            sender,
            Arc::clone(&summaries),
            Arc::clone(&peers),
        )),
        directory: Arc::new(Directory::new(store.clone(), Arc::clone(users), Arc::clone(rooms), readers, peers)),
        hierarchies,
        summaries,
        room_reader: Arc::new(RoomReader::new(parts, history)),
    }
}
