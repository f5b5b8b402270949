//! Which cell may be the way between two others.

use domicile_core::locality::CellName;

use super::{Decision, Rule, between};
use crate::deployment::Deployment;

/// Whether what two cells tell each other may pass through a third one. It cannot be read there, but it crosses that region's border, and whoever holds
/// the third cell sees that they talk: so nothing may be forbidden between its region and either of theirs. An error is what does not let it.
pub fn may_relay(deployment: &Deployment, relay: &CellName, ends: [&CellName; 2]) -> Result<(), Decision> {
    let refused = |detail: String| Decision {
        rule: Rule::Forbid,
        reason: "The deployment's rules do not let what these cells tell each other pass through this one.".to_owned(),
        detail,
    };
    let region = |cell: &CellName| {
        deployment.region_of(cell).ok_or_else(|| refused(format!("there is no cell {} at work", cell.as_str())))
    };
    if ends[0] == ends[1] || ends.contains(&relay) {
        return Err(refused("a cell is no way from or to itself".to_owned()));
    }
    let here = region(relay)?;
    for end in ends {
        let decision = between(deployment, here, region(end)?);
        if decision.rule == Rule::Forbid {
            return Err(refused(decision.detail));
        }
    }
    Ok(())
}
