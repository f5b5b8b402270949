//! What a cell had signed before it was revoked lives on by the signatures of others.
//!
//! From the document on that revokes a cell, nothing counts that has its signature alone: whoever has its key could write into the past. What another
//! cell has on its disk by then, it had before, and when it serves it, it adds its own signature as a **witness**. Who is served takes it by
//! both: the signature of the cell that was the sender's home, and that of a cell at work. Neither alone is enough.

use std::collections::{BTreeMap, BTreeSet};

use domicile_residency::deployment::KeyStanding;
use domicile_room::event::{Pdu, sign};
use ruma::room_version_rules::RoomVersionRules;
use serde::Deserialize;

use super::Localities;
use crate::{Error, Result};

/// As much of an event as says who signed it.
#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    signatures: BTreeMap<String, BTreeMap<String, String>>,
}

impl Localities {
    /// Whether an event says to have this cell's signature.
    pub(super) fn has_signed(&self, pdu: &Pdu) -> bool {
        let Some(own_id) = self.cells().map(|cells| cells.own.key().public().cell_key_id()) else { return false };
        let signed: Option<Signed> = serde_json::from_slice(pdu.json()).ok();
        let ids = signed.and_then(|mut signed| signed.signatures.remove(self.server_name().as_str()));
        ids.is_some_and(|ids| ids.contains_key(&own_id))
    }

    /// An event of this cell's disk with this cell's signature as a witness, if a cell signed it that was revoked since.
    pub(super) fn witnessed(&self, pdu: &Pdu, rules: &RoomVersionRules) -> Result<Option<Pdu>> {
        let Some(cells) = self.cells() else { return Ok(None) };
        let document = cells.own.document();
        if document.revoked.is_empty() {
            return Ok(None);
        }
        let mut signed: Signed = serde_json::from_slice(pdu.json()).map_err(Error::internal)?;
        let ids = signed.signatures.remove(self.server_name().as_str()).unwrap_or_default();
        let ids: BTreeSet<String> = ids.into_keys().collect();
        let is_revoked =
            |id: &String| document.cell_key(id).is_some_and(|found| found.standing == KeyStanding::Revoked);
        let own_id = cells.own.key().public().cell_key_id();
        if ids.contains(&own_id) || !ids.iter().any(is_revoked) {
            return Ok(None);
        }
        match sign::sign_again(pdu, rules, &*cells.own.signer()?) {
            Ok(witnessed) => Ok(Some(witnessed)),
            Err(error) => {
                // Of the largest size that there is: it goes as it is.
                tracing::warn!(%error, "an event of a cell that was revoked cannot be witnessed");
                Ok(None)
            }
        }
    }
}
