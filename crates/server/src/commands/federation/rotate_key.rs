//! `domicile federation rotate-key`: another key to sign with. In a cell of a deployment it signs from when the document names it.

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
    if answer["waits"] == true {
        return say(&waiting(&answer));
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    say(&format!("The server signs with {} now. {} is told as a key that was.", text("new"), text("old")))
}

/// What is to be done with a key that waits.
fn waiting(answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default();
    format!(
        "{new} is this cell's next key for other servers. {old} signs until the deployment document names the new one. Next:\n\
         1. `domicile federation rotate-key --json > next.json` here, and take that file, which holds nothing secret, to where the document is kept.\n\
         2. `domicile deployment rotate-outer next.json` there, sign, and copy the document to every cell.",
        new = text("new"),
        old = text("old"),
    )
}
