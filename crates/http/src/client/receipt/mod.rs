//! Receipts.

mod create_receipt;

use axum::Router;
use ruma::api::client::receipt as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new().endpoint::<api::create_receipt::v3::Request, _, _>(create_receipt::create_receipt)
}
