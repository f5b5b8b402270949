//! POST /_matrix/client/v3/account/password/email/requestToken (Password management)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_password_change_token_via_email::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no e-mail addresses here.
pub(super) async fn request_password_change_token_via_email(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses.").into())
}
