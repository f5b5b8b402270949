//! PUT /_matrix/client/v3/profile/{userId}/{keyName} (Profiles)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::profile::Profiles;
use ruma::api::client::profile::set_profile_field::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Sets something that the user says about themselves.
pub(super) async fn set_profile_field(
    State(profiles): State<Arc<Profiles>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    let (field, value) = (body.value.field_name().to_string(), body.value.value().into_owned());
    profiles.set(&request.session, &body.user_id, &field, Some(value)).await?;
    Ok(Answer(Response::new()))
}
