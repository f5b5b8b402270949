//! Notifications to push gateways.

use std::sync::Arc;

use domicile_app::{
    account_data::Ignored,
    push::{Delivery, DeliveryParts, Gateways, NewsParts, PushBell, PushClasses},
};
use domicile_egress::Client;

use super::{Surroundings, remote::Known};

/// What notifications need beside the rooms.
pub(super) struct Notifying<'a> {
    pub(super) client: Client,
    pub(super) bell: &'a Arc<PushBell>,
    pub(super) gateways: &'a Arc<Gateways>,
    pub(super) classes: &'a Arc<PushClasses>,
    pub(super) ignored: &'a Arc<Ignored>,
}

pub(super) fn wire(
    known: Known<'_>,
    notifying: Notifying<'_>,
    surroundings: &Surroundings,
) -> (Arc<NewsParts>, Arc<Delivery>) {
    let Known { store, users, rooms, events, keys, trees, .. } = known;
    let Notifying { client, bell, gateways, classes, ignored } = notifying;
    let news = Arc::new(NewsParts {
        events: Arc::clone(events),
        rooms: Arc::clone(rooms),
        classes: Arc::clone(classes),
        ignored: Arc::clone(ignored),
    });
    let delivery = Arc::new(Delivery::new(DeliveryParts {
        store: store.clone(),
        clock: Arc::clone(&surroundings.clock),
        keystore: Arc::clone(&surroundings.keystore),
        client,
        bell: Arc::clone(bell),
        gateways: Arc::clone(gateways),
        news: Arc::clone(&news),
        users: Arc::clone(users),
        keys: Arc::clone(keys),
        trees: Arc::clone(trees),
    }));
    (news, delivery)
}
