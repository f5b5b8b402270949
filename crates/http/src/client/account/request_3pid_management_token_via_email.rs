//! POST /_matrix/client/v3/account/3pid/email/requestToken (Adding account administrative contact information)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_3pid_management_token_via_email::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no e-mail addresses here.
pub(super) async fn request_3pid_management_token_via_email(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidMediumNotSupported.with("This server keeps no e-mail addresses.").into())
}
