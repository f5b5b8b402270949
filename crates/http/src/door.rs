//! The front door of a cell among others: requests of clients whose home is another cell go there, where it lets people in through this one. They
//! are neither kept nor logged here.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domicile_app::{
    Error,
    accounts::Sessions,
    front_door::{self, FrontDoor, Way},
};
use domicile_core::{error::ErrorKind, locality::CellName};
use futures::future::BoxFuture;
use http::{Method, StatusCode, request::Parts};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::Failure,
    extract::{Client, read, token},
    passing::{MOVED, NotPassed, arrived, pass_whole},
    state::Services,
};

/// Stands before the Client-Server API.
pub(crate) async fn stand_before(State(services): State<Services>, request: Request, next: Next) -> Response {
    match decide(services, request).await {
        Ok(Decided::Here(request)) => next.run(*request).await,
        Ok(Decided::Answered(answer)) => answer,
        Err(failure) => failure.into_response(),
    }
}

enum Decided {
    /// This cell answers.
    Here(Box<Request>),
    /// The home has answered.
    Answered(Response),
}

/// What a login or a refresh says of who it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Who {
    #[serde(rename = "type")]
    kind: Value,
    identifier: Value,
    user: Value,
    token: Value,
    refresh_token: Value,
}

impl Who {
    /// Of whom a password is said to be.
    fn name(&self) -> Option<&str> {
        let of_password = self.kind == "m.login.password";
        self.identifier.get("user").unwrap_or(&self.user).as_str().filter(|_| of_password)
    }

    /// A token that opens a session.
    fn login_token(&self) -> Option<&str> {
        self.token.as_str().filter(|_| self.kind == "m.login.token")
    }
}

/// In a box that is gone when the handler begins.
fn decide(services: Services, request: Request) -> BoxFuture<'static, Result<Decided, Failure>> {
    Box::pin(async move { decided(&services, request).await })
}

async fn decided(services: &Services, request: Request) -> Result<Decided, Failure> {
    let path = request.uri().path();
    let is_clients = ["/_matrix/client/", "/_matrix/media/", "/_domicile/client/"];
    if !is_clients.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(Decided::Here(Box::new(request)));
    }
    if request.method() == Method::POST && is_operation(path, "login") {
        return login(&services.front_door, request).await;
    }
    if request.method() == Method::POST && is_operation(path, "refresh") {
        return refresh(services, request).await;
    }
    let token = token(request.headers(), request.uri().query()).map(str::to_owned);
    let Some(token) = token else { return Ok(Decided::Here(Box::new(request))) };
    if is_known(&services.sessions, &token).await {
        return Ok(Decided::Here(Box::new(request)));
    }
    match services.front_door.home_of(&token, address(request.extensions())).await? {
        Some(cell) => through(&services.front_door, &cell, &token, request).await,
        None => Ok(Decided::Here(Box::new(request))),
    }
}

