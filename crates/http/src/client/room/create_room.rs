//! POST /_matrix/client/v3/createRoom (Rooms: Creation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::create::Preset;
use domicile_app::rooms::{RoomMaker, RoomRequest};
use domicile_core::error::{ErrorKind, MatrixError};
use ruma::{
    api::client::room::{
        Visibility,
        create_room::v3::{Request, Response, RoomPreset},
    },
    serde::Raw,
};
use serde::de::DeserializeOwned;

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Makes a room.
pub(super) async fn create_room(
    State(maker): State<Arc<RoomMaker>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    if !body.invite_3pid.is_empty() {
        let told = "This server knows no third-party ids: invite by Matrix id.";
        return Err(ErrorKind::ThreepidDenied.with(told).into());
    }
    let preset = match body.preset {
        None => None,
        Some(RoomPreset::PrivateChat) => Some(Preset::PrivateChat),
        Some(RoomPreset::PublicChat) => Some(Preset::PublicChat),
        Some(RoomPreset::TrustedPrivateChat) => Some(Preset::TrustedPrivateChat),
        Some(other) => return Err(ErrorKind::InvalidParam.with(format!("There is no preset `{other}`.")).into()),
    };
    let wanted = RoomRequest {
        version: body.room_version,
        preset,
        public: body.visibility == Visibility::Public,
        creation_content: body.creation_content.as_ref().map(read).transpose()?.unwrap_or_default(),
        initial_state: body.initial_state.iter().map(read).collect::<Result<_, _>>()?,
        power_level_override: body.power_level_content_override.as_ref().map(read).transpose()?.unwrap_or_default(),
        invite: body.invite,
        is_direct: body.is_direct,
        name: body.name,
        topic: body.topic,
        alias_name: body.room_alias_name,
        encrypt: None,
    };
    Ok(Answer(Response::new(maker.create(&request.session, wanted).await?)))
}

fn read<R, T: DeserializeOwned>(raw: &Raw<R>) -> Result<T, MatrixError> {
    serde_json::from_str(raw.json().get())
        .map_err(|error| ErrorKind::BadJson.with(format!("The request does not fit: {error}")))
}
