//! `domicile residency`: plan.

use std::path::PathBuf;

use axum::http::Method;
use clap::Subcommand;
use domicile_core::{config::Config, plural::counted};
use serde_json::{Value, json};

use super::{By, document_file, layout::number, say, terminal::ProgressLine};
use crate::admin_socket::ask_as;

/// Where people's homes should be.
#[derive(Debug, Subcommand)]
pub(super) enum ResidencyCommand {
    /// Who of this cell's people is where the rules do not have them, and why. Nothing is moved.
    Plan {
        /// Plan by this document instead of the one in force; it need not be signed.
        #[arg(long, value_name = "FILE")]
        document: Option<PathBuf>,
        /// Only the names of those who should be in this region, a line each: what `domicile move --from-file` reads.
        #[arg(long, value_name = "REGION", conflicts_with = "json")]
        names_for: Option<String>,
        #[command(flatten)]
        by: By,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: ResidencyCommand) -> anyhow::Result<()> {
    let ResidencyCommand::Plan { document, names_for, by, json } = command;
    let document = document.as_deref().map(document_file::read).transpose()?;
    let plan = plan(config, document.as_deref(), &by).await?;
    if json {
        return say(&plan.to_string());
    }
    let misplaced = plan["misplaced"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    if let Some(region) = names_for {
        for one in misplaced.iter().filter(|one| one["should_be_in"][0] == region.as_str()) {
            say(&text(one, "user_id"))?;
        }
        return Ok(());
    }
    let count = |key: &str| plan[key].as_u64().unwrap_or_default();
    say(&format!(
        "By document {}, of {} in the region {}: the region serves {}, no region serves {}, and of {} no jurisdiction is noted.",
        plan["serial"],
        counted(count("people"), "account", "accounts"),
        text(&plan, "region"),
        number(count("served")),
        number(count("served_nowhere")),
        number(count("not_noted")),
    ))?;
    if misplaced.is_empty() {
        return say("Nobody is in the wrong place.");
    }
    for one in misplaced {
        say(&format!("{}: {}", text(one, "user_id"), text(one, "why")))?;
    }
    say(&format!(
        "{} in the wrong place. `domicile residency plan --names-for REGION > people.txt` and `domicile move --from-file people.txt --to REGION \
         --dry-run` go on from here.",
        match misplaced.len() {
            1 => "1 person is".to_owned(),
            many => format!("{} people are", number(u64::try_from(many).unwrap_or(u64::MAX))),
        }
    ))
}

/// All parts of the plan together, with how far it is on a terminal.
async fn plan(config: &Config, document: Option<&str>, by: &By) -> anyhow::Result<Value> {
    let progress = ProgressLine::new(true);
    let (mut after, mut misplaced, mut sums) = (0, Vec::new(), [0_u64; 4]);
    loop {
        let wanted = json!({ "document": document, "after": after });
        let page = ask_as(config, Method::POST, "/_domicile/admin/v1/homes/plan", &wanted, by).await?;
        for (sum, key) in sums.iter_mut().zip(["people", "served", "served_nowhere", "not_noted"]) {
            *sum = sum.saturating_add(page[key].as_u64().unwrap_or_default());
        }
        misplaced.extend(page["misplaced"].as_array().cloned().unwrap_or_default());
        let [people, served, served_nowhere, not_noted] = sums;
        let Some(next) = page["next"].as_i64() else {
            progress.clear()?;
            return Ok(json!({
                "serial": page["serial"], "region": page["region"], "people": people, "served": served,
                "served_nowhere": served_nowhere, "not_noted": not_noted, "misplaced": misplaced,
            }));
        };
        after = next;
        progress.show(format_args!("{} accounts", number(people)))?;
    }
}
