//! POST /_matrix/client/v3/register (Account registration: register an account)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::accounts::{NewSession, OpenedSession, Registration, registration::Wanted};
use domicile_core::error::ErrorKind;
use ruma::api::client::account::register::{
    RegistrationKind,
    v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Makes an account.
pub(super) async fn register(
    State(registration): State<Arc<Registration>>,
    request: Public<Request>,
) -> Reply<Response> {
    let body = request.body;
    if body.kind != RegistrationKind::User {
        let why = "This server has no guest accounts: register with `kind=user`.";
        return Err(ErrorKind::GuestAccessForbidden.with(why).into());
    }
    if body.login_type.is_some() {
        return Err(ErrorKind::UnknownToken.with("No application service is registered with this token.").into());
    }
    let session = (!body.inhibit_login).then_some(NewSession {
        device_id: body.device_id,
        display_name: body.initial_device_display_name,
        with_refresh: body.refresh_token,
    });
    let wanted = Wanted {
        username: body.username,
        password: body.password,
        session,
        auth: body.auth.as_ref(),
        address: request.client.address,
    };
    let (user_id, opened) = registration.register(wanted).await?;
    let mut response = Response::new(user_id);
    if let Some(OpenedSession { device_id, tokens }) = opened {
        response.device_id = Some(device_id);
        response.access_token = Some(tokens.access_token);
        response.refresh_token = tokens.refresh_token;
        response.expires_in = tokens.expires_in_ms.map(|life| Duration::from_millis(life.unsigned_abs()));
    }
    Ok(Answer(response))
}
