//! GET /_matrix/media/v3/config (Content repository; deprecated)
#![expect(deprecated, reason = "old clients ask it so")]

use std::sync::Arc;

use axum::extract::State;
use domicile_app::media::Media;
use ruma::{
    UInt,
    api::client::media::get_media_config::v3::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Tells how large an upload may be, as old clients ask it.
pub(super) async fn get_media_config(State(media): State<Arc<Media>>, _request: Authed<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(UInt::new_saturating(media.upload_bytes()))))
}
