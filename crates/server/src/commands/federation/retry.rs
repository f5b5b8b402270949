//! `domicile federation retry HOST`

use axum::http::Method;
use domicile_core::config::Config;
use serde_json::Value;

use super::path;
use crate::{admin_socket::ask, commands::say};

pub(super) async fn run(config: &Config, host: &str) -> anyhow::Result<()> {
    ask(config, Method::POST, &format!("{}/retry", path(host)?), &Value::Null).await?;
    say(&format!("{host} is tried now. See how it went with: domicile federation status {host}"))
}
