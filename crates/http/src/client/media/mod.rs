//! Media: uploads. Downloads are in `authenticated_media`.

mod create_content;
mod create_content_async;
mod create_mxc_uri;

use axum::Router;
use ruma::api::client::media as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::create_content::v3::Request, _, _>(create_content::create_content)
        .endpoint::<api::create_content_async::v3::Request, _, _>(create_content_async::create_content_async)
        .endpoint::<api::create_mxc_uri::v1::Request, _, _>(create_mxc_uri::create_mxc_uri)
}
