//! GET /_matrix/client/v1/media/preview_url (Content repository)

use domicile_core::error::ErrorKind;
use ruma::api::client::authenticated_media::get_media_preview::v1::{Request, Response};

use crate::{answer::Reply, extract::Authed};

/// The server fetches no pages: it would tell their owners what people talk about, and be a way into its own network.
pub(super) async fn get_media_preview(_request: Authed<Request>) -> Reply<Response> {
    Err(ErrorKind::NotFound.with("This server previews no pages.").into())
}
