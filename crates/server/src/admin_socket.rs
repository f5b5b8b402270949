//! Asking the operator's API: of the running server over its socket, or, when none runs, in this process over the database itself.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode},
};
use domicile_core::{clock::SystemClock, config::Config, rng::OsRng};
use domicile_egress::{
    federation::SystemDns,
    unix::{self, UnixError},
};
use domicile_http::admin::operator;
use domicile_store::Store;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::wire::{self, Surroundings};

/// Where the running server's socket is.
pub fn path(config: &Config) -> PathBuf {
    PathBuf::from(&config.server.data_dir).join("admin.sock")
}

/// Who asks, and why, as the access log has it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct By {
    /// Your name, for the access log and receipts.
    #[arg(long = "as", value_name = "NAME", env = "DOMICILE_OPERATOR")]
    name: Option<String>,
    /// Why. The person whose data it is reads it.
    #[arg(long)]
    reason: Option<String>,
}

impl By {
    /// Whether it was said why.
    pub fn has_reason(&self) -> bool {
        self.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty())
    }

    /// The name that was given, or that of the account on this machine.
    fn name(&self) -> String {
        let account = || {
            ["DOMICILE_OPERATOR", "SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok())
        };
        self.name.clone().or_else(account).unwrap_or_default()
    }
}

/// Asks, and gives the answer's JSON; what the server refuses is an error with its text.
pub async fn ask(config: &Config, method: Method, path_and_query: &str, body: &Value) -> anyhow::Result<Value> {
    ask_as(config, method, path_and_query, body, &By::default()).await
}

/// The same, by somebody and for a reason.
pub async fn ask_as(
    config: &Config,
    method: Method,
    path_and_query: &str,
    body: &Value,
    by: &By,
) -> anyhow::Result<Value> {
    let bytes = Bytes::from(body.to_string());
    let request = builder(&method, path_and_query, by);
    let (status, answer) = match unix::ask(&path(config), request.body(Full::new(bytes.clone()))?).await {
        Ok(answered) => answered,
        Err(UnixError::Nobody(_)) => {
            // In a box: it is the whole server, and every command would hold room for it.
            Box::pin(alone(config, builder(&method, path_and_query, by).body(Body::from(bytes))?)).await?
        }
        Err(error) => return Err(error.into()),
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if !status.is_success() {
        let told = answer["error"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
        bail!("{told}");
    }
    Ok(answer)
}

fn builder(method: &Method, path_and_query: &str, by: &By) -> axum::http::request::Builder {
    let mut builder = Request::builder()
        .method(method)
        .uri(path_and_query)
        .header("host", "admin")
        .header("content-type", "application/json")
        .header(operator::NAME, operator::encoded(&by.name()));
    if let Some(reason) = &by.reason {
        builder = builder.header(operator::REASON, operator::encoded(reason));
    }
    builder
}

/// The same without a running server: the database is opened under its lock, so there is never a second writer.
async fn alone(config: &Config, mut request: Request<Body>) -> anyhow::Result<(StatusCode, Bytes)> {
    // The folder of this process says whose it is.
    if let Ok(own) = std::fs::metadata("/proc/self") {
        request.extensions_mut().insert(operator::Uid(std::os::unix::fs::MetadataExt::uid(&own)));
    }
    std::fs::create_dir_all(&config.server.data_dir)
        .with_context(|| format!("cannot make the data folder {}", config.server.data_dir))?;
    let store = Store::open(wire::store_options(config)).await.context("cannot open the database")?;
    let keystore = wire::keystore(config, &SystemClock).await?;
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        rng: Arc::new(OsRng),
        stopping: CancellationToken::new(),
        keystore,
        media: wire::media_folder(config),
        carrier: None,
        dns: Arc::new(SystemDns::new()),
    };
    let wired = wire::wire(wire::Settings::new(config)?, store.clone(), &surroundings).await?;
    let response = domicile_http::admin::routes(wired.admin).oneshot(request).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    store.close().await;
    Ok((status, answer))
}
