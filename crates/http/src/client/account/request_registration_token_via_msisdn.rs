//! POST /_matrix/client/v3/register/msisdn/requestToken (Account registration)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_registration_token_via_msisdn::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no telephone numbers here.
pub(super) async fn request_registration_token_via_msisdn(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no telephone numbers.").into())
}
