//! GET /_matrix/client/v3/user/{userId}/filter/{filterId} (Filtering)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{Error, account_data::Filters};
use ruma::api::client::filter::get_filter::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    client::config::own,
    extract::Authed,
};

/// Gives a stored filter.
pub(super) async fn get_filter(State(filters): State<Arc<Filters>>, request: Authed<Request>) -> Reply<Response> {
    own(&request.session, &request.body.user_id)?;
    let definition = filters.get(&request.session, &request.body.filter_id).await?;
    Ok(Answer(Response::new(serde_json::from_str(&definition).map_err(Error::internal)?)))
}
