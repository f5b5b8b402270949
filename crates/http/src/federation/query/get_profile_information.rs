//! GET /_matrix/federation/v1/query/profile (Server-Server: Querying for information)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::profile::Profiles;
use ruma::api::federation::query::get_profile_information::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// The profile of a user of this server, or one field of it.
pub(super) async fn get_profile_information(
    State(profiles): State<Arc<Profiles>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { user_id, field, .. } = request.body;
    let field = field.as_ref().map(ruma::profile::ProfileFieldName::as_str);
    let fields = profiles.of_ours(&request.origin, &user_id, field).await?;
    Ok(Answer(fields.into_iter().collect()))
}
