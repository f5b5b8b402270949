//! POST /_matrix/client/v3/login (Legacy login: log in)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::{
    accounts::{LoginTokens, Logins, NewSession},
    front_door::FrontDoor,
};
use domicile_core::error::{ErrorKind, MatrixError};
use ruma::api::{
    IncomingRequest, Metadata,
    client::{
        session::login::v3::{DiscoveryInfo, HomeserverInfo, LoginInfo, Password, Request, Response},
        uiaa::UserIdentifier,
    },
    error::DeserializationError,
};
use serde::{Deserialize, de::Error as _};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Ruma's request, whose own reader needs a `type` to be there.
pub(super) struct Checked(Request);

/// Opens a session.
pub(super) async fn login(
    State(logins): State<Arc<Logins>>,
    State(tokens): State<Arc<LoginTokens>>,
    State(front_door): State<Arc<FrontDoor>>,
    request: Public<Checked>,
) -> Reply<Response> {
    let address = request.client.address;
    let Checked(request) = request.body;
    let wanted = NewSession {
        device_id: request.device_id,
        display_name: request.initial_device_display_name,
        with_refresh: request.refresh_token,
    };
    let (user_id, opened) = match request.login_info {
        LoginInfo::Password(password) => {
            logins.with_password(&name(&password)?, password.password, wanted, address).await?
        }
        LoginInfo::Token(token) if tokens.are_offered() => tokens.login(&token.token, wanted, address).await?,
        LoginInfo::ApplicationService(_) => {
            return Err(ErrorKind::UnknownToken.with("No application service is registered with this token.").into());
        }
        other => {
            let why =
                format!("This server does not know the login type `{}`: use m.login.password.", other.login_type());
            return Err(ErrorKind::BadRequest.with(why).into());
        }
    };
    let mut response = Response::new(user_id, opened.tokens.access_token, opened.device_id);
    response.refresh_token = opened.tokens.refresh_token;
    response.expires_in = opened.tokens.expires_in_ms.map(|life| Duration::from_millis(life.unsigned_abs()));
    // Whoever came through another cell goes to their own from then on.
    response.well_known = front_door.own_address().map(|address| DiscoveryInfo::new(HomeserverInfo::new(address)));
    Ok(Answer(response))
}

/// The user's name, as today's clients and those of long ago give it.
fn name(password: &Password) -> Result<String, MatrixError> {
    #[expect(deprecated, reason = "old clients say `user`")]
    match (&password.identifier, &password.user) {
        (Some(UserIdentifier::Matrix(identifier)), _) => Ok(identifier.user.clone()),
        (Some(_), _) => {
            Err(ErrorKind::BadRequest.with("Log in with your user name (`m.id.user`): this server keeps no others."))
        }
        (None, Some(user)) => Ok(user.clone()),
        (None, None) => Err(ErrorKind::MissingParam.with("`identifier` is missing: who logs in?")),
    }
}

impl Metadata for Checked {
    const METHOD: http::Method = Request::METHOD;
    const RATE_LIMITED: bool = Request::RATE_LIMITED;
    type Authentication = <Request as Metadata>::Authentication;
    type PathBuilder = <Request as Metadata>::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = Request::PATH_BUILDER;
}

impl IncomingRequest for Checked {
    type EndpointError = <Request as IncomingRequest>::EndpointError;
    type OutgoingResponse = Response;

    fn try_from_http_request_inner(
        request: http::Request<&[u8]>,
        path_args: &[&str],
    ) -> Result<Self, DeserializationError> {
        #[derive(Deserialize)]
        struct Typed {
            r#type: String,
        }
        let typed: Typed = serde_json::from_slice(request.body())?;
        if typed.r#type.is_empty() {
            return Err(serde_json::Error::custom("`type` is empty").into());
        }
        Request::try_from_http_request_inner(request, path_args).map(Self)
    }
}
