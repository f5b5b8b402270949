//! POST /_matrix/client/v3/account/3pid/bind (Adding account administrative contact information)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::bind_3pid::v3::{Request, Response};

use crate::{answer::Reply, extract::Authed};

/// Nothing can be published: accounts have no addresses here.
pub(super) async fn bind_3pid(_request: Authed<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses and telephone numbers.").into())
}
