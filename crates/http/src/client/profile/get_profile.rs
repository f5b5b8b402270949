//! GET /_matrix/client/v3/profile/{userId} (Profiles)

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use domicile_app::{
    accounts::{Key, RateLimits, Users},
    profile::Profiles,
};
use ruma::api::client::profile::get_profile::v3::Request;
use serde_json::Value;

use crate::{error::Failure, extract::Public};

/// What somebody says about themselves.
pub(super) async fn get_profile(
    State(profiles): State<Arc<Profiles>>,
    State(users): State<Arc<Users>>,
    State(limits): State<Arc<RateLimits>>,
    request: Public<Request>,
) -> Result<Json<BTreeMap<String, Value>>, Failure> {
    let key = request.client.address.map(Key::address);
    limits.check_strangers(users.localities(), key, &[&request.body.user_id])?;
    Ok(Json(profiles.get(&request.body.user_id).await?))
}
