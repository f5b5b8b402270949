//! The past of rooms.

mod get_backfill;

use axum::Router;
use ruma::api::federation::backfill as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::get_backfill::v1::Request, _, _>(get_backfill::get_backfill)
}
