//! PUT /_matrix/media/v3/upload/{serverName}/{mediaId} (Content repository: asynchronous uploads)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::media::{Described, Media};
use futures::{StreamExt, TryStreamExt};
use ruma::api::client::media::create_content_async::v3::Request;
use serde_json::{Value, json};

use crate::{error::Failure, extract::Streamed};

/// Takes the upload for an address that was given before.
pub(super) async fn create_content_async(
    State(media): State<Arc<Media>>,
    State(limits): State<Arc<RateLimits>>,
    request: Streamed<Request>,
) -> Result<Json<Value>, Failure> {
    limits.check(Limit::Uploads, Key::Account(request.session.user_num))?;
    let body = request.body;
    let described = Described { content_type: body.content_type, filename: body.filename, byte_size: request.length };
    let content = request.content.map_err(std::io::Error::other).boxed();
    media.upload_to(request.session.user_num, &body.server_name, &body.media_id, described, content).await?;
    Ok(Json(json!({})))
}
