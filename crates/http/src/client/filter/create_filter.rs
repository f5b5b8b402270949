//! POST /_matrix/client/v3/user/{userId}/filter (Filtering)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{Error, account_data::Filters};
use ruma::api::client::filter::create_filter::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    client::config::own,
    extract::Authed,
};

/// Stores a filter.
pub(super) async fn create_filter(State(filters): State<Arc<Filters>>, request: Authed<Request>) -> Reply<Response> {
    own(&request.session, &request.body.user_id)?;
    let definition = serde_json::to_string(&request.body.filter).map_err(Error::internal)?;
    Ok(Answer(Response::new(filters.add(&request.session, definition).await?)))
}
