//! `domicile federation rotate-key`: another key to sign with.

use axum::http::Method;
use domicile_core::config::Config;
use serde_json::Value;

use super::PATH;
use crate::{admin_socket::ask, commands::say};

pub(super) async fn run(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::POST, &format!("{PATH}/keys"), &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    say(&format!("The server signs with {} now. {} is told as a key that was.", text("new"), text("old")))
}
