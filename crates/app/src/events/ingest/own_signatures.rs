//! Whose signature counts on an event of the deployment's own people: that of a cell that was the user's home, or of a key that spoke for the
//! deployment to other servers. A cell whose key somebody stole can sign for its own people, and for nobody else.

use std::collections::BTreeMap;

use domicile_residency::deployment::{KeyStanding, OuterKey};
use domicile_room::event::receive::{self, PublicKey, Required};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, OwnedUserId, UInt, UserId, room_version_rules::RoomVersionRules,
};

use super::Ingest;
use crate::{Error, Result, federation::Listed};

/// The keys that count, for some events.
pub(super) struct OwnKnown {
    pub(super) server_name: OwnedServerName,
    /// Keys of homes, by the user and the key's id.
    homes: BTreeMap<OwnedUserId, BTreeMap<String, PublicKey>>,
    /// Keys for other servers, by their ids.
    outer: BTreeMap<String, PublicKey>,
    /// Keys of homes that were revoked since, as `homes` has the others. They count only beside a witness.
    revoked: BTreeMap<OwnedUserId, BTreeMap<String, PublicKey>>,
    /// Keys for other servers of gateways that were revoked since. These too count only beside a witness: whatever time an event names, its signature
    /// may be of today.
    revoked_outer: BTreeMap<String, PublicKey>,
    /// Keys of cells that can be one.
    witnesses: BTreeMap<String, PublicKey>,
}

impl OwnKnown {
    pub(super) fn key(&self, user: Option<&UserId>, key_id: &str) -> Option<&PublicKey> {
        let of_home = user.and_then(|user| self.homes.get(user)?.get(key_id));
        of_home.or_else(|| self.outer.get(key_id))
    }

    /// The same where homes count that were revoked since.
    pub(super) fn key_of_any_home(&self, user: Option<&UserId>, key_id: &str) -> Option<&PublicKey> {
        let of_home = || user.and_then(|user| self.revoked.get(user)?.get(key_id));
        self.key(user, key_id).or_else(of_home).or_else(|| self.revoked_outer.get(key_id))
    }

    /// The key of a cell at work, whoever's home it is.
    pub(super) fn witness(&self, key_id: &str) -> Option<&PublicKey> {
        self.witnesses.get(key_id)
    }

    /// Whether any of the events may need one.
    pub(super) fn has_revoked(&self) -> bool {
        !self.revoked.is_empty() || !self.revoked_outer.is_empty()
    }
}

impl Ingest {
    /// The keys with which the deployment may have signed these events; nothing if it has one cell, whose keys are those of a server.
    pub(super) async fn own_keys_of(&self, pieces: &[Listed], rules: &RoomVersionRules) -> Result<Option<OwnKnown>> {
        let localities = self.users.localities();
        let Some(cells) = localities.cells() else { return Ok(None) };
        let mut ours: Vec<Required> = Vec::new();
        for json in pieces.iter().flat_map(Listed::texts) {
            // What is no event is refused when it is read again.
            let Ok(event) = receive::read(json?.as_bytes(), rules) else { continue };
            ours.extend(event.required().iter().filter(|required| localities.is_ours(&required.server)).cloned());
        }
        let users: Vec<&UserId> = ours.iter().filter_map(|required| required.user.as_deref()).collect();
        localities.meet(&users).await?;
        let document = cells.own.document();
        let mut known = OwnKnown {
            server_name: localities.server_name().to_owned(),
            homes: BTreeMap::new(),
            outer: BTreeMap::new(),
            revoked: BTreeMap::new(),
            revoked_outer: BTreeMap::new(),
            witnesses: BTreeMap::new(),
        };
        for (key_id, outer) in &document.outer_keys {
            let is_revoked = document.is_revoked_outer(outer);
            let keys = if is_revoked { &mut known.revoked_outer } else { &mut known.outer };
            keys.insert(key_id.clone(), until(outer)?);
        }
        let own_outer = self.server_keys.own_public();
        known.outer.insert(own_outer.0, PublicKey::from_base64(&own_outer.1, ALWAYS).map_err(Error::internal)?);
        for Required { user, signatures, .. } in &ours {
            let Some(user) = user else { continue };
            let Some(history) = cells.tickets.get(user) else { continue };
            for (key_id, _) in signatures {
                let Some(found) = document.cell_key(key_id) else { continue };
                let is_revoked = found.standing == KeyStanding::Revoked;
                if !is_revoked && !document.revoked.is_empty() {
                    known.witnesses.insert(key_id.clone(), ready(found.key.as_bytes())?);
                }
                if history.was_home(found.cell) {
                    // Of a cell that was revoked nothing counts that nobody had before.
                    let of_all = if is_revoked { &mut known.revoked } else { &mut known.homes };
                    let of_user = of_all.entry(user.clone()).or_default();
                    of_user.insert(key_id.clone(), ready(found.key.as_bytes())?);
                }
            }
        }
        Ok(Some(known))
    }
}

/// The document says until when a cell's key counts: while it stands there.
const ALWAYS: MilliSecondsSinceUnixEpoch = MilliSecondsSinceUnixEpoch(UInt::MAX);

/// A key for other servers, which counts for events until its use ended, as it does for them.
fn until(outer: &OuterKey) -> Result<PublicKey> {
    let end = outer.expired_ts.and_then(|end| UInt::try_from(end).ok());
    let end = end.map_or(ALWAYS, MilliSecondsSinceUnixEpoch);
    PublicKey::new(outer.key.as_bytes(), end).map_err(Error::internal)
}

fn ready(key: &[u8; 32]) -> Result<PublicKey> {
    PublicKey::new(key, ALWAYS).map_err(Error::internal)
}
