//! GET /_matrix/client/v1/room_summary/{roomIdOrAlias} (Room summaries)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Key, Limit, RateLimits},
    rooms::{Directory, Summaries},
};
use ruma::api::client::room::get_summary::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Maybe,
};

/// A room in short.
pub(super) async fn get_summary(
    State(directory): State<Arc<Directory>>,
    State(summaries): State<Arc<Summaries>>,
    State(limits): State<Arc<RateLimits>>,
    request: Maybe<Request>,
) -> Reply<Response> {
    let session = request.session.as_deref();
    match session {
        Some(session) => limits.check(Limit::Searches, Key::Account(session.user_num))?,
        None => limits.check_address(Limit::Searches, request.client.address)?,
    }
    let named = directory.resolve(&request.body.room_id_or_alias).await?;
    let via = [request.body.via, named.servers].concat();
    let (summary, membership) = summaries.get(session, &named.room_id, &via).await?;
    let mut answer = Response::new(summary);
    answer.membership = session.map(|_| membership.as_str().into());
    Ok(Answer(answer))
}
