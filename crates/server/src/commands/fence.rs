//! `domicile fence`: how far a restored cell is, and cells that it does not wait for any more.

use anyhow::bail;
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::{calendar::minute, config::Config};
use serde_json::{Value, json};

use super::say;
use crate::admin_socket::{By, ask, ask_as};

const PATH: &str = "/_domicile/admin/v1/fence";

/// A restored cell until it is open.
#[derive(Debug, Args)]
pub(super) struct FenceCommand {
    #[command(subcommand)]
    command: Option<FenceSubcommand>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum FenceSubcommand {
    /// Do not wait for cells that cannot be reached. What they know of since the backup is not done again: erasures, revocations, messages, people who
    /// have come from there.
    GiveUp {
        /// The cells.
        #[arg(long = "on", required = true)]
        cells: Vec<String>,
        #[command(flatten)]
        by: By,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: FenceCommand) -> anyhow::Result<()> {
    let (answer, json) = match command.command {
        None => (ask(config, Method::GET, PATH, &Value::Null).await?, command.json),
        Some(FenceSubcommand::GiveUp { cells, by, json }) => {
            if !by.has_reason() {
                bail!("say why with --reason: it stands in the signed document of the restore");
            }
            let body = json!({ "cells": cells });
            (ask_as(config, Method::POST, PATH, &body, &by).await?, json || command.json)
        }
    };
    if json { say(&answer.to_string()) } else { show(&answer) }
}

fn show(answer: &Value) -> anyhow::Result<()> {
    if answer["fenced"].as_bool() != Some(true) {
        return say("This cell is open.");
    }
    let state = &answer["state"];
    let when = |key: &str| state[key].as_i64().map(minute).unwrap_or_default();
    say(&format!(
        "This cell was restored at {} from a backup of {}, and serves nobody until all of this is done:",
        when("restored_ts"),
        when("backup_ts")
    ))?;
    for step in answer["steps"].as_array().into_iter().flatten() {
        let (name, words) = (step[0].as_str().unwrap_or_default(), step[1].as_str().unwrap_or_default());
        let this = &state["steps"][name];
        let done = this["done"].as_u64().unwrap_or_default();
        let mark = match (this["ended_ts"].is_i64(), this.is_object()) {
            (true, _) => "done",
            (false, true) => "now",
            (false, false) => "later",
        };
        say(&format!("  {mark:<6} {words}: {done}"))?;
        if let Some(error) = this["error"].as_str() {
            say(&format!("         {error}"))?;
        }
    }
    let without: Vec<&str> = state["without"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !without.is_empty() {
        say(&format!("Not waited for: {}.", without.join(", ")))?;
    }
    Ok(())
}
