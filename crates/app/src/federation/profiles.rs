//! Profiles of users of other servers, asked of their servers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, MINUTE_MS, SECOND_MS},
    error::MatrixError,
    limits,
};
use ruma::{OwnedUserId, UserId, api::federation::query::get_profile_information::v1::Request};
use serde_json::{Map, Value};

use super::{Bounds, Kept, Peers};
use crate::residency::Localities;

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 2 * limits::PROFILE_BYTES };
/// How long an invitation waits for what the invited call themselves.
const PATIENCE: Duration = Duration::from_secs(3);
/// Profiles that are remembered.
const KEPT: usize = 10_000;
/// For how long they are, in milliseconds, and for how long is remembered that there was no answer.
const LIVES_MS: (i64, i64) = (10 * SECOND_MS, MINUTE_MS);
/// Fields that are text where they are there.
const TEXTS: [&str; 2] = ["displayname", "avatar_url"];

/// The fields of a profile.
pub type Fields = Arc<BTreeMap<String, Value>>;

/// Asks for profiles.
pub struct RemoteProfiles {
    peers: Arc<Peers>,
    localities: Arc<Localities>,
    kept: Kept<OwnedUserId, Result<Fields, MatrixError>>,
}

impl RemoteProfiles {
    /// Asks through `peers`.
    pub fn new(peers: Arc<Peers>, localities: Arc<Localities>, clock: Arc<dyn Clock>) -> Self {
        Self { peers, localities, kept: Kept::new(clock, KEPT) }
    }

    /// The profile of a user of another server.
    pub async fn get(&self, user_id: &UserId) -> Result<Fields, MatrixError> {
        if let Some(known) = self.kept.get(user_id) {
            return known;
        }
        let peer = self.localities.peer_of(user_id);
        let server_name = &*peer;
        let asked = self.peers.ask(server_name, Request::new(user_id.to_owned()), BOUNDS).await;
        let answer = match asked {
            Ok(answer) => Ok(Arc::new(answer.into_iter().filter(|(field, value)| fits(field, value)).collect())),
            Err(error) => Err(error.told(server_name)),
        };
        let life_ms = if answer.is_ok() { LIVES_MS.0 } else { LIVES_MS.1 };
        self.kept.put(user_id.to_owned(), answer.clone(), life_ms);
        answer
    }

    /// What a user of another server calls themselves, if they were asked for a moment ago.
    pub fn remembered(&self, user_id: &UserId) -> Option<Map<String, Value>> {
        let fields = self.kept.get(user_id)?.ok()?;
        Some(TEXTS.into_iter().filter_map(|field| Some((field.to_owned(), fields.get(field)?.clone()))).collect())
    }

    /// What stands in a user's member events, as far as their server tells it soon.
    pub async fn shown(&self, user_id: &UserId) -> BTreeMap<String, Value> {
        let Ok(Ok(fields)) = tokio::time::timeout(PATIENCE, self.get(user_id)).await else { return BTreeMap::new() };
        let shown = TEXTS.into_iter().filter_map(|field| Some((field.to_owned(), fields.get(field)?.clone())));
        shown.collect()
    }
}

fn fits(field: &str, value: &Value) -> bool {
    let short = !field.is_empty() && field.len() <= limits::ID_BYTES;
    short && !value.is_null() && (value.is_string() || !TEXTS.contains(&field))
}
