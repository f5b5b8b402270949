//! Media: uploads, and what old clients ask without a token. Downloads are in `authenticated_media`.

mod create_content;
mod create_content_async;
mod create_mxc_uri;
mod get_content;
mod get_content_as_filename;
mod get_content_thumbnail;
mod get_media_config;
mod get_media_preview;

use axum::Router;
use ruma::api::client::media as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
#[expect(deprecated, reason = "old clients ask the old way")]
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_content::v3::Request, _, _>(create_content::create_content)
        .endpoint::<api::create_content_async::v3::Request, _, _>(create_content_async::create_content_async)
        .endpoint::<api::create_mxc_uri::v1::Request, _, _>(create_mxc_uri::create_mxc_uri)
        .endpoint::<api::get_content::v3::Request, _, _>(get_content::get_content)
        .endpoint::<api::get_content_as_filename::v3::Request, _, _>(get_content_as_filename::get_content_as_filename)
        .endpoint::<api::get_content_thumbnail::v3::Request, _, _>(get_content_thumbnail::get_content_thumbnail)
        .endpoint::<api::get_media_config::v3::Request, _, _>(get_media_config::get_media_config)
        .endpoint::<api::get_media_preview::v3::Request, _, _>(get_media_preview::get_media_preview)
}
