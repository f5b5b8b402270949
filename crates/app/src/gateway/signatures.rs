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
        let by = |keys: &BTreeMap<String, PublicKey>| {
            outward::replace(event.get().as_bytes(), &signer, |key_id| keys.get(key_id))
        };
        let replaced = by(&keys.homes).or_else(|why| {
            // What a cell signed that was revoked since goes out by that and by a cell that had it before, together.
            if keys.revoked.is_empty() || by(&keys.revoked).is_err() { Err(why) } else { by(&keys.witnesses) }
        });
        match replaced {
            Ok(json) => String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok()),
            Err(why) => {
                tracing::warn!(%why, keys = ?claims.key_ids, "an event does not go out");
                None
            }
        }
    }

    /// The keys whose signatures count: of cells that were a home of somebody in whose name they may be, and of witnesses.
    fn counting(&self, claims: &Claims) -> Counting {
        let mut counting = Counting::default();
        let Some(cells) = self.localities.cells() else { return counting };
        let document = cells.own.document();
        let histories: Vec<_> = claims.users.iter().filter_map(|user| cells.tickets.get(user)).collect();
        for (id, found) in claims.key_ids.iter().filter_map(|id| Some((id, document.cell_key(id)?))) {
            let Ok(key) = PublicKey::new(found.key.as_bytes(), ALWAYS) else { continue };
            let was_home = histories.iter().any(|history| history.was_home(found.cell));
            let is_revoked = found.standing == KeyStanding::Revoked;
            if !is_revoked {
                counting.witnesses.insert(id.clone(), key.clone());
            }
            match (was_home, is_revoked) {
                (true, true) => drop(counting.revoked.insert(id.clone(), key)),
                (true, false) => drop(counting.homes.insert(id.clone(), key)),
                (false, _) => {}
            }
        }
        counting
    }
}

/// The keys that signed an event, by what their signatures are worth.
#[derive(Default)]
struct Counting {
    /// Of homes.
    homes: BTreeMap<String, PublicKey>,
    /// Of homes that were revoked since.
    revoked: BTreeMap<String, PublicKey>,
    /// Of cells at work.
    witnesses: BTreeMap<String, PublicKey>,
}
