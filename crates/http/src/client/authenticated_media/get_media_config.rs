//! GET /_matrix/client/v1/media/config (Content repository)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::media::Media;
use ruma::{
    UInt,
    api::client::authenticated_media::get_media_config::v1::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells how large an upload may be.
pub(super) async fn get_media_config(State(media): State<Arc<Media>>, _request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(UInt::new_saturating(media.upload_bytes()))))
}
