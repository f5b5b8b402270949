//! GET /_matrix/client/v3/capabilities (Capabilities negotiation)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use domicile_app::rooms::{RoomMaker, create::OFFERED};
use ruma::{
    RoomVersionId,
    api::client::discovery::get_capabilities::v3::{
        Capabilities, ChangePasswordCapability, GetLoginTokenCapability, ProfileFieldsCapability, Request, Response,
        RoomVersionStability, RoomVersionsCapability, ThirdPartyIdChangesCapability,
    },
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells what users can do here.
pub(super) async fn get_capabilities(
    State(maker): State<Arc<RoomMaker>>,
    _request: Authed<Request>,
) -> Reply<Response> {
    let versions = OFFERED.iter().filter_map(|version| RoomVersionId::try_from(*version).ok());
    let available: BTreeMap<_, _> = versions.map(|version| (version, RoomVersionStability::Stable)).collect();
    let mut capabilities = Capabilities::new();
    capabilities.change_password = ChangePasswordCapability::new(true);
    capabilities.room_versions = RoomVersionsCapability::new(maker.default_version().clone(), available);
    capabilities.thirdparty_id_changes = ThirdPartyIdChangesCapability::new(false);
    capabilities.get_login_token = GetLoginTokenCapability::new(false);
    capabilities.profile_fields = Some(ProfileFieldsCapability::new(true));
    Ok(Answer(Response::new(capabilities)))
}
