//! GET, POST and PUT /_domicile/admin/v1/users (accounts)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post, put},
};
use domicile_app::{
    accounts::{
        Accounts, Standings,
        lifecycle::{EndSessions, NewAccount},
    },
    entrance::{Entrance, Invited},
    evidence::{
        AccessLog,
        access_log::{Look, What},
    },
};
use domicile_core::{error::ErrorKind, ids::UserNum};
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminServices, Evidence, operator::By};
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/users", get(list).post(add))
        .route("/_domicile/admin/v1/users/{user}/password", put(set_password))
        .route("/_domicile/admin/v1/users/{user}/deactivate", post(deactivate))
        .route("/_domicile/admin/v1/users/{user}/standing", get(standing).put(set_standing))
        .route("/_domicile/admin/v1/users/{user}/devices", get(devices))
}

/// A user by their Matrix id, or by the part of it before the colon.
pub(super) fn user_id(accounts: &Accounts, user: &str) -> Result<OwnedUserId, Failure> {
    if user.starts_with('@') {
        let invalid = |_| ErrorKind::InvalidParam.with(format!("`{user}` is no user id."));
        return Ok(OwnedUserId::try_from(user).map_err(invalid)?);
    }
    Ok(accounts.user_id(user)?)
}

/// Notes a look at somebody's data, or a change of it, before it happens. Nobody is looked at who does not exist.
async fn note(accounts: &Accounts, log: &AccessLog, user_id: &UserId, look: Look) -> Result<(), Failure> {
    let user_num = accounts.local_num(user_id).await?;
    Ok(log.note(user_num, look).await?)
}

#[derive(Deserialize)]
struct Add {
    /// Without it, the name is a random one.
    user: Option<String>,
    password: Option<String>,
    /// Whether the operator insists on the name where newcomers get random ones.
    #[serde(default)]
    named: bool,
}

async fn add(
    State(accounts): State<Arc<Accounts>>,
    State(entrance): State<Arc<Entrance>>,
    Json(add): Json<Add>,
) -> Result<Json<Value>, Failure> {
    let localpart = match add.user {
        None => accounts.free_name().await?,
        Some(user) if accounts.gives_random_names() && !add.named => {
            let told = format!(
                "People of this region get random names, since a Matrix id stands in every copy of a room, and `{user}` is a chosen one: leave \
                 the name away (`domicile user add`), or insist on it (`domicile user add {user} --named`)."
            );
            return Err(ErrorKind::Forbidden.with(told).into());
        }
        Some(user) if user.starts_with('@') => user_id(&accounts, &user)?.localpart().to_owned(),
        Some(user) => user,
    };
    let new = NewAccount { localpart, password: add.password, registration_token: None, session: None };
    let (user_id, _) = accounts.create_user(new).await?;
    let invited = Invited::Account(user_id.localpart());
    let (link, server) = (entrance.link(invited), entrance.typed(Some(invited)));
    Ok(Json(json!({ "user_id": user_id, "sign_in_link": link, "sign_in_server": server })))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

async fn list(State(accounts): State<Arc<Accounts>>, Query(page): Query<After>) -> Result<Json<Value>, Failure> {
    let (users, next) = accounts.list(UserNum(page.after)).await?;
    let users: Vec<Value> = users
        .into_iter()
        .map(|user| {
            json!({ "user_id": user.user_id, "created_ts": user.created_ts, "deactivated_ts": user.deactivated_ts })
        })
        .collect();
    Ok(Json(json!({ "users": users, "next": next })))
}

#[derive(Deserialize)]
struct SetPassword {
    password: String,
}

async fn set_password(
    State(accounts): State<Arc<Accounts>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
    Json(body): Json<SetPassword>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    note(&accounts, &evidence.access_log, &user_id, Look { by: operator, what: What::PasswordChanged, reason }).await?;
    accounts.set_password(&user_id, body.password, EndSessions::All).await?;
    Ok(Json(json!({ "user_id": user_id })))
}

#[derive(Deserialize)]
struct Deactivate {
    #[serde(default)]
    erase: bool,
}

async fn deactivate(
    State(accounts): State<Arc<Accounts>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
    Json(body): Json<Deactivate>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    note(&accounts, &evidence.access_log, &user_id, Look { by: operator, what: What::Deactivated, reason }).await?;
    accounts.deactivate(&user_id, body.erase).await?;
    Ok(Json(json!({ "user_id": user_id })))
}

async fn standing(
    State(accounts): State<Arc<Accounts>>,
    State(standings): State<Arc<Standings>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    note(&accounts, &evidence.access_log, &user_id, Look { by: operator, what: What::Standing, reason }).await?;
    let standing = standings.get(&user_id).await?;
    Ok(Json(json!({ "user_id": user_id, "locked": standing.locked, "suspended": standing.suspended })))
}

#[derive(Deserialize)]
struct SetStanding {
    locked: Option<bool>,
    suspended: Option<bool>,
}

async fn set_standing(
    State(accounts): State<Arc<Accounts>>,
    State(standings): State<Arc<Standings>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
    Json(body): Json<SetStanding>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    note(&accounts, &evidence.access_log, &user_id, Look { by: operator, what: What::StandingChanged, reason }).await?;
    if let Some(locked) = body.locked {
        standings.set_locked(&user_id, locked).await?;
    }
    if let Some(suspended) = body.suspended {
        standings.set_suspended(&user_id, suspended).await?;
    }
    let standing = standings.get(&user_id).await?;
    Ok(Json(json!({ "user_id": user_id, "locked": standing.locked, "suspended": standing.suspended })))
}

/// The look is in the person's access log before it is answered.
async fn devices(
    State(accounts): State<Arc<Accounts>>,
    State(evidence): State<Evidence>,
    By { operator, reason }: By,
    Path(user): Path<String>,
) -> Result<Json<Value>, Failure> {
    let user_id = user_id(&accounts, &user)?;
    note(&accounts, &evidence.access_log, &user_id, Look { by: operator, what: What::Devices, reason }).await?;
    let devices: Vec<Value> = accounts
        .devices(&user_id)
        .await?
        .into_iter()
        .map(|device| {
            json!({ "device_id": device.device_id, "display_name": device.display_name, "last_seen_ts": device.last_seen_ts })
        })
        .collect();
    Ok(Json(json!({ "user_id": user_id, "devices": devices })))
}
