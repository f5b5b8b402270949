//! GET, POST and DELETE /_domicile/admin/v1/tokens (registration tokens)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get},
};
use domicile_app::{
    accounts::{RegistrationTokens, registration_tokens::NewToken},
    entrance::{Entrance, Invited},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/tokens", get(list).post(add))
        .route("/_domicile/admin/v1/tokens/{token}", delete(revoke))
}

#[derive(Deserialize)]
struct Add {
    token: Option<String>,
    uses: Option<u32>,
    life_ms: Option<i64>,
}

async fn add(
    State(tokens): State<Arc<RegistrationTokens>>,
    State(entrance): State<Arc<Entrance>>,
    Json(add): Json<Add>,
) -> Result<Json<Value>, Failure> {
    let new = NewToken { token: add.token, uses_allowed: add.uses, life_ms: add.life_ms };
    let token = tokens.add(new).await?;
    let invited = Invited::Token(&token.token);
    let (link, server) = (entrance.link(invited), entrance.typed(Some(invited)));
    Ok(Json(json!({
        "token": token.token, "uses": token.uses_allowed, "expires_ts": token.expires_ts,
        "sign_in_link": link, "sign_in_server": server,
    })))
}

async fn list(State(tokens): State<Arc<RegistrationTokens>>) -> Result<Json<Value>, Failure> {
    let tokens: Vec<Value> = tokens
        .list()
        .await?
        .into_iter()
        .map(|token| {
            json!({
                "token": token.token, "uses": token.uses_allowed, "used": token.uses, "expires_ts": token.expires_ts,
                "created_ts": token.created_ts,
            })
        })
        .collect();
    Ok(Json(json!({ "tokens": tokens })))
}

async fn revoke(
    State(tokens): State<Arc<RegistrationTokens>>,
    Path(token): Path<String>,
) -> Result<Json<Value>, Failure> {
    tokens.revoke(&token).await?;
    Ok(Json(json!({ "revoked": token })))
}
