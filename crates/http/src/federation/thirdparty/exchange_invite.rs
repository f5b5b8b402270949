//! PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId} (Server-Server: Third-party invites)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::{ThirdPartyInvites, third_party_invites::Proposed};
use ruma::api::federation::thirdparty::exchange_invite::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Makes the invitation of an address one of its owner.
pub(super) async fn exchange_invite(
    State(invites): State<Arc<ThirdPartyInvites>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { room_id, kind, sender, state_key, content, .. } = request.body;
    let kind = kind.to_string();
    let content = content.json().get();
    let proposed = Proposed { kind: &kind, sender: &sender, invited: &state_key, content };
    invites.exchange(&request.origin, &room_id, proposed).await?;
    Ok(Answer(Response::new()))
}
