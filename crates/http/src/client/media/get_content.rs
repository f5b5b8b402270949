//! GET /_matrix/media/v3/download/{serverName}/{mediaId} (Content repository; deprecated)
#![expect(deprecated, reason = "old clients ask it so")]

use domicile_core::error::ErrorKind;
use ruma::api::client::media::get_content::v3::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Media is only for who is logged in: there is nothing at the old address, which asks for no token.
pub(super) async fn get_content(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::NotFound.with("Media is served at /_matrix/client/v1/media, with an access token.").into())
}
