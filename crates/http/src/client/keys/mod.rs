//! Keys: uploaded, asked for, claimed and signed.

mod claim_keys;
mod get_key_changes;
mod get_keys;
mod upload_keys;
mod upload_signatures;
mod upload_signing_keys;

use axum::{Extension, Router};
use domicile_core::limits;
use ruma::api::client::keys as api;

use crate::{extract::BodyLimit, router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::upload_keys::v3::Request, _, _>(upload_keys::upload_keys)
        .endpoint::<api::get_keys::v3::Request, _, _>(get_keys::get_keys)
        .endpoint::<api::claim_keys::v3::Request, _, _>(claim_keys::claim_keys)
        .endpoint::<api::get_key_changes::v3::Request, _, _>(get_key_changes::get_key_changes)
        .endpoint::<api::upload_signing_keys::v3::Request, _, _>(upload_signing_keys::upload_signing_keys)
        .endpoint::<api::upload_signatures::v3::Request, _, _>(upload_signatures::upload_signatures)
        .layer(Extension(BodyLimit(limits::KEYS_BODY_BYTES)))
}
