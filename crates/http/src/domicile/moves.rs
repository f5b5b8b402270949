//! GET /_domicile/client/v1/move, POST /_domicile/client/v1/move/object (the caller's own move, and their word against it)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    routing::{get, post},
};
use domicile_app::{accounts::Sessions, moves::Moves};
use domicile_core::error::ErrorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    error::Failure,
    extract::{Caller, read, token},
    state::Services,
};

pub(super) fn routes() -> Router<Services> {
    Router::new().route("/_domicile/client/v1/move", get(show)).route("/_domicile/client/v1/move/object", post(object))
}

/// Why somebody does not want to move.
#[derive(Deserialize)]
struct Objection {
    #[serde(default)]
    reason: String,
}

/// What of a move its person is told: not by which cells it goes.
fn told(shown: &domicile_app::moves::Shown) -> Value {
    json!({
        "state": shown.state, "to_region": shown.to_region, "reason": shown.reason, "begin_ts": shown.begin_ts,
        "objection": shown.progress.objection, "until_ts": shown.until_ts, "ended_ts": shown.ended_ts,
    })
}

async fn show(State(moves): State<Arc<Moves>>, Caller(session): Caller) -> Result<Json<Value>, Failure> {
    let none = || ErrorKind::NotFound.with("Nothing is announced to you.");
    Ok(Json(told(&moves.of_user(&session.user_id).await?.ok_or_else(none)?)))
}

async fn object(
    State(moves): State<Arc<Moves>>,
    State(sessions): State<Arc<Sessions>>,
    request: Request,
) -> Result<Json<Value>, Failure> {
    let missing = || ErrorKind::MissingToken.with("This needs an access token: log in.");
    let token = token(request.headers(), request.uri().query()).ok_or_else(missing)?.to_owned();
    let session = sessions.authenticate(&token).await?;
    let (_, raw) = read(request).await?;
    let objection: Objection = serde_json::from_slice(&raw)
        .map_err(|error| ErrorKind::BadJson.with(format!("The request cannot be read: {error}.")))?;
    Ok(Json(told(&moves.object(&session.user_id, objection.reason).await?)))
}
