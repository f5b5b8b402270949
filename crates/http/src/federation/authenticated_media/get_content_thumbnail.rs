//! GET /_matrix/federation/v1/media/thumbnail/{mediaId} (Server-Server: Content repository)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::media::{Media, Method, Wanted};
use ruma::api::federation::authenticated_media::get_content_thumbnail::v1::Request;

use crate::{error::Failure, federation::extract::Peer};

/// Gives a thumbnail of a picture of this server.
pub(super) async fn get_content_thumbnail(
    State(media): State<Arc<Media>>,
    request: Peer<Request>,
) -> Result<Response, Failure> {
    let body = request.body;
    let method = match body.method {
        Some(ruma::media::Method::Crop) => Method::Crop,
        _ => Method::Scale,
    };
    let side = |number: ruma::UInt| u32::try_from(u64::from(number)).unwrap_or(u32::MAX);
    let wanted = Wanted { method, width: side(body.width), height: side(body.height) };
    let download = media.thumbnail_for(&request.origin, &body.media_id, body.timeout_ms, wanted).await?;
    Ok(super::answer(download, &media))
}
