//! GET /_matrix/media/v3/preview_url (Content repository; deprecated)
#![expect(deprecated, reason = "old clients ask it so")]

use domicile_core::error::ErrorKind;
use ruma::api::client::media::get_media_preview::v3::{Request, Response};

use crate::{answer::Reply, extract::Authed};

/// The server fetches no pages: it would tell their owners what people talk about, and be a way into its own network.
pub(super) async fn get_media_preview(_request: Authed<Request>) -> Reply<Response> {
    Err(ErrorKind::NotFound.with("This server previews no pages.").into())
}
