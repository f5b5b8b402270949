//! POST /_matrix/client/v3/register/email/requestToken (Account registration)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_registration_token_via_email::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no e-mail addresses here.
pub(super) async fn request_registration_token_via_email(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses.").into())
}
