//! What passes: who is online, who types, and what other servers tell beside events.

use std::sync::Arc;

use domicile_app::{
    e2ee::{DeviceListCopies, DeviceLists},
    ephemeral::{Presence, PresenceNotices, Typing, TypingNotices},
    events::wake::Wakers,
    federation::{Edus, EdusParts, OutboundBell},
};

use super::{Surroundings, remote::Known};

/// What is in memory of it.
pub(super) struct Boards {
    pub(super) presence: Arc<Presence>,
    pub(super) presence_watchers: Arc<Wakers>,
    pub(super) typing: Arc<Typing>,
}

/// What changes it.
pub(super) struct Told {
    pub(super) presence: Arc<PresenceNotices>,
    pub(super) typing: Arc<TypingNotices>,
    pub(super) edus: Arc<Edus>,
}

pub(super) fn wire(
    known: Known<'_>,
    boards: Boards,
    (lists, copies, bell): (&Arc<DeviceLists>, &Arc<DeviceListCopies>, &Arc<OutboundBell>),
    surroundings: &Surroundings,
) -> Told {
    let Known { store, users, rooms, events, wakers, waiting_receipts, .. } = known;
    let clock = || Arc::clone(&surroundings.clock);
    let presence = Arc::new(PresenceNotices::new(
        store.clone(),
        clock(),
        boards.presence,
        Arc::clone(users),
        Arc::clone(rooms),
        boards.presence_watchers,
        Arc::clone(bell),
    ));
    let typing =
        Arc::new(TypingNotices::new(clock(), boards.typing, Arc::clone(rooms), Arc::clone(wakers), Arc::clone(bell)));
    let edus = Arc::new(Edus::new(EdusParts {
        store: store.clone(),
        clock: clock(),
        users: Arc::clone(users),
        rooms: Arc::clone(rooms),
        events: Arc::clone(events),
        typing: Arc::clone(&typing),
        presence: Arc::clone(&presence),
        lists: Arc::clone(lists),
        copies: Arc::clone(copies),
        wakers: Arc::clone(wakers),
        waiting_receipts: Arc::clone(waiting_receipts),
    }));
    Told { presence, typing, edus }
}
