//! POST /_domicile/inner/v1/media/… (whether a cell has a file, and the file)

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    media::{CONTENT, ContentQuestion, Media, WHOSE, Wanted},
    residency::{Proofs, WhoseQuestion},
};
use ruma::http_headers::{ContentDisposition, ContentDispositionType};

use super::question;
use crate::{error::Failure, federation::extract, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new().route(WHOSE, post(whose)).route(CONTENT, post(content))
}

async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(media): State<Arc<Media>>,
    request: Request,
) -> Result<Json<Proofs>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_ask(&cell)?;
    Ok(Json(media.has(question::<WhoseQuestion>(&raw)?).await?))
}

/// A file of this cell, or a thumbnail of it. It passes through piece by piece.
async fn content(
    State(inbound): State<Arc<Inbound>>,
    State(media): State<Arc<Media>>,
    request: Request,
) -> Result<Response, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_ask(&cell)?;
    let ContentQuestion { media_id, timeout_ms, thumbnail } = question(&raw)?;
    let wait = Duration::from_millis(timeout_ms);
    let download = match thumbnail {
        Some(shape) => {
            let wanted = Wanted { method: shape.method, width: shape.width, height: shape.height };
            media.thumbnail_for(&cell, &media_id, wait, wanted).await?
        }
        None => media.download_for(&cell, &media_id, wait).await?,
    };
    let mut headers = HeaderMap::new();
    // What a client has said about the file is one line, or is not passed on.
    if let Some(Ok(content_type)) = download.content_type.map(|text| HeaderValue::from_str(&text)) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let disposition = ContentDisposition::new(ContentDispositionType::Attachment).with_filename(download.filename);
    if let Ok(disposition) = HeaderValue::from_str(&disposition.to_string()) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(download.byte_size));
    Ok((headers, Body::from_stream(download.content)).into_response())
}
