//! Changing dossiers.

use std::{io::Read as _, path::Path};

use anyhow::Context;
use axum::http::Method;
use clap::Args;
use domicile_core::{calendar::parse_day, config::Config};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{PATH, part, view};
use crate::{
    admin_socket::ask,
    commands::{say, who},
};

/// A day such as 2026-11-28, or nothing to take the date away.
fn day(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    parse_day(text).ok_or_else(|| format!("expected a day such as 2026-11-28, found `{text}`"))
}

/// What to change. An empty text takes away what was there.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// The jurisdiction's code.
    code: String,
    /// `not_needed`, `chosen_not_to` (with a note that says why), `draft`, `filed`, `registered`, `refused` or `lapsed`.
    #[arg(long)]
    status: Option<String>,
    /// The legal entity.
    #[arg(long)]
    entity: Option<String>,
    /// The authority.
    #[arg(long)]
    authority: Option<String>,
    /// The register.
    #[arg(long)]
    register: Option<String>,
    /// The number in it.
    #[arg(long)]
    number: Option<String>,
    /// A note.
    #[arg(long)]
    note: Option<String>,
    /// The day on which it was filed.
    #[arg(long, value_parser = day)]
    filed: Option<i64>,
    /// The day on which it was registered.
    #[arg(long, value_parser = day)]
    registered: Option<i64>,
    /// The day on which the registration ends.
    #[arg(long, value_parser = day)]
    expires: Option<i64>,
    /// What is to be done next.
    #[arg(long)]
    next: Option<String>,
    /// Until which day.
    #[arg(long, value_parser = day)]
    due: Option<i64>,
    /// Who changes it; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let mut change = Map::new();
        for (key, text) in [
            ("status", self.status),
            ("legal_entity", self.entity),
            ("authority", self.authority),
            ("register", self.register),
            ("number", self.number),
            ("note", self.note),
            ("next_action", self.next),
        ] {
            if let Some(text) = text {
                change.insert(key.to_owned(), text.into());
            }
        }
        for (key, at) in [
            ("filed_ts", self.filed),
            ("registered_ts", self.registered),
            ("expires_ts", self.expires),
            ("next_due_ts", self.due),
        ] {
            if let Some(at) = at {
                change.insert(key.to_owned(), at.into());
            }
        }
        let body = json!({ "who": who(self.by)?, "change": change });
        let answer = ask(config, Method::PUT, &format!("{PATH}/{}", part(&self.code)?), &body).await?;
        if self.json { say(&answer.to_string()) } else { say(view::whole(&answer).trim_end()) }
    }
}

/// Who can be reached for a role.
#[derive(Debug, Args)]
pub(super) struct ContactCommand {
    /// The jurisdiction's code.
    code: String,
    /// `representative`, `authority`, `always_on`, `grievance`, `compliance`, `data_protection`, `security` or `users`.
    role: String,
    /// The role's address: mail, a Matrix id, or https.
    #[arg(required_unless_present = "remove")]
    address: Option<String>,
    /// Show the address to the public.
    #[arg(long)]
    public: bool,
    /// The name of the person behind it, if the authority asks for one. It is sealed, and shown to the authority only.
    #[arg(long)]
    person: Option<String>,
    /// Their telephone number.
    #[arg(long)]
    phone: Option<String>,
    /// Their own mail address.
    #[arg(long)]
    mail: Option<String>,
    /// Their postal address.
    #[arg(long)]
    post: Option<String>,
    /// Name nobody for the role any more.
    #[arg(long, conflicts_with_all = ["address", "public", "person", "phone", "mail", "post"])]
    remove: bool,
    /// Who changes it; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl ContactCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let path = format!("{PATH}/{}/contacts/{}", part(&self.code)?, part(&self.role)?);
        let who = who(self.by)?;
        let answer = if self.remove {
            ask(config, Method::DELETE, &path, &json!({ "who": who })).await?
        } else {
            let person = json!({ "name": self.person, "phone": self.phone, "mail": self.mail, "post": self.post });
            let is_named = person.as_object().is_some_and(|person| person.values().any(|value| !value.is_null()));
            let person = if is_named { person } else { Value::Null };
            let contact = json!({ "address": self.address, "is_public": self.public, "person": person });
            ask(config, Method::PUT, &path, &json!({ "who": who, "contact": contact })).await?
        };
        if self.json { say(&answer.to_string()) } else { say(view::whole(&answer).trim_end()) }
    }
}

/// Attaches a file by its hash.
pub(super) async fn attach(
    config: &Config,
    code: &str,
    file: &Path,
    by: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let (sha256, bytes) = hash(file)?;
    let name = file.file_name().context("this is no file")?.to_string_lossy();
    let body = json!({ "who": who(by)?, "name": name, "sha256": sha256, "bytes": bytes });
    let answer = ask(config, Method::POST, &format!("{PATH}/{}/documents", part(code)?), &body).await?;
    if json { say(&answer.to_string()) } else { say(&format!("Attached {name}: SHA-256 {sha256}, {bytes} bytes.")) }
}

/// SHA-256 of a file in hexadecimal digits, and its size.
fn hash(file: &Path) -> anyhow::Result<(String, u64)> {
    use std::fmt::Write as _;
    let cannot = || format!("cannot read {}", file.display());
    let mut opened = std::fs::File::open(file).with_context(cannot)?;
    let (mut hasher, mut bytes, mut piece) = (Sha256::new(), 0_u64, vec![0_u8; 64 * 1024]);
    loop {
        let read = opened.read(&mut piece).with_context(cannot)?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        bytes += u64::try_from(read)?;
    }
    let mut digits = String::with_capacity(64);
    for byte in hasher.finalize() {
        write!(digits, "{byte:02x}")?;
    }
    Ok((digits, bytes))
}
