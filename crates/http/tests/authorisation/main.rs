//! No operation without its authorisation: every operation that is served is called by those who may not call it.
//!
//! The operations are read from the endpoint files, so one that is added is in here at once. What it does to whom follows from its path:
//! `{userId}` is the caller's own, `{roomId}` is a room in which the caller must be. Exceptions stand in tables, each with its reason.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

mod ids;
mod own;
mod rooms;
mod tokens;
mod vaults;

use axum::{body::Body, http::Method};
use domicile_testkit::{
    operations::{Operation, Values},
    server::{Answered, TestUser},
};

const V3: &str = "/_matrix/client/v3";

/// Calls an operation with a body that fits.
async fn call(by: &TestUser, operation: &Operation, values: &Values) -> Answered {
    let body = if operation.method == Method::GET {
        Body::empty()
    } else if operation.has_body() {
        Body::from(operation.body(values).to_string())
    } else {
        Body::from("{}")
    };
    by.send(operation.method.clone(), &operation.uri(values), body).await
}

/// The status and the `errcode`, which is empty in a success or an answer that asks for more authentication.
fn outcome(answer: &Answered) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    (answer.status.as_u16(), body["errcode"].as_str().unwrap_or_default().to_owned())
}
