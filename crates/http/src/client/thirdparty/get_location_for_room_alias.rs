//! GET /_matrix/client/v3/thirdparty/location (Third-party networks)

use ruma::api::client::thirdparty::get_location_for_room_alias::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// No bridge is registered: no alias leads to a place elsewhere.
pub(super) async fn get_location_for_room_alias(_request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(Vec::new())))
}
