//! POST /_matrix/client/v3/user_directory/search (User directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{Key, Limit, RateLimits, UserDirectory};
use ruma::api::client::user_directory::search_users::v3::{Request, Response, User};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Finds people by their name.
pub(super) async fn search_users(
    State(directory): State<Arc<UserDirectory>>,
    State(limits): State<Arc<RateLimits>>,
    request: Authed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Searches, Key::Account(request.session.user_num))?;
    let body = request.body;
    let (found, limited) = directory.search(&request.session, &body.search_term, body.limit.into()).await?;
    let users = found.into_iter().map(|found| {
        let mut user = User::new(found.user_id);
        user.display_name = found.display_name;
        user.avatar_url = found.avatar_url.map(Into::into);
        user
    });
    Ok(Answer(Response::new(users.collect(), limited)))
}
