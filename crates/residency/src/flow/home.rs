//! Whether somebody's home may be in a region.

use domicile_core::region::Region;

use crate::deployment::Deployment;

/// Whether somebody's home may be in a region. `never_in` are the jurisdictions that they named as ones in which their data must never be.
/// An error is the sentence for whoever would put it there.
pub fn may_be_home(deployment: &Deployment, region: &Region, never_in: &[String]) -> Result<(), String> {
    let Some(policy) = deployment.regions.get(region) else {
        return Err(format!("The deployment has no region {}.", region.as_str()));
    };
    let named = policy.jurisdictions.iter().find(|code| never_in.iter().any(|never| never.eq_ignore_ascii_case(code)));
    match named {
        Some(code) => Err(format!(
            "The region {} is under the law of {code}, and this person has said that their data must never be there.",
            region.as_str()
        )),
        None => Ok(()),
    }
}
