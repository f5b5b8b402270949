//! Somebody signs in to their page at another cell than their home: whether they may be told where that is.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Method, Request, StatusCode, header, request::Parts},
    response::Response,
};
use domicile_app::{Error, front_door};
use domicile_core::{error::MatrixError, locality::CellName};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    extract::Client,
    passing::{NotPassed, pass_whole},
    state::Services,
};

/// What one attempt too many waits, where the home does not say it.
const AGAIN_MS: u64 = 60_000;

/// The address of somebody's home, if the password is right there. Whoever does not know it reads what everybody reads whose password is wrong. Their home
/// lets people in by any door, or nobody would be passed there.
pub(super) async fn home(
    services: &Services,
    cell: &CellName,
    (name, password): (&str, &str),
    client: Client,
) -> Result<String, Error> {
    let credentials = json!({
        "type": "m.login.password", "identifier": { "type": "m.id.user", "user": name }, "password": password,
        "initial_device_display_name": "Where your account is",
    });
    let answer = ask(services, cell, (client, None), ("login", &credentials)).await?;
    let (status, opened) = answer;
    match status {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err(services.front_door.wrong_login()),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait_ms = opened["retry_after_ms"].as_u64().unwrap_or(AGAIN_MS);
            return Err(MatrixError::limit_exceeded(wait_ms).into());
        }
        _ => return Err(front_door::away().into()),
    }
    // It was asked whether the password is right, and no more.
    let token = opened["access_token"].as_str().unwrap_or_default();
    let (ended, _) = ask(services, cell, (client, Some(token)), ("logout", &json!({}))).await?;
    if ended != StatusCode::OK {
        tracing::warn!(%ended, "a session that showed where somebody's home is could not be ended");
    }
    let address = opened["well_known"]["m.homeserver"]["base_url"].as_str();
    let address = address.ok_or_else(|| Error::internal("a home does not say where it is"))?;
    Ok(address.trim_end_matches('/').to_owned())
}

/// What a cell answers to a request of the Client-Server API.
async fn ask(
    services: &Services,
    cell: &CellName,
    (client, token): (Client, Option<&str>),
    (operation, body): (&str, &Value),
) -> Result<(StatusCode, Value), Error> {
    let link = services.front_door.link();
    let link = link.ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
    let parts = request(operation, client, token)?;
    match pass_whole(link, cell, &parts, Bytes::from(body.to_string())).await {
        Ok(answer) => read(answer).await,
        Err(NotPassed::Request(error)) => Err(error.into()),
        // Whoever does not know the password is not told that the name is one of a home that is away.
        Err(NotPassed::Unreached(error)) => {
            tracing::info!(%error, "a login could not be passed on");
            Err(services.front_door.wrong_login())
        }
    }
}

fn request(operation: &str, client: Client, token: Option<&str>) -> Result<Parts, Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("/_matrix/client/v3/{operation}"))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        let mut token = HeaderValue::try_from(format!("Bearer {token}")).map_err(Error::internal)?;
        token.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, token);
    }
    let (mut parts, ()) = request.body(()).map_err(Error::internal)?.into_parts();
    parts.extensions.insert(client);
    Ok(parts)
}

async fn read(answer: Response<Body>) -> Result<(StatusCode, Value), Error> {
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(Error::internal)?.to_bytes();
    Ok((parts.status, serde_json::from_slice(&bytes).unwrap_or_default()))
}
