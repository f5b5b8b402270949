//! POST /_matrix/client/v3/keys/signatures/upload (End-to-end encryption: cross-signing)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use domicile_app::{
    Error,
    e2ee::{KeySignatures, key_signatures},
};
use ruma::api::client::keys::upload_signatures::v3::{Failure, Request, Response};
use serde_json::json;

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Takes signatures over keys.
pub(super) async fn upload_signatures(
    State(key_signatures): State<Arc<KeySignatures>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let failures = key_signatures.upload(&request.session, request.body.signed_keys).await?;
    let mut response = Response::new();
    for (user_id, keys) in failures {
        let keys =
            keys.into_iter().map(|(key, why)| Ok((key, failure(&why)?))).collect::<Result<BTreeMap<_, _>, Error>>()?;
        response.failures.insert(user_id, keys);
    }
    Ok(Answer(response))
}

/// ruma has no constructor for it.
fn failure(why: &key_signatures::Failure) -> Result<Failure, Error> {
    serde_json::from_value(json!({ "errcode": why.kind.code(), "error": why.message })).map_err(Error::internal)
}
