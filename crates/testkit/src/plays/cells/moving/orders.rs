//! Orders to move, and how they stand.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::CELLS;
use super::company::Company;
use crate::plays::cells::Deployment;

/// Orders the moves of all who are not where they are wanted. All cells run.
pub(super) fn order(deployment: &Deployment, company: &Company, wanted: &[usize]) -> Result<()> {
    for (number, (_, region)) in CELLS.iter().enumerate() {
        let going: Vec<&str> = company
            .accounts
            .iter()
            .zip(wanted)
            .filter(|(_, wanted)| **wanted == number)
            .map(|(account, _)| account.user.as_str())
            .collect();
        // They are all in the other one.
        let from = CELLS[(number + 1) % CELLS.len()].0;
        if !going.is_empty() {
            let words = ["--to", region, "--no-wait", "--reason", "a play", "--as", "the play"];
            deployment.cell(from)?.json(&[&["move"][..], &going[..], &words[..]].concat())?;
        }
    }
    Ok(())
}

/// The moves from a cell, the newest first.
fn moves_from(deployment: &Deployment, cell: usize) -> Result<Vec<Value>> {
    let mut told = deployment.cell(CELLS[cell].0)?.json(&["move", "--list"])?;
    serde_json::from_value(told["moves"].take()).context("understanding a list of moves")
}

/// Whether all moves of a wave are over. One that was stopped is an error: nobody stopped it.
pub(super) fn over(deployment: &Deployment, company: &Company, wanted: &[usize]) -> Result<bool> {
    for (from, (cell, _)) in CELLS.iter().enumerate() {
        let moves = moves_from(deployment, from)?;
        for (account, _) in company.accounts.iter().zip(wanted).filter(|(_, wanted)| **wanted != from) {
            let last = moves.iter().find(|one| one["user_id"] == *account.user);
            let last = last.with_context(|| format!("{cell} forgot the move of {}", account.user))?;
            ensure!(last["state"] != "stopped", "{} does not move: {last}", account.user);
            if last["ended_ts"].is_null() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// How the moves stand that are not over, for whoever looks for a mistake.
pub(super) fn standing(deployment: &Deployment) -> String {
    let mut words = Vec::new();
    for (number, (cell, _)) in CELLS.iter().enumerate() {
        for one in moves_from(deployment, number).unwrap_or_default() {
            if one["ended_ts"].is_null() {
                words.push(format!("{} from {cell}: {} ({})", one["user_id"], one["state"], one["error"]));
            }
        }
    }
    words.join("; ")
}
