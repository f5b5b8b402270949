//! GET /_matrix/client/v1/mutual_rooms (Mutual rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Key, Limit, RateLimits, UserDirectory};
use ruma::api::client::membership::get_mutual_rooms::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The rooms that the caller and somebody else are in.
pub(super) async fn get_mutual_rooms(
    State(directory): State<Arc<UserDirectory>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let Request { user_id, from, .. } = request.body;
    let found = directory.mutual_rooms(&request.session, &user_id, from.as_deref()).await?;
    let mut answer = Response::new(found.count.try_into().unwrap_or_default(), found.rooms);
    answer.next_batch = found.next;
    Ok(Answer(answer))
}
