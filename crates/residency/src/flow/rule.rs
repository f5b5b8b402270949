//! What may be copied between two regions.

use domicile_core::region::Region;

use crate::deployment::Deployment;

/// What may be copied, from the loosest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Everything that people share.
    Allow,
    /// Encrypted messages, and what a room cannot work without.
    EncryptedOnly,
    /// Nothing.
    Forbid,
}

/// What may be copied from one region's people into another region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The rule.
    pub rule: Rule,
    /// The operator's legal basis, printed in reports.
    pub basis: String,
}

/// A rule with the sentence that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What holds.
    pub rule: Rule,
    /// For a person who runs into it.
    pub reason: String,
    /// For the operator: which lines of the document it follows from. It names regions, so no user is told.
    pub detail: String,
}

impl Rule {
    /// Reads it as the document has it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "allow" => Some(Self::Allow),
            "encrypted_only" => Some(Self::EncryptedOnly),
            "forbid" => Some(Self::Forbid),
            _ => None,
        }
    }

    /// As the document has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::EncryptedOnly => "encrypted_only",
            Self::Forbid => "forbid",
        }
    }

    /// The sentence for a person.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Allow => "The service's rules let everything here be shared.",
            Self::EncryptedOnly => {
                "The service's rules let people in this room share encrypted messages only, since copies of the room are kept in more \
                 than one place."
            }
            Self::Forbid => {
                "The service's rules do not let a copy of this be kept where some of the people concerned have their accounts."
            }
        }
    }
}

/// What may be copied from one region's people into another region. Within a region it is everything.
pub fn one_way(deployment: &Deployment, from: &Region, to: &Region) -> Decision {
    let (rule, detail) = if from == to {
        (Rule::Allow, format!("within the region {}", from.as_str()))
    } else if let Some(flow) = deployment.flows.get(&(from.clone(), to.clone())) {
        let detail = format!("[[flow]] from {} to {}: {}", from.as_str(), to.as_str(), flow.rule.word());
        (flow.rule, detail)
    } else {
        (Rule::Forbid, format!("there is no [[flow]] from {} to {}: forbid", from.as_str(), to.as_str()))
    };
    Decision { rule, reason: rule.reason().to_owned(), detail }
}

/// What people of two regions may share, where each copies from the other, as in a room: the stricter of the two ways.
pub fn between(deployment: &Deployment, one: &Region, other: &Region) -> Decision {
    let there = one_way(deployment, one, other);
    let back = one_way(deployment, other, one);
    if back.rule > there.rule { back } else { there }
}
