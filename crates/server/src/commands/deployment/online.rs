//! `domicile deployment status` and `domicile deployment reload`: the document by which the running cell works.

use axum::http::Method;
use clap::Args;
use domicile_core::{calendar::minute, config::Config};
use serde_json::Value;

use super::super::say;
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/deployment";

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print the document that holds, as it was signed, and nothing else.
    #[arg(long, conflicts_with = "json")]
    document: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// How it is answered.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn status(config: &Config, status: &Status) -> anyhow::Result<()> {
    if status.document {
        let answer = ask(config, Method::GET, &format!("{PATH}/document"), &Value::Null).await?;
        return say(answer["document"].as_str().unwrap_or_default().trim_end());
    }
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    if status.json {
        return say(&answer.to_string());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let since = answer["taken_ts"].as_i64().map(|at| format!(", since {}", minute(at))).unwrap_or_default();
    let from = answer["from"].as_str().map(|from| format!(", from {from}")).unwrap_or_default();
    say(&format!("This is the cell {}, with document {}{since}{from}.", text(&answer["cell"]), answer["serial"]))?;
    if let Some(refused) = answer["refused"].as_str() {
        say(&format!("The last document that was offered is not taken, {refused}"))?;
    }
    for cell in answer["cells"].as_array().into_iter().flatten() {
        let serial = match (cell["serial"].as_u64(), cell["heard_ts"].as_i64()) {
            (Some(serial), Some(at)) => format!("document {serial}, as it said at {}", minute(at)),
            _ => "has not said which document it has".to_owned(),
        };
        let trouble = cell["trouble"].as_str().map(|why| format!("; {why}")).unwrap_or_default();
        let way = cell["by_way_of"].as_str().map(|relay| format!("; reached by way of {relay}")).unwrap_or_default();
        say(&format!("{:<16}  {serial}{way}{trouble}", text(&cell["cell"])))?;
    }
    for cut in answer["cuts"]["now"].as_array().into_iter().flatten() {
        say(&now(cut))?;
    }
    for cut in answer["cuts"]["past"].as_array().into_iter().flatten() {
        say(&past(cut))?;
    }
    Ok(())
}

/// A cut that is not over.
fn now(cut: &Value) -> String {
    let cell = cut["cell"].as_str().unwrap_or_default();
    let since = minute(cut["since_ts"].as_i64().unwrap_or_default());
    let told = match (cut["declared_ts"].as_i64(), cut["whole_ts"].as_i64()) {
        (None, _) => "; people are not told yet".to_owned(),
        (Some(_), None) => format!("; {} people were told", cut["told"]),
        (Some(_), Some(at)) => format!("; it is reached again since {}", minute(at)),
    };
    format!(
        "{cell} and this cell have not reached each other since {since} UTC{told}. {} wait for it.",
        waited(&cut["here"])
    )
}

/// A cut that is.
fn past(cut: &Value) -> String {
    let at = |key: &str| minute(cut[key].as_i64().unwrap_or_default());
    let whole = if cut["whole_ts"].is_null() { at("ended_ts") } else { at("whole_ts") };
    let there = if cut["there"].is_null() {
        "what waited there is not known".to_owned()
    } else {
        format!("{} waited there", waited(&cut["there"]))
    };
    let cell = cut["cell"].as_str().unwrap_or_default();
    format!(
        "{cell} was cut off from {} UTC to {whole} UTC: {} waited here, {there}; {} people were told, {} that it is over.",
        at("since_ts"),
        waited(&cut["here"]),
        cut["told"],
        cut["told_of_end"]
    )
}

fn waited(what: &Value) -> String {
    format!(
        "{} removals, {} bans, {} sign-outs and {} messages and other events",
        what["removals"], what["bans"], what["sign_outs"], what["messages"]
    )
}

pub(super) async fn reload(config: &Config, reload: &Reload) -> anyhow::Result<()> {
    let answer = ask(config, Method::POST, &format!("{PATH}/reload"), &Value::Null).await?;
    if reload.json {
        return say(&answer.to_string());
    }
    match answer["before"].as_u64() {
        Some(before) => say(&format!(
            "Document {} holds now in place of {before}; the other cells are told by this one.",
            answer["serial"]
        )),
        None => say(&format!("Document {} is the one that holds already.", answer["serial"])),
    }
}
