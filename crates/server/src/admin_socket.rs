//! Asking the operator's API: of the running server over its socket, or, when none runs, in this process over the database itself.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode},
};
use domicile_core::{clock::SystemClock, config::Config, rng::OsRng};
use domicile_store::Store;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::wire::{self, Surroundings};

/// Where the running server's socket is.
pub fn path(config: &Config) -> PathBuf {
    PathBuf::from(&config.server.data_dir).join("admin.sock")
}

/// Asks, and gives the answer's JSON; what the server refuses is an error with its text.
pub async fn ask(config: &Config, method: Method, path_and_query: &str, body: &Value) -> anyhow::Result<Value> {
    let bytes = Bytes::from(body.to_string());
    let request = Request::builder()
        .method(method)
        .uri(path_and_query)
        .header("host", "admin")
        .header("content-type", "application/json");
    let (status, answer) = match UnixStream::connect(path(config)).await {
        Ok(stream) => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let response = sender.send_request(request.body(Full::new(bytes))?).await.context("the running server")?;
            let status = response.status();
            let answer = response.into_body().collect().await.context("the running server")?.to_bytes();
            driver.abort();
            (status, answer)
        }
        Err(_) => alone(config, request.body(Body::from(bytes))?).await?,
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if !status.is_success() {
        let told = answer["error"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
        bail!("{told}");
    }
    Ok(answer)
}

/// The same without a running server: the database is opened under its lock, so there is never a second writer.
async fn alone(config: &Config, request: Request<Body>) -> anyhow::Result<(StatusCode, Bytes)> {
    std::fs::create_dir_all(&config.server.data_dir)
        .with_context(|| format!("cannot make the data folder {}", config.server.data_dir))?;
    let store = Store::open(wire::store_options(config)).await.context("cannot open the database")?;
    let surroundings =
        Surroundings { clock: Arc::new(SystemClock), rng: Arc::new(OsRng), stopping: CancellationToken::new() };
    let wired = wire::wire(wire::Settings::new(config)?, store.clone(), &surroundings).await?;
    let response = domicile_http::admin::routes(wired.admin).oneshot(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    store.close().await;
    Ok((status, answer))
}
