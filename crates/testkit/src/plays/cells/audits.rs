//! What cells' audits say, and how many people are at home in them.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Cell, Deployment, NAME};

/// A cell's audit, and how many people it finds at home there. The account with which the cell tells them something is none of them.
pub(super) fn audit(name: &str, cell: &Cell) -> Result<(Value, u64)> {
    loop {
        let had_teller = has_teller(name, cell)?;
        let audit = cell.json(&["audit"])?;
        // It is made when people of two cells meet first, which may be in this moment.
        if has_teller(name, cell)? == had_teller {
            let here = audit["body"]["homes"]["people"]["here"].as_u64();
            let here = here.with_context(|| format!("the audit of {name} counts nobody"))?;
            return Ok((audit, here.saturating_sub(u64::from(had_teller))));
        }
    }
}

/// Nothing of anybody is where it must not be, and everybody is at home somewhere.
pub(super) fn clean(deployment: &Deployment, people: usize) -> Result<()> {
    let mut at_home = 0;
    for (name, cell) in deployment.cells() {
        let (audit, here) = audit(name, cell)?;
        let body = &audit["body"];
        ensure!(body["passed"] == true, "the audit of {name} finds {}", body["foreign"]);
        at_home += here;
    }
    ensure!(at_home == people as u64, "{people} people of {NAME} have {at_home} homes by the audits");
    Ok(())
}

fn has_teller(name: &str, cell: &Cell) -> Result<bool> {
    let users = cell.json(&["user", "list"])?;
    let users = users["users"].as_array().context("a list of users")?;
    let teller = format!("@notices-{name}:{NAME}");
    Ok(users.iter().any(|user| user["user_id"] == *teller))
}
