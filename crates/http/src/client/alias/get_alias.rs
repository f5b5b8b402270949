//! GET /_matrix/client/v3/directory/room/{roomAlias} (Room aliases)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Limit, RateLimits},
    rooms::Directory,
};
use ruma::api::client::alias::get_alias::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Tells which room an alias names.
pub(super) async fn get_alias(
    State(directory): State<Arc<Directory>>,
    State(limits): State<Arc<RateLimits>>,
    request: Public<Request>,
) -> Reply<Response> {
    limits.check_address(Limit::Searches, request.client.address)?;
    let body = request.body;
    let named = directory.room_of(&body.room_alias).await?;
    Ok(Answer(Response::new(named.room_id.clone(), named.shown())))
}
