//! PUT /_matrix/federation/v1/3pid/onbind (Server-Server: Third-party invites)

use domicile_core::error::ErrorKind;
use ruma::api::federation::thirdparty::bind_callback::v1::{Request, Response};

use crate::{answer::Reply, extract::Public};

/// Nobody's address is known here, and no identity server is believed.
pub(super) async fn bind_callback(_request: Public<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses and telephone numbers.").into())
}
