//! What moves people between cells.

use std::sync::Arc;

use anyhow::Context;
use domicile_app::{
    accounts::{Devices, Sessions},
    e2ee::DeviceLists,
    events::Ingest,
    federation::{History, OutboundBell, RemoteRooms},
    media::SealedBlobs,
    moves::{Departures, Moves, MovesParts},
    push::PushClasses,
    rooms::{Graph, Members},
    sync::SyncParts,
};
use domicile_residency::standing::Catalogue;
use domicile_store::Blobs;

use super::{Surroundings, deployment::OwnLink, remote::Known};

type People<'a> = (&'a Arc<Members>, &'a Arc<PushClasses>, &'a Arc<OutboundBell>);
type Signed<'a> = (&'a Arc<Sessions>, &'a Arc<Devices>, &'a Arc<DeviceLists>, &'a Arc<Departures>);
type Elsewhere<'a> = (&'a Arc<Graph>, &'a Arc<Ingest>, (&'a Arc<RemoteRooms>, &'a Arc<History>), Option<&'a OwnLink>);

/// Files have `largest_file` bytes at most.
pub(super) async fn wire(
    known: Known<'_>,
    (members, push, bell): People<'_>,
    (sessions, devices, device_lists, departures): Signed<'_>,
    (graph, ingest, (remote_rooms, history), cells): Elsewhere<'_>,
    (reading, largest_file, laws): (&SyncParts, u64, &Arc<Catalogue>),
    surroundings: &Surroundings,
) -> anyhow::Result<Arc<Moves>> {
    let files = Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?;
    let keystore = Arc::clone(&surroundings.keystore);
    let moves = Moves::new(MovesParts {
        store: known.store.clone(),
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
        users: Arc::clone(known.users),
        destinations: Arc::clone(known.destinations),
        outbound: Arc::clone(bell),
        rooms: Arc::clone(known.rooms),
        events: Arc::clone(known.events),
        keys: Arc::clone(known.keys),
        graph: Arc::clone(graph),
        reading: Arc::new(reading.for_reading()),
        push: Arc::clone(push),
        sender: Arc::clone(known.sender),
        members: Arc::clone(members),
        ingest: Arc::clone(ingest),
        remote_rooms: Arc::clone(remote_rooms),
        history: Arc::clone(history),
        wakers: Arc::clone(known.wakers),
        sessions: Arc::clone(sessions),
        devices: Arc::clone(devices),
        device_lists: Arc::clone(device_lists),
        blobs: Arc::new(SealedBlobs::new(files.clone(), Arc::clone(&keystore), largest_file)),
        files,
        keystore,
        departures: Arc::clone(departures),
        laws: Arc::clone(laws),
        link: cells.map(|cells| Arc::clone(&cells.link)),
    });
    moves.open().await.context("the moves")?;
    Ok(Arc::new(moves))
}