/// Whether a path is that of an operation, in any version of the API.
pub(crate) fn is_operation(path: &str, name: &str) -> bool {
    let rest = path.strip_prefix("/_matrix/client/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, rest)| rest == name)
}

fn address(extensions: &http::Extensions) -> Option<std::net::IpAddr> {
    extensions.get::<Client>().and_then(|client| client.address)
}

/// Whether a token is one of this cell's, be it expired or of a locked account.
async fn is_known(sessions: &Sessions, token: &str) -> bool {
    match sessions.authenticate_to_leave(token).await {
        Err(Error::Matrix(error)) => !matches!(error.kind, ErrorKind::UnknownToken | ErrorKind::ForgottenToken),
        _ => true,
    }
}

async fn login(door: &FrontDoor, request: Request) -> Result<Decided, Failure> {
    let (parts, body) = read(request).await?;
    let who: Who = serde_json::from_slice(&body).unwrap_or_default();
    let way = match (who.name(), who.login_token()) {
        (Some(name), _) => door.login(name, address(&parts.extensions)).await?,
        (None, Some(token)) => door.home_of(token, address(&parts.extensions)).await?.map_or(Way::Here, Way::Through),
        (None, None) => Way::Here,
    };
    let Way::Through(cell) = way else { return Ok(here(parts, body)) };
    let link = door.link().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
    match pass_whole(link, &cell, &parts, body).await {
        Ok(answer) => told(door, answer).await,
        Err(NotPassed::Request(error)) => Err(error.into()),
        // Whoever does not know the password is not told that the name is one of a home that is away.
        Err(NotPassed::Unreached(error)) => {
            tracing::info!(%error, "a login could not be passed on");
            Err(Failure(door.wrong_login()))
        }
    }
}

/// The home's answer to a login; what is wrong is told in the words of this cell.
async fn told(door: &FrontDoor, answer: Response) -> Result<Decided, Failure> {
    if answer.status() != StatusCode::FORBIDDEN {
        return Ok(Decided::Answered(answer));
    }
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(Error::internal)?.to_bytes();
    let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if said["errcode"] == ErrorKind::Forbidden.code() {
        return Err(Failure(door.wrong_login()));
    }
    Ok(Decided::Answered(Response::from_parts(parts, Body::from(bytes))))
}

async fn refresh(services: &Services, request: Request) -> Result<Decided, Failure> {
    let (parts, body) = read(request).await?;
    let who: Who = serde_json::from_slice(&body).unwrap_or_default();
    let Some(token) = who.refresh_token.as_str() else { return Ok(here(parts, body)) };
    if services.sessions.may_refresh(token).await? {
        return Ok(here(parts, body));
    }
    match services.front_door.home_of(token, address(&parts.extensions)).await? {
        Some(cell) => {
            let request = Request::from_parts(parts, Body::from(body));
            through(&services.front_door, &cell, token, request).await
        }
        None => Ok(here(parts, body)),
    }
}

fn here(parts: Parts, body: Bytes) -> Decided {
    Decided::Here(Box::new(Request::from_parts(parts, Body::from(body))))
}

async fn through(door: &FrontDoor, cell: &CellName, token: &str, request: Request) -> Result<Decided, Failure> {
    let link = door.link().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
    let whole = match arrived(request).await {
        Ok(whole) => whole,
        Err(not) => return Err(not_passed(not)),
    };
    let mut answer = pass_whole(link, cell, &whole.parts, whole.body.clone()).await.map_err(not_passed)?;
    if answer.headers().contains_key(MOVED) {
        // Their home is another one by now. If no door leads there from here, the home that they had has said where it is.
        let Some(next) = door.next_home_of(token).await? else {
            answer.headers_mut().remove(MOVED);
            return Ok(Decided::Answered(answer));
        };
        answer = pass_whole(link, &next, &whole.parts, whole.body).await.map_err(not_passed)?;
        // Who moves again meanwhile comes again.
        if answer.headers().contains_key(MOVED) {
            door.forget(token);
            return Err(front_door::away().into());
        }
    }
    if answer.status() == StatusCode::UNAUTHORIZED {
        door.forget(token);
    }
    Ok(Decided::Answered(answer))
}

fn not_passed(not: NotPassed) -> Failure {
    match not {
        NotPassed::Request(error) => error.into(),
        NotPassed::Unreached(error) => {
            tracing::info!(%error, "somebody's home is not reached");
            front_door::away().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(body: &str) -> Who {
        serde_json::from_str(body).unwrap_or_default()
    }

    #[test]
    fn a_name_is_read_as_clients_of_all_times_say_it() {
        let new = who(r#"{"type":"m.login.password","identifier":{"type":"m.id.user","user":"bob"},"password":"x"}"#);
        let old = who(r#"{"type":"m.login.password","user":"bob"}"#);
        assert_eq!((new.name(), old.name()), (Some("bob"), Some("bob")));
        assert_eq!(who(r#"{"type":"m.login.token","token":"t","user":"bob"}"#).name(), None);
        assert_eq!(who(r#"{"type":"m.login.token","token":"t"}"#).login_token(), Some("t"));
        for nonsense in ["[]", "7", "{", r#"{"type":7,"user":[]}"#, r#"{"identifier":"bob"}"#] {
            assert_eq!(who(nonsense).name(), None, "{nonsense}");
        }
    }

    #[test]
    fn an_operation_is_known_in_each_version() {
        assert!(is_operation("/_matrix/client/v3/login", "login") && is_operation("/_matrix/client/r0/login", "login"));
        assert!(!is_operation("/_matrix/client/v1/login/get_token", "login"));
        assert!(!is_operation("/_matrix/client/v3/rooms/x/login", "login") && !is_operation("/login", "login"));
    }
}
