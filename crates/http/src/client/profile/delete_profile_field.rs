//! DELETE /_matrix/client/v3/profile/{userId}/{keyName} (Profiles)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::profile::Profiles;
use ruma::api::client::profile::delete_profile_field::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Takes back something that the user said about themselves.
pub(super) async fn delete_profile_field(
    State(profiles): State<Arc<Profiles>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    profiles.set(&request.session, &request.body.user_id, request.body.field.as_ref(), None).await?;
    Ok(Answer(Response::new()))
}
