//! Dehydrated devices.

mod delete_dehydrated_device;
mod get_dehydrated_device;
mod get_events;
mod put_dehydrated_device;

use axum::Router;
use ruma::api::client::dehydrated_device as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::put_dehydrated_device::unstable::Request, _, _>(put_dehydrated_device::put_dehydrated_device)
        .endpoint::<api::get_dehydrated_device::unstable::Request, _, _>(get_dehydrated_device::get_dehydrated_device)
        .endpoint::<api::delete_dehydrated_device::unstable::Request, _, _>(
            delete_dehydrated_device::delete_dehydrated_device,
        )
        .endpoint::<api::get_events::unstable::Request, _, _>(get_events::get_events)
}
