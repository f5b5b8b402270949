//! Standing with authorities over the operator's API, and what users say of themselves.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose helper fails has failed")]

use axum::{
    body::Body,
    http::{Method, Request},
};
use domicile_core::config::Config;
use domicile_testkit::server::{Answered, Settings, TestServer};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

mod addresses;
mod alerts;
mod demands;
mod dossiers;
mod duties;
mod incidents;
mod mail;
mod notices;
mod status;

const JURISDICTION: &str = "/_matrix/client/unstable/org.domicile/jurisdiction";

/// A club in Germany.
async fn club() -> TestServer {
    let mut config = Config::default();
    config.standing.stored_in = vec!["DE".to_owned()];
    config.standing.established_in = vec!["DE".to_owned()];
    let server = TestServer::with_settings(Settings { config, ..Settings::default() }).await;
    server.with_user("alice").await.with_user("bob").await.with_user("carol").await
}

/// Asks the operator's API.
async fn operator(server: &TestServer, method: Method, path: &str, body: Value) -> Answered {
    let request = Request::builder()
        .method(method)
        .uri(format!("/_domicile/admin/v1/{path}"))
        .header("content-type", "application/json")
        .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
        .unwrap();
    let router = domicile_http::admin::routes(server.admin.clone());
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answered { status: parts.status, headers: parts.headers, bytes }
}

async fn table(server: &TestServer, all: bool) -> Value {
    operator(server, Method::GET, &format!("standing?all={all}"), Value::Null).await.ok()
}

fn duty<'t>(table: &'t Value, name: &str) -> &'t Value {
    let sections = table["jurisdictions"].as_array().unwrap();
    let mut duties = sections.iter().flat_map(|section| section["duties"].as_array().unwrap());
    duties.find(|duty| duty["duty"] == name).unwrap_or(&Value::Null)
}
