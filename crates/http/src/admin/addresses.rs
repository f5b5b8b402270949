//! GET and POST /_domicile/admin/v1/addresses (alternative addresses: whose signature is believed, and a document signed with the server's key)

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use domicile_app::standing::Addresses;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/_domicile/admin/v1/addresses", get(keys).post(write))
}

async fn keys(State(addresses): State<Arc<Addresses>>) -> Json<Value> {
    Json(json!({ "keys": addresses.keys() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    addresses: Vec<String>,
    good_for_ms: i64,
}

async fn write(State(addresses): State<Arc<Addresses>>, Json(wish): Json<Write>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "document": addresses.write(wish.addresses, wish.good_for_ms)? })))
}
