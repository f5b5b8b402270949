//! Those who tell people in their clients what has to do with other cells: of moves, of keys, of cuts.

use std::sync::Arc;

use domicile_app::{
    e2ee::KeyIncidents,
    standing::{CutNotices, Jurisdictions, KeyNotices, MoveNotices, Notices},
};
use domicile_core::clock::Clock;
use domicile_http::state::Services;
use domicile_store::Store;

/// Those who tell people in their clients what has to do with other cells.
pub(super) struct Tellers {
    pub(super) moves: Arc<MoveNotices>,
    pub(super) keys: Arc<KeyNotices>,
    pub(super) cuts: Arc<CutNotices>,
}

impl Tellers {
    pub(super) fn new(
        (store, clock): (&Store, &Arc<dyn Clock>),
        services: &Services,
        (notices, jurisdictions): (&Arc<Notices>, &Arc<Jurisdictions>),
        key_incidents: &Arc<KeyIncidents>,
        public_url: Option<String>,
    ) -> Self {
        let (users, notices, jurisdictions) =
            (|| Arc::clone(&services.users), || Arc::clone(notices), || Arc::clone(jurisdictions));
        Self {
            moves: Arc::new(MoveNotices::new(
                Arc::clone(&services.moves),
                notices(),
                jurisdictions(),
                users(),
                public_url,
            )),
            keys: Arc::new(KeyNotices::new(Arc::clone(key_incidents), notices(), jurisdictions(), users())),
            cuts: Arc::new(CutNotices::new(store.clone(), Arc::clone(clock), notices(), jurisdictions(), users())),
        }
    }
}
