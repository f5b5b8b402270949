//! POST /_matrix/media/v3/upload (Content repository)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::media::{Described, Media};
use futures::{StreamExt, TryStreamExt};
use ruma::api::client::media::create_content::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Streamed,
};

/// Takes an upload.
pub(super) async fn create_content(
    State(media): State<Arc<Media>>,
    State(limits): State<Arc<RateLimits>>,
    request: Streamed<Request>,
) -> Reply<Response> {
    limits.check(Limit::Uploads, Key::Account(request.session.user_num))?;
    let body = request.body;
    let described = Described { content_type: body.content_type, filename: body.filename, byte_size: request.length };
    let content = request.content.map_err(std::io::Error::other).boxed();
    let uri = media.upload(request.session.user_num, described, content).await?;
    Ok(Answer(Response::new(uri)))
}
