//! POST /_matrix/client/v3/account/3pid/add (Adding account administrative contact information)

use domicile_core::error::ErrorKind;
use ruma::api::client::account::add_3pid::v3::{Request, Response};

use crate::{answer::Reply, extract::Authed};

/// Nothing can be added: accounts have no addresses here.
pub(super) async fn add_3pid(_request: Authed<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses and telephone numbers.").into())
}
