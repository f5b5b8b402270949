//! The signature that other servers know, in place of those of cells.

use std::{collections::BTreeMap, sync::Arc};

use domicile_residency::deployment::{KeyStanding, keys::is_cell_key_id};
use domicile_room::event::{
    outward::{self, Claims},
    receive::PublicKey,
};
use ruma::{MilliSecondsSinceUnixEpoch, UInt, UserId};
use serde_json::value::RawValue;

use crate::{Result, federation::OwnKeys, residency::Localities};

/// The document says until when a cell's key counts: while it stands there.
const ALWAYS: MilliSecondsSinceUnixEpoch = MilliSecondsSinceUnixEpoch(UInt::MAX);

/// Replaces signatures.
pub struct OuterSignatures {
    localities: Arc<Localities>,
    own_keys: Arc<OwnKeys>,
}

impl OuterSignatures {
    /// With the outer key of `own_keys`.
    pub fn new(localities: Arc<Localities>, own_keys: Arc<OwnKeys>) -> Self {
        Self { localities, own_keys }
    }

    /// Events as they go to another server, in their order. One that no home has signed which could have is left out: nobody outside would
    /// believe it.
    pub async fn replaced(&self, events: Vec<Box<RawValue>>) -> Result<Vec<Box<RawValue>>> {
        let server = self.localities.server_name();
        let claims: Vec<Option<Claims>> =
            events.iter().map(|event| outward::claims(event.get().as_bytes(), server, is_cell_key_id)).collect();
        let users: Vec<&UserId> =
            claims.iter().flatten().flat_map(|claims| &claims.users).map(|user| &**user).collect();
        self.localities.meet(&users).await?;
        let events = events.into_iter().zip(claims);
        Ok(events
            .filter_map(|(event, claims)| match claims {
                None => Some(event),
                Some(claims) => self.one(&event, &claims),
            })
            .collect())
    }

    fn one(&self, event: &RawValue, claims: &Claims) -> Option<Box<RawValue>> {
        let keys = self.counting(claims);
        let signer = self.own_keys.outer();
        match outward::replace(event.get().as_bytes(), &signer, |key_id| keys.get(key_id)) {
            Ok(json) => String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok()),
            Err(why) => {
                tracing::warn!(%why, keys = ?claims.key_ids, "an event does not go out");
                None
            }
        }
    }

    /// The keys whose signatures count: of cells that were a home of somebody in whose name they may be.
    fn counting(&self, claims: &Claims) -> BTreeMap<String, PublicKey> {
        let Some(cells) = self.localities.cells() else { return BTreeMap::new() };
        let document = cells.own.document();
        let histories: Vec<_> = claims.users.iter().filter_map(|user| cells.tickets.get(user)).collect();
        let found = claims.key_ids.iter().filter_map(|id| Some((id, document.cell_key(id)?)));
        let found = found.filter(|(_, found)| found.standing != KeyStanding::Revoked);
        let found = found.filter(|(_, found)| histories.iter().any(|history| history.was_home(found.cell)));
        found.filter_map(|(id, found)| Some((id.clone(), PublicKey::new(found.key.as_bytes(), ALWAYS).ok()?))).collect()
    }
}
