//! POST /_matrix/federation/v1/user/keys/query (End-to-End Encryption)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::e2ee::DeviceKeys;
use ruma::api::federation::keys::get_keys::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Tells the keys of local users and their devices.
pub(super) async fn get_keys(State(device_keys): State<Arc<DeviceKeys>>, request: Peer<Request>) -> Reply<Response> {
    let found = device_keys.query_from_afar(&request.origin, request.body.device_keys).await?;
    let mut response = Response::new(found.device_keys);
    response.master_keys = found.master_keys;
    response.self_signing_keys = found.self_signing_keys;
    Ok(Answer(response))
}
