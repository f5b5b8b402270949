//! Licences and unwanted packages, by the lists of `deny.toml`.
//!
//! The file is cargo-deny's, so that who has that tool may use it; it takes many minutes to build, and what the project
//! needs of it is little, so it is read here.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::Complaint;
use super::metadata::Metadata;
use crate::command;

const FILE: &str = "deny.toml";

#[derive(Debug, Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    name: String,
    reason: String,
}

/// Complaints about packages of the lock file.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<Complaint>> {
    let text = fs::read_to_string(command::root().join(FILE)).with_context(|| format!("reading {FILE}"))?;
    let deny: Deny = toml::from_str(&text).with_context(|| format!("understanding {FILE}"))?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let place = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("none named");
        if !is_allowed(licence, &deny.licenses.allow) {
            let what = format!("its licence is `{licence}`, which is not in {FILE}");
            complaints.push(Complaint::new(&place, what, "use another package, or add the licence after reading it"));
        }
        if let Some(ban) = deny.bans.deny.iter().find(|ban| ban.name == package.name) {
            complaints.push(Complaint::new(&place, "this package is not wanted", &ban.reason));
        }
        let is_public = package.source.as_deref().is_none_or(|source| source.ends_with("/crates.io-index"));
        if !is_public {
            let what = format!("it comes from {}", package.source.as_deref().unwrap_or_default());
            complaints.push(Complaint::new(&place, what, "use a version that is published on crates.io"));
        }
    }
    Ok(complaints)
}

/// Whether an SPDX expression can be satisfied with the allowed licences. `OR` binds weaker than `AND`; `/` is an old `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let words = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = words.split_whitespace().peekable();
    either(&mut words, allowed) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_ok = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        is_ok |= both(words, allowed);
    }
    is_ok
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_ok = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        is_ok &= one(words, allowed);
    }
    is_ok
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let is_ok = either(words, allowed);
            words.next_if_eq(&")").is_some() && is_ok
        }
        Some(name) if words.next_if_eq(&"WITH").is_some() => {
            words.next().is_some_and(|exception| allowed.contains(&format!("{name} WITH {exception}")))
        }
        Some(name) => allowed.contains(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(String::from).into();
        for good in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT AND Apache-2.0", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT", "", "MIT Apache-2.0"] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
