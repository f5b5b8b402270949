//! What the audits of all cells say together.

use anyhow::{Context as _, Result, ensure};

use super::{Cell, Deployment, NAME};

/// Nothing of anybody is where it must not be, and everybody is at home somewhere: these people, and the account of each cell that tells them of cuts.
pub(super) fn clean(deployment: &Deployment, people: usize) -> Result<()> {
    let (mut at_home, mut tellers) = (0, 0);
    for (name, cell) in deployment.cells() {
        let audit = cell.json(&["audit"])?;
        let body = &audit["body"];
        ensure!(body["passed"] == true, "the audit of {name} finds {}", body["foreign"]);
        at_home += body["homes"]["people"]["here"].as_u64().context("an audit counts people")?;
        tellers += u64::from(has_teller(name, cell)?);
    }
    let everybody = people as u64 + tellers;
    ensure!(
        at_home == everybody,
        "{people} people and {tellers} accounts of notices of {NAME} have {at_home} homes by the audits"
    );
    Ok(())
}

fn has_teller(name: &str, cell: &Cell) -> Result<bool> {
    let users = cell.json(&["user", "list"])?;
    let users = users["users"].as_array().context("a list of users")?;
    let teller = format!("@notices-{name}:{NAME}");
    Ok(users.iter().any(|user| user["user_id"] == *teller))
}
