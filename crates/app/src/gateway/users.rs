//! Who may be spoken of to another server, and where they are; what is asked of several people at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domicile_core::{
    error::ErrorKind,
    locality::{CellName, Destination, Locality},
};
use domicile_residency::{
    flow::{self, Rule},
    gateway::Operation,
};
use futures::future::join_all;
use http::Response;
use ruma::{OwnedUserId, ServerName, UserId};
use serde_json::{Map, Value};

use super::{
    Asked, Here, Inward,
    answers::{is_away, json, read},
};
use crate::{Error, Result};

/// People of whom this gateway has not heard, and for whom it asks the directory on one request of a stranger. The rest are nobody.
const LOOKED_UP: usize = 1_000;

/// What a cell answered, and of whom it was asked.
type Answered = (Response<Bytes>, Map<String, Value>);

impl Inward {
    /// Whether a server may hear anything of a cell's people. Where the rule of its region forbids it, the server is answered as if the cell were not
    /// there: a refusal would tell who lives there.
    pub(super) fn may_hear(&self, server: &ServerName, cell: &CellName) -> bool {
        let document = self.document();
        let destination = Destination::Server(server.to_owned());
        let carried = document.region_of(cell).filter(|region| document.carries(self.own(), region));
        carried.is_some_and(|region| flow::to_destination(document, region, &destination).rule != Rule::Forbid)
    }

    /// The cells that answer a server through this gateway, itself first if it is one of them.
    pub(super) fn cells_for(&self, server: &ServerName) -> Vec<CellName> {
        let cells = self.document().carried_by(self.own()).into_iter();
        cells.filter(|cell| self.may_hear(server, cell)).cloned().collect()
    }

    /// The homes of users, as far as a server may hear of them. Whoever is not there is nobody to it.
    pub(super) async fn homes(
        &self,
        server: &ServerName,
        users: &BTreeSet<OwnedUserId>,
    ) -> Result<BTreeMap<OwnedUserId, CellName>> {
        let localities = self.localities();
        let ours: Vec<&UserId> = users
            .iter()
            .map(|user_id| &**user_id)
            .filter(|user_id| localities.is_ours(user_id.server_name()))
            .collect();
        let is_unknown = |user_id: &&UserId| localities.of(user_id) == Locality::Unknown;
        let strangers: Vec<&UserId> = ours.iter().copied().filter(is_unknown).take(LOOKED_UP).collect();
        self.may_look_up(server, strangers.len())?;
        localities.meet(&strangers).await.map_err(|error| match error {
            Error::Matrix(error) if error.kind == ErrorKind::Unavailable => is_away(),
            error => error,
        })?;
        let home = |user_id: &UserId| match localities.of(user_id) {
            Locality::Here => Some(self.own().clone()),
            Locality::Elsewhere(Destination::Cell(cell)) => Some(cell),
            _ => None,
        };
        let homes = ours.into_iter().filter_map(|user_id| Some((user_id.to_owned(), home(user_id)?)));
        Ok(homes.filter(|(_, cell)| self.may_hear(server, cell)).collect())
    }

    /// The home of one.
    pub(super) async fn home(&self, server: &ServerName, user_id: &UserId) -> Result<Option<CellName>> {
        Ok(self.homes(server, &BTreeSet::from([user_id.to_owned()])).await?.remove(user_id))
    }

    /// What concerns several people: the home of each is asked, and the answers are put together.
    pub(super) async fn of_users(
        &self,
        asked: &Asked,
        operation: &Operation,
        here: &dyn Here,
    ) -> Result<Response<Bytes>> {
        let claims = operation.name == "claimUserEncryptionKeys";
        let key = if claims { "one_time_keys" } else { "device_keys" };
        let told: &[&str] = if claims { &[key] } else { &[key, "master_keys", "self_signing_keys"] };
        let mut body: Map<String, Value> = read(&asked.body)?;
        let Some(Value::Object(users)) = body.remove(key) else {
            return Err(ErrorKind::BadJson.with(format!("The request has no `{key}`.")).into());
        };
        let named = users.keys().filter_map(|user| OwnedUserId::try_from(user.as_str()).ok()).collect();
        let homes = self.homes(&asked.origin, &named).await?;
        let mut by_cell: BTreeMap<CellName, Map<String, Value>> = BTreeMap::new();
        for (user, wanted) in users {
            if let Some(cell) = <&UserId>::try_from(user.as_str()).ok().and_then(|user_id| homes.get(user_id)) {
                by_cell.entry(cell.clone()).or_default().insert(user, wanted);
            }
        }
        let count = by_cell.len();
        let asking = by_cell.into_iter().map(|(cell, users)| async move {
            let body = Bytes::from(serde_json::to_vec(&BTreeMap::from([(key, &users)])).unwrap_or_default());
            Some((self.one(&cell, &Asked { body, ..asked.clone() }, here).await?, users))
        });
        let answers: Vec<Option<Answered>> = join_all(asking).await;
        let missing = answers.iter().filter(|answer| answer.is_none()).count();
        if missing > 0 && (missing == count || !claims) {
            return Err(is_away());
        }
        let mut all: Map<String, Value> = Map::from_iter([(key.to_owned(), Value::Object(Map::new()))]);
        for (answer, users) in answers.into_iter().flatten() {
            match answer.status().as_u16() {
                200..300 => {}
                // What a cell does not let be known is answered as of nobody.
                403 | 404 => continue,
                _ => return Ok(answer),
            }
            let mut answer = read::<Map<String, Value>>(answer.body())?;
            for key in told {
                let Some(Value::Object(mut found)) = answer.remove(*key) else { continue };
                // A cell speaks of those whose home it is, and of nobody else.
                found.retain(|user, _| users.contains_key(user));
                if let Value::Object(all) = all.entry(*key).or_insert_with(|| Value::Object(Map::new())) {
                    all.extend(found);
                }
            }
        }
        json(&all)
    }
}
