//! POST /_matrix/client/v3/account/3pid/msisdn/requestToken (Adding account administrative contact information)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::request_3pid_management_token_via_msisdn::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Accounts have no telephone numbers here.
pub(super) async fn request_3pid_management_token_via_msisdn(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidMediumNotSupported.with("This server keeps no telephone numbers.").into())
}
