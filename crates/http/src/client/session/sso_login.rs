//! GET /_matrix/client/v3/login/sso/redirect (Legacy login: SSO client login)

use domicile_core::error::ErrorKind;
use ruma::api::client::session::sso_login::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// No other service tells this server who somebody is.
pub(super) async fn sso_login(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::NotFound.with("Single sign-on is not configured: log in with a password.").into())
}
