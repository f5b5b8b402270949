//! PUT /_matrix/client/v1/admin/suspend/{userId} (Server administration: account moderation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Accounts, Standings},
    evidence::{
        AccessLog,
        access_log::{Look, Operator, What},
    },
};
use ruma::api::client::admin::suspend_user::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Suspends an account or ends its suspension, for an administrator.
pub(super) async fn suspend_user(
    State(standings): State<Arc<Standings>>,
    State(accounts): State<Arc<Accounts>>,
    State(log): State<Arc<AccessLog>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let Request { user_id, suspended, .. } = request.body;
    standings.check_writer(&request.session, &user_id)?;
    let by = Operator { name: request.session.user_id.to_string(), uid: None };
    let user_num = accounts.local_num(&user_id).await?;
    log.note(user_num, Look { by, what: What::StandingChanged, reason: None }).await?;
    standings.set_suspended(&user_id, suspended).await?;
    Ok(Answer(Response::new(suspended)))
}
