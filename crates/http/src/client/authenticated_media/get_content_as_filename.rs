//! GET /_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName} (Content repository)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::media::Media;
use ruma::api::client::authenticated_media::get_content_as_filename::v1::Request;

use crate::{error::Failure, extract::Authed};

/// Gives media under a name of the client's choice.
pub(super) async fn get_content_as_filename(
    State(media): State<Arc<Media>>,
    request: Authed<Request>,
) -> Result<Response, Failure> {
    let body = request.body;
    let mut download = media.download(&body.server_name, &body.media_id, body.timeout_ms).await?;
    download.filename = Some(body.filename);
    Ok(super::answer(download))
}
