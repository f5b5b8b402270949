//! GET /_matrix/client/v1/media/download/{serverName}/{mediaId} (Content repository)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::media::Media;
use ruma::api::client::authenticated_media::get_content::v1::Request;

use crate::{error::Failure, extract::Authed};

/// Gives media.
pub(super) async fn get_content(
    State(media): State<Arc<Media>>,
    request: Authed<Request>,
) -> Result<Response, Failure> {
    let body = request.body;
    let download = media.download(&body.server_name, &body.media_id, body.timeout_ms).await?;
    Ok(super::answer(download))
}
