//! Notifications to push gateways, and what people set for themselves.

use std::sync::Arc;

use domicile_app::{
    account_data::{AccountData, Ignored},
    push::{Delivery, DeliveryParts, Gateways, NewsParts, PushBell, PushClasses, PushRules},
    rooms::Successions,
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

/// What people set for themselves, and what follows them from room to room.
pub(super) struct OwnData {
    pub(super) account_data: Arc<AccountData>,
    pub(super) push_rules: Arc<PushRules>,
    pub(super) successions: Arc<Successions>,
}

pub(super) fn own_data(known: Known<'_>, ignored: &Arc<Ignored>, classes: &Arc<PushClasses>) -> OwnData {
    let Known { store, rooms, events, keys, wakers, .. } = known;
    let account_data = Arc::new(AccountData::new(
        store.clone(),
        Arc::clone(rooms),
        Arc::clone(wakers),
        Arc::clone(ignored),
        Arc::clone(classes),
    ));
    let push_rules = Arc::new(PushRules::new(store.clone(), Arc::clone(&account_data), Arc::clone(classes)));
    let successions = Arc::new(Successions::new(
        store.clone(),
        Arc::clone(rooms),
        Arc::clone(keys),
        Arc::clone(events),
        Arc::clone(&account_data),
        Arc::clone(&push_rules),
    ));
    OwnData { account_data, push_rules, successions }
}
