//! What moves are made of.

use std::sync::Arc;

use domicile_core::{clock::Clock, rng::Rng};
use domicile_residency::standing::Catalogue;
use domicile_store::{Blobs as Files, Keystore, Store};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Arrivals, Departures, Moves, bring, bundle, copies, leave, live, rules, take_file::ComingFiles, turn};
use crate::{
    accounts::{Devices, Sessions, Users},
    e2ee::DeviceLists,
    events::{Events, Ingest, send::Sender, wake::Wakers},
    federation::{Destinations, History, OneAtATime, OutboundBell, RemoteRooms},
    media::Blobs,
    push::PushClasses,
    residency::InnerLink,
    rooms::{Graph, Members, Rooms, StateKeys, reader::RoomReaderParts},
};

/// What moves are made of.
pub struct MovesParts {
    /// The database.
    pub store: Store,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Other servers and cells.
    pub destinations: Arc<Destinations>,
    /// Told what is to be told to them.
    pub outbound: Arc<OutboundBell>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// Auth chains.
    pub graph: Arc<Graph>,
    /// What reads rooms.
    pub reading: Arc<RoomReaderParts>,
    /// Classes of push rules.
    pub push: Arc<PushClasses>,
    /// Makes events.
    pub sender: Arc<Sender>,
    /// Comings and goings.
    pub members: Arc<Members>,
    /// Takes others' events.
    pub ingest: Arc<Ingest>,
    /// Rooms of others.
    pub remote_rooms: Arc<RemoteRooms>,
    /// What was said in rooms before this cell came.
    pub history: Arc<History>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Devices.
    pub devices: Arc<Devices>,
    /// Device lists.
    pub device_lists: Arc<DeviceLists>,
    /// Where media lies, sealed.
    pub blobs: Arc<dyn Blobs>,
    /// The same files.
    pub files: Files,
    /// What each law asks, and which countries a union is made of.
    pub laws: Arc<Catalogue>,
    /// Whose requests wait or are passed on.
    pub departures: Arc<Departures>,
    /// The way to other cells; none where there are none.
    pub link: Option<Arc<InnerLink>>,
}

impl Moves {
    /// Of its parts.
    pub fn new(parts: MovesParts) -> Self {
        let turner = Arc::new(turn::Turner {
            store: parts.store.clone(),
            users: Arc::clone(&parts.users),
            destinations: Arc::clone(&parts.destinations),
            rooms: Arc::clone(&parts.rooms),
            push: Arc::clone(&parts.push),
            outbound: Arc::clone(&parts.outbound),
        });
        let vaults = Arc::new(bundle::Vaults { store: parts.store.clone(), keystore: Arc::clone(&parts.keystore) });
        let rules = || rules::Rules {
            users: Arc::clone(&parts.users),
            rooms: Arc::clone(&parts.rooms),
            events: Arc::clone(&parts.events),
            keys: Arc::clone(&parts.keys),
            trees: Arc::clone(&parts.reading.trees),
            sender: Arc::clone(&parts.sender),
            members: Arc::clone(&parts.members),
            laws: Arc::clone(&parts.laws),
        };
        let copies = Arc::new(copies::Copies {
            parts: Arc::clone(&parts.reading),
            graph: Arc::clone(&parts.graph),
            rooms: Arc::clone(&parts.rooms),
            localities: parts.users.localities_shared(),
        });
        let (own_rules, leaving_rules, live) = (rules(), rules(), live::Live::default());
        let arrivals = parts.link.is_some().then(|| {
            Arc::new(Arrivals {
                turner: Arc::clone(&turner),
                vaults: Arc::clone(&vaults),
                departures: Arc::clone(&parts.departures),
                clock: Arc::clone(&parts.clock),
                ingest: Arc::clone(&parts.ingest),
                remote_rooms: Arc::clone(&parts.remote_rooms),
                past: Arc::clone(&parts.history),
                blobs: Arc::clone(&parts.blobs),
                files: parts.files.clone(),
                copies: Arc::clone(&copies),
                device_lists: Arc::clone(&parts.device_lists),
                wakers: Arc::clone(&parts.wakers),
                late: tokio::sync::Mutex::default(),
                taking_in: OneAtATime::default(),
                rooms_in_work: OneAtATime::default(),
                coming_files: ComingFiles::default(),
            })
        });
        let leaving = parts.link.map(|link| {
            Arc::new(leave::Leaving {
                turner: Arc::clone(&turner),
                vaults,
                copies,
                departures: Arc::clone(&parts.departures),
                rules: leaving_rules,
                link,
                clock: Arc::clone(&parts.clock),
                sessions: parts.sessions,
                devices: parts.devices,
                wakers: parts.wakers,
                blobs: parts.blobs,
                files: parts.files,
                live: live.clone(),
                bringing: bring::Bringing::default(),
                gate: Arc::default(),
                rng: Arc::clone(&parts.rng),
            })
        });
        Self {
            store: parts.store,
            clock: parts.clock,
            rng: parts.rng,
            users: parts.users,
            rules: own_rules,
            departures: parts.departures,
            turner,
            leaving,
            arrivals,
            live,
            in_work: Mutex::default(),
            poke: Notify::new(),
        }
    }
}
