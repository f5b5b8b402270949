//! DELETE /_matrix/client/v3/directory/room/{roomAlias} (Room aliases)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Directory;
use ruma::api::client::alias::delete_alias::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Takes an alias away.
pub(super) async fn delete_alias(
    State(directory): State<Arc<Directory>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    directory.remove(&request.session, &body.room_alias).await?;
    Ok(Answer(Response::new()))
}
