//! POST /_matrix/client/v3/account/3pid/unbind (Adding account administrative contact information)

use ruma::api::client::account::{
    ThirdPartyIdRemovalStatus,
    unbind_3pid::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// What is not kept is gone already, and no identity server was ever told of it.
pub(super) async fn unbind_3pid(_request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(ThirdPartyIdRemovalStatus::NoSupport)))
}
