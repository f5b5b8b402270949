//! POST /_matrix/key/v2/query (Querying Keys Through Another Server)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use domicile_app::{
    accounts::{Limit, RateLimits},
    federation::Notary,
};
use ruma::api::federation::discovery::get_remote_server_keys_batch::v2::{QueryCriteria, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// The keys of other servers.
pub(super) async fn get_remote_server_keys_batch(
    State(notary): State<Arc<Notary>>,
    State(limits): State<Arc<RateLimits>>,
    request: Public<Request>,
) -> Reply<Response> {
    limits.check_address(Limit::ServerKeys, request.client.address)?;
    let latest = |criteria: BTreeMap<_, QueryCriteria>| {
        criteria.values().filter_map(|criterion| criterion.minimum_valid_until_ts).map(|ts| ts.get().into()).max()
    };
    let wanted = request.body.server_keys.into_iter().map(|(name, criteria)| (name, latest(criteria).unwrap_or(0)));
    Ok(Answer(Response::new(notary.query(wanted.collect()).await?)))
}
