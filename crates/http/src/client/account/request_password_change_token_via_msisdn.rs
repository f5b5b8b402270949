//! POST /_matrix/client/v3/account/password/msisdn/requestToken (Password management)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_password_change_token_via_msisdn::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no telephone numbers here.
pub(super) async fn request_password_change_token_via_msisdn(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no telephone numbers.").into())
}
