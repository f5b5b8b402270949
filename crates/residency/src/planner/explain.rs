//! A finding in a sentence, for whoever reads the plan and for whom it is about.

use super::{Cause, Finding, Lack, Person, Planner, Stays};

impl Planner<'_> {
    /// Why somebody's home is where it should be, or is not, and where it should be then.
    pub fn explain(&self, person: Person<'_>, finding: &Finding) -> String {
        let home = person.home.as_str();
        let code = person.jurisdiction.unwrap_or_default();
        match finding {
            Finding::Stays(Stays::Serves) => {
                format!("The region {home} serves {code}, so the home is where it should be.")
            }
            Finding::Stays(Stays::NobodyServes) => {
                format!("No region of the deployment serves {code}, so the home can stay in {home}.")
            }
            Finding::Stays(Stays::NotNoted) => {
                format!("No jurisdiction is noted, and none is guessed, so the home can stay in {home}.")
            }
            Finding::Moves(cause, regions) => {
                let names: Vec<&str> = regions.iter().map(domicile_core::region::Region::as_str).collect();
                format!("{} It should be in {}.", self.cause(person, cause), names.join(" or "))
            }
            Finding::Stuck(cause, lack) => {
                let lack = match lack {
                    Lack::AtOdds => {
                        format!("Where {code} is served they want nothing of theirs to be: ask them what goes before.")
                    }
                    Lack::NoneLeft => "There is no other region at work in which they could be: add a cell.".to_owned(),
                };
                format!("{} {lack}", self.cause(person, cause))
            }
        }
    }

    fn cause(&self, person: Person<'_>, cause: &Cause) -> String {
        let home = person.home.as_str();
        match cause {
            Cause::NoCell if self.deployment.regions.contains_key(person.home) => {
                format!("The region {home} has no cell at work in this document.")
            }
            Cause::NoCell => format!("This document has no region {home}."),
            Cause::Never(law) => {
                format!("The region {home} is under the law of {law}, and they want nothing of theirs to be there.")
            }
            Cause::ServedElsewhere => {
                let code = person.jurisdiction.unwrap_or_default();
                format!(
                    "They live under the law of {code}, which the region {home} does not serve and another one does."
                )
            }
        }
    }
}
