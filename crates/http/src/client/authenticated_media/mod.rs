//! Media for whoever is logged in: downloads that cannot run in a browser.

mod get_content;
mod get_content_as_filename;
mod get_content_thumbnail;
mod get_media_config;
mod get_media_preview;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use domicile_app::media::Download;
use ruma::{
    api::client::authenticated_media as api,
    http_headers::{ContentDisposition, ContentDispositionType},
};

use crate::{router::Endpoint, state::Services};

/// What a browser may show by itself (client-server specification, *Serving inline content*).
const INLINE: [&str; 26] = [
    "text/css",
    "text/plain",
    "text/csv",
    "application/json",
    "application/ld+json",
    "image/jpeg",
    "image/gif",
    "image/png",
    "image/apng",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "audio/mp4",
    "audio/webm",
    "audio/aac",
    "audio/mpeg",
    "audio/ogg",
    "audio/wave",
    "audio/wav",
    "audio/x-wav",
    "audio/x-pn-wav",
    "audio/flac",
    "audio/x-flac",
];
/// What a browser may do with media: nothing (the same section).
const POLICY: &str = "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; \
                      style-src 'unsafe-inline'; object-src 'self';";

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_content::v1::Request, _, _>(get_content::get_content)
        .endpoint::<api::get_content_as_filename::v1::Request, _, _>(get_content_as_filename::get_content_as_filename)
        .endpoint::<api::get_content_thumbnail::v1::Request, _, _>(get_content_thumbnail::get_content_thumbnail)
        .endpoint::<api::get_media_config::v1::Request, _, _>(get_media_config::get_media_config)
        .endpoint::<api::get_media_preview::v1::Request, _, _>(get_media_preview::get_media_preview)
}

/// A download as an answer.
fn answer(download: Download) -> Response {
    let content_type = download.content_type.as_deref().unwrap_or("application/octet-stream");
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = if INLINE.contains(&essence.as_str()) {
        ContentDispositionType::Inline
    } else {
        ContentDispositionType::Attachment
    };
    let disposition = ContentDisposition::new(kind).with_filename(download.filename);
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, content_type);
    set(header::CONTENT_DISPOSITION, &disposition.to_string());
    set(header::CONTENT_LENGTH, &download.byte_size.to_string());
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "private, max-age=31536000, immutable");
    set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    (headers, Body::from_stream(download.content)).into_response()
}
