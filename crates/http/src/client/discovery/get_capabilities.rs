//! GET /_matrix/client/v3/capabilities (Capabilities negotiation)

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use domicile_app::{
    accounts::{LoginTokens, Standings},
    rooms::{RoomMaker, create::OFFERED},
};
use ruma::{
    RoomVersionId,
    api::client::discovery::get_capabilities::v3::{
        AccountModerationCapability, Capabilities, ChangePasswordCapability, GetLoginTokenCapability,
        ProfileFieldsCapability, Request, Response, RoomVersionStability, RoomVersionsCapability,
        ThirdPartyIdChangesCapability,
    },
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells what users can do here.
pub(super) async fn get_capabilities(
    State(maker): State<Arc<RoomMaker>>,
    State(standings): State<Arc<Standings>>,
    State(login_tokens): State<Arc<LoginTokens>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let versions = OFFERED.iter().filter_map(|version| RoomVersionId::try_from(*version).ok());
    let available: BTreeMap<_, _> = versions.map(|version| (version, RoomVersionStability::Stable)).collect();
    let mut capabilities = Capabilities::new();
    capabilities.change_password = ChangePasswordCapability::new(true);
    capabilities.room_versions = RoomVersionsCapability::new(maker.default_version().clone(), available);
    capabilities.thirdparty_id_changes = ThirdPartyIdChangesCapability::new(false);
    capabilities.get_login_token = GetLoginTokenCapability::new(login_tokens.are_offered());
    capabilities.profile_fields = Some(ProfileFieldsCapability::new(true));
    let may = standings.is_administrator(&request.session.user_id);
    capabilities.account_moderation = AccountModerationCapability::new(may, may);
    Ok(Answer(Response::new(capabilities)))
}
