//! `domicile move --where` and `--confirm`: all who live under a law, asked for by one administrator and confirmed by another.

use anyhow::bail;
use axum::http::Method;
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{By, date, say};
use crate::admin_socket::{ask, ask_as};

const PATH: &str = "/_domicile/admin/v1/group-moves";

/// Asks that all who live under a law move, or tells what that would do.
pub(super) async fn ask_for(
    config: &Config,
    code: &str,
    wanted: Value,
    by: &By,
    (dry_run, json): (bool, bool),
) -> anyhow::Result<()> {
    let mut body = wanted;
    body["jurisdiction"] = code.into();
    if dry_run {
        let plan = ask(config, Method::POST, &format!("{PATH}/plan"), &body).await?;
        return if json { say(&plan.to_string()) } else { show(code, &plan) };
    }
    let asked = ask_as(config, Method::POST, PATH, &body, by).await?;
    if json {
        return say(&asked.to_string());
    }
    let id = asked["id"].as_str().unwrap_or_default();
    say(&format!(
        "Asked for: all who live under {code}. The same with --dry-run tells how many they are and what would move.\n\
         Somebody else confirms it with their own name: domicile move --confirm {id} --as NAME"
    ))
}

/// Confirms what somebody else has asked for.
pub(super) async fn confirm(config: &Config, id: &str, by: &By, json: bool) -> anyhow::Result<()> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("`{id}` is no request's id: `domicile move --list` shows them");
    }
    let ordered = ask_as(config, Method::POST, &format!("{PATH}/{id}/confirm"), &json!(null), by).await?;
    if json {
        return say(&ordered.to_string());
    }
    say(&format!("{} people are ordered to move: `domicile move --list` shows them.", ordered["ordered"]))?;
    refused(&ordered)
}

/// The requests that wait to be confirmed.
pub(super) async fn waiting(config: &Config) -> anyhow::Result<Vec<Value>> {
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    let requests = answer["requests"].as_array().into_iter().flatten();
    Ok(requests.filter(|request| request["confirmed_by"].is_null()).cloned().collect())
}

/// Says which these are.
pub(super) fn list(requests: &[Value]) -> anyhow::Result<()> {
    requests.iter().try_for_each(|request| {
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let to = &request["wish"]["to"];
        let to = to["region"].as_str().or_else(|| to["cell"].as_str()).unwrap_or_default();
        say(&format!(
            "{}  {}  all who live under {} to {to}, asked for by {}: {} (waits to be confirmed)",
            text("id"),
            date(request["created_ts"].as_i64().unwrap_or_default()),
            text("jurisdiction"),
            text("requested_by"),
            text("reason")
        ))
    })
}

fn show(code: &str, plan: &Value) -> anyhow::Result<()> {
    say(&format!(
        "{} people who live under {code} would move, with {} files ({} bytes). Rooms of each of them, added up: {}.",
        plan["people"], plan["files"], plan["bytes"], plan["rooms"]
    ))?;
    match plan["with_forbidden_rooms"].as_u64() {
        Some(0) | None => say("No rule stands against any of their rooms.")?,
        Some(some) => say(&format!(
            "{some} of them are in rooms in which the rules would not let them be from there: with --forbidden leave they leave these, else they do not move. \
             `domicile move @somebody:… --dry-run` names the rooms."
        ))?,
    }
    refused(plan)
}

fn refused(answer: &Value) -> anyhow::Result<()> {
    let refused = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    if refused.is_empty() {
        return Ok(());
    }
    say(&format!("{} do not:", refused.len()))?;
    refused.iter().try_for_each(|refused| {
        let text = |name: &str| refused[name].as_str().unwrap_or_default();
        say(&format!("  {}: {}", text("user_id"), text("reason")))
    })
}
