//! Somebody who stole a cell's key, takes its place where others meet it, and answers whatever they like.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::sync::Arc;

use axum::{Json, Router, extract::Request};
use domicile_http::{
    forwarded::Proxies,
    listener::{Bound, Certificate},
};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Cluster;

/// Them. What they answer ends when it is dropped.
pub struct Liar {
    heard: Arc<Mutex<Vec<String>>>,
    _stopping: DropGuard,
}

impl Liar {
    /// All that they were told: each request with its headers and its body.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }
}

impl Cluster {
    /// Somebody who has the key of a cell, to whom its border leads from now on, and who answers each path with what `says` makes of it.
    pub async fn liar(&self, cell: &str, says: impl Fn(&str) -> Value + Send + Sync + 'static) -> Liar {
        let link = self.cells[cell].link.as_ref().expect("a cell of a deployment");
        let certificate = Certificate::of_cell(link.admission());
        let bound = Bound::bind("127.0.0.1:0", 0, Some(certificate), Proxies::default()).await.expect("a port");
        self.borders[cell].lead_to(bound.address().expect("an address"));
        let (heard, says) = (Arc::new(Mutex::new(Vec::new())), Arc::new(says));
        let hears = Arc::clone(&heard);
        let router = Router::new().fallback(move |request: Request| {
            let (hears, says) = (Arc::clone(&hears), Arc::clone(&says));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let text = format!("{} {:?} {}", parts.uri, parts.headers, String::from_utf8_lossy(&body));
                hears.lock().push(text);
                Json(says(parts.uri.path()))
            }
        });
        let stopping = CancellationToken::new();
        tokio::spawn(bound.serve(router, stopping.clone()));
        Liar { heard, _stopping: stopping.drop_guard() }
    }
}
