//! POST /_matrix/client/v3/rooms/{roomId}/invite (Room membership: Joining rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::rooms::Members;
use domicile_core::error::ErrorKind;
use ruma::api::client::membership::invite_user::v3::{InvitationRecipient, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Invites somebody by their Matrix id.
pub(super) async fn invite_user(
    State(members): State<Arc<Members>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Invites, Key::Account(request.session.user_num))?;
    let InvitationRecipient::UserId(recipient) = request.body.recipient else {
        let told = "This server knows no third-party ids: invite by Matrix id.";
        return Err(ErrorKind::ThreepidDenied.with(told).into());
    };
    members.invite(&request.session, &request.body.room_id, &recipient.user_id, recipient.reason).await?;
    Ok(Answer(Response::new()))
}
