//! PUT /_matrix/client/v3/directory/room/{roomAlias} (Room aliases)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Directory;
use ruma::api::client::alias::create_alias::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Gives a room an alias.
pub(super) async fn create_alias(
    State(directory): State<Arc<Directory>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    directory.add(&request.session, &body.room_alias, &body.room_id).await?;
    Ok(Answer(Response::new()))
}
