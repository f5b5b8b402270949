//! POST /_matrix/media/v1/create (Content repository: asynchronous uploads)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::media::Media;
use ruma::api::client::media::create_mxc_uri::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives an address for media that will be uploaded later.
pub(super) async fn create_mxc_uri(State(media): State<Arc<Media>>, request: Authed<Request>) -> Reply<Response> {
    let reserved = media.reserve(request.session.user_num).await?;
    let mut response = Response::new(reserved.uri);
    response.unused_expires_at = Some(reserved.expires);
    Ok(Answer(response))
}
