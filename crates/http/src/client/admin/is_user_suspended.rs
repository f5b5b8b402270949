//! GET /_matrix/client/v1/admin/suspend/{userId} (Server administration: account moderation)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    accounts::{Accounts, Standings},
    evidence::{
        AccessLog,
        access_log::{Look, Operator, What},
    },
};
use ruma::api::client::admin::is_user_suspended::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Whether an account is suspended, for an administrator.
pub(super) async fn is_user_suspended(
    State(standings): State<Arc<Standings>>,
    State(accounts): State<Arc<Accounts>>,
    State(log): State<Arc<AccessLog>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let user_id = &request.body.user_id;
    standings.check_reader(&request.session, user_id)?;
    let by = Operator { name: request.session.user_id.to_string(), uid: None };
    let user_num = accounts.local_num(user_id).await?;
    log.note(user_num, Look { by, what: What::Standing, reason: None }).await?;
    Ok(Answer(Response::new(standings.get(user_id).await?.suspended)))
}
