//! GET /_matrix/federation/v1/media/download/{mediaId} (Server-Server: Content repository)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::media::Media;
use ruma::api::federation::authenticated_media::get_content::v1::Request;

use crate::{error::Failure, federation::extract::Peer};

/// Gives media of this server.
pub(super) async fn get_content(State(media): State<Arc<Media>>, request: Peer<Request>) -> Result<Response, Failure> {
    let Request { media_id, timeout_ms, .. } = request.body;
    Ok(super::answer(media.download_for(&request.origin, &media_id, timeout_ms).await?, &media))
}
