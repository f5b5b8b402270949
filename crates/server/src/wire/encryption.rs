//! What keeps the keys of devices, and hands them out.

use std::sync::Arc;

use domicile_app::{
    accounts::{Uia, Users},
    e2ee::{
        CrossSigning, DehydratedDevices, DeviceKeys, DeviceListCopies, DeviceLists, KeyBackup, KeyIncidents,
        KeySignatures, OneTimeKeys, ToDevice, ToDeviceParts, UnsignedDevices,
    },
    events::wake::Wakers,
    federation::{Destinations, OutboundBell},
    moves::Departures,
};
use domicile_store::Store;

use super::{Surroundings, federation::Federation, remote::Known};

/// What is made here.
pub(super) struct Encryption {
    pub(super) device_keys: Arc<DeviceKeys>,
    pub(super) one_time_keys: Arc<OneTimeKeys>,
    pub(super) cross_signing: Arc<CrossSigning>,
    pub(super) key_signatures: Arc<KeySignatures>,
    pub(super) key_backup: Arc<KeyBackup>,
    pub(super) dehydrated_devices: Arc<DehydratedDevices>,
}

/// What was noticed of the keys and joins of other cells' people.
pub(super) fn key_incidents(known: Known<'_>, surroundings: &Surroundings) -> Arc<KeyIncidents> {
    let Known { store, users, rooms, keys, events, .. } = known;
    let state = (Arc::clone(rooms), Arc::clone(keys), Arc::clone(events));
    Arc::new(KeyIncidents::new(store.clone(), Arc::clone(&surroundings.clock), Arc::clone(users), state))
}

/// What tells others of devices.
#[derive(Clone, Copy)]
pub(super) struct OfDevices<'a> {
    pub(super) device_lists: &'a Arc<DeviceLists>,
    pub(super) copies: &'a Arc<DeviceListCopies>,
    pub(super) to_device: &'a Arc<ToDevice>,
    pub(super) departures: &'a Arc<Departures>,
}

/// Whose devices are here, and what is known of those elsewhere.
pub(super) fn lists(
    store: &Store,
    (users, wakers, outbound): (&Arc<Users>, &Arc<Wakers>, &Arc<OutboundBell>),
    federation: &Federation,
    surroundings: &Surroundings,
) -> (Arc<DeviceLists>, Arc<DeviceListCopies>) {
    let (clock, peers) = (Arc::clone(&surroundings.clock), Arc::clone(&federation.peers));
    let lists = DeviceLists::new(store.clone(), Arc::clone(users), Arc::clone(wakers), Arc::clone(outbound));
    let lists = Arc::new(lists);
    let copies = DeviceListCopies::new(store.clone(), clock, Arc::clone(&lists), peers);
    (lists, Arc::new(copies))
}

/// Messages to devices, here and elsewhere.
pub(super) fn to_device(
    store: &Store,
    (users, wakers): (&Arc<Users>, &Arc<Wakers>),
    (destinations, outbound): (&Arc<Destinations>, &Arc<OutboundBell>),
    surroundings: &Surroundings,
) -> Arc<ToDevice> {
    Arc::new(ToDevice::new(ToDeviceParts {
        store: store.clone(),
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
        wakers: Arc::clone(wakers),
        users: Arc::clone(users),
        destinations: Arc::clone(destinations),
        outbound: Arc::clone(outbound),
    }))
}

pub(super) fn wire(
    known: Known<'_>,
    lists: OfDevices<'_>,
    uia: &Arc<Uia>,
    (federation, withholds_unsigned): (&Federation, bool),
    surroundings: &Surroundings,
) -> Encryption {
    let Known { store, users, .. } = known;
    let OfDevices { device_lists, copies, to_device, departures } = lists;
    let device_keys = Arc::new(DeviceKeys::new(
        store.clone(),
        Arc::clone(users),
        Arc::clone(device_lists),
        Arc::clone(copies),
        UnsignedDevices::new(Arc::clone(users), withholds_unsigned),
    ));
    Encryption {
        one_time_keys: Arc::new(OneTimeKeys::new(
            store.clone(),
            Arc::clone(users),
            Arc::clone(&federation.peers),
            Arc::clone(departures),
            Arc::clone(&device_keys),
        )),
        device_keys,
        cross_signing: Arc::new(CrossSigning::new(store.clone(), Arc::clone(device_lists), Arc::clone(uia))),
        key_signatures: Arc::new(KeySignatures::new(store.clone(), Arc::clone(device_lists))),
        key_backup: Arc::new(KeyBackup::new(store.clone())),
        dehydrated_devices: Arc::new(DehydratedDevices::new(
            store.clone(),
            Arc::clone(&surroundings.clock),
            Arc::clone(device_lists),
            Arc::clone(to_device),
        )),
    }
}
