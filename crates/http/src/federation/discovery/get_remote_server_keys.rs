//! GET /_matrix/key/v2/query/{serverName} (Querying Keys Through Another Server)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{RawQuery, State};
use domicile_app::{
    accounts::{Limit, RateLimits},
    federation::Notary,
};
use ruma::api::federation::discovery::get_remote_server_keys::v2::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// The keys of another server.
pub(super) async fn get_remote_server_keys(
    State(notary): State<Arc<Notary>>,
    State(limits): State<Arc<RateLimits>>,
    RawQuery(query): RawQuery,
    request: Public<Request>,
) -> Reply<Response> {
    limits.check_address(Limit::ServerKeys, request.client.address)?;
    // Without a time ruma takes that of the machine; ours is the service's.
    let has_time = query.is_some_and(|query| query.contains("minimum_valid_until_ts="));
    let until = if has_time { request.body.minimum_valid_until_ts.get().into() } else { 0 };
    let wanted = BTreeMap::from([(request.body.server_name, until)]);
    Ok(Answer(Response::new(notary.query(wanted).await?)))
}
