//! Media of this server for other servers: in two parts, of which the first says nothing yet and the second is the file.

mod get_content;
mod get_content_thumbnail;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domicile_app::media::{Download, Media};
use futures::{StreamExt, stream};
use ruma::{
    api::federation::authenticated_media as api,
    http_headers::{ContentDisposition, ContentDispositionType},
};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_content::v1::Request, _, _>(get_content::get_content)
        .endpoint::<api::get_content_thumbnail::v1::Request, _, _>(get_content_thumbnail::get_content_thumbnail)
}

/// A download as an answer of two parts. The file passes through piece by piece.
fn answer(download: Download, media: &Media) -> Response {
    // Nobody can guess it, so no file has it in it.
    let boundary = media.boundary();
    // What a client has said about the file is one line, or is not passed on.
    let one_line = |text: &String| HeaderValue::from_str(text).is_ok();
    let content_type = download.content_type.filter(one_line);
    let content_type = content_type.as_deref().unwrap_or("application/octet-stream");
    let disposition = ContentDisposition::new(ContentDispositionType::Attachment).with_filename(download.filename);
    let before = format!(
        "--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\n\
         Content-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n"
    );
    let after = format!("\r\n--{boundary}--\r\n");
    let length = download.byte_size + before.len() as u64 + after.len() as u64;
    let piece = |text: String| stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    let body = piece(before).chain(download.content).chain(piece(after));
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}")) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    (headers, Body::from_stream(body)).into_response()
}
