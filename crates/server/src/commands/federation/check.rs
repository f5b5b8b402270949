//! `domicile federation check`: the way to a server, step by step.

use anyhow::bail;
use axum::http::Method;
use domicile_core::config::Config;
use serde_json::Value;

use super::{PATH, part};
use crate::{admin_socket::ask, commands::say};

pub(super) async fn run(config: &Config, host: &str, json: bool) -> anyhow::Result<()> {
    let path = format!("{PATH}/servers/{}", part(host)?);
    let answer = ask(config, Method::GET, &path, &Value::Null).await?;
    let works = answer["works"] == true;
    if json {
        say(&answer.to_string())?;
    } else {
        for step in answer["steps"].as_array().into_iter().flatten() {
            let text = |key: &str| step[key].as_str().unwrap_or_default();
            let mark = match text("outcome") {
                "good" => "ok  ",
                "note" => "note",
                _ => "BAD ",
            };
            // What stands here is partly the other server's text.
            let told: String =
                text("text").chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
            say(&format!("{mark}  {:<11} {told}", text("step")))?;
            if !text("advice").is_empty() {
                say(&format!("{:18}-> {}", "", text("advice")))?;
            }
        }
    }
    if works {
        if json { Ok(()) } else { say(&format!("{host} can be reached.")) }
    } else {
        bail!("{host} cannot be reached as it should be")
    }
}
