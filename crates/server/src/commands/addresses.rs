//! `domicile addresses`: alternative addresses, signed so that it does not matter who passes them on.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_app::standing::addresses::document::{self, Document, Keys, Said};
use domicile_core::{
    calendar::minute,
    clock::{Clock, SystemClock},
    config::{Config, Duration, Setting as _},
};
use domicile_residency::deployment::PublicKey;
use ruma::ServerName;
use serde_json::{Value, json};

use super::{key_file, say};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/addresses";

/// What to do with alternative addresses.
#[derive(Debug, Subcommand)]
pub(super) enum AddressesCommand {
    /// Write a signed document with alternative addresses. Name the file in standing.addresses, and give it to whom you like.
    Write(Write),
    /// Say whether a document is to be believed, and what it says. This is what a person does who got one from somebody else.
    Check(Check),
    /// Show the keys by which such documents are believed, as `check --key` takes them. People should know them beforehand.
    Keys {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// What is written.
#[derive(Debug, Args)]
pub(super) struct Write {
    /// The file. One that is there is replaced.
    file: PathBuf,
    /// An address, such as <https://chat.example.net>; once for each, the best first.
    #[arg(long = "address", required = true)]
    addresses: Vec<String>,
    /// How long the document is good.
    #[arg(long, default_value = "90d", value_parser = Duration::read_text)]
    valid: Duration,
    /// Sign with the deployment's root key in this file, in place of the server's key.
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What is checked.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The file; `-` for the standard input.
    file: PathBuf,
    /// A key that you know, with its id, such as `ed25519:a_abcd=BASE64`, or a deployment's root key, `ed25519:BASE64`. Without
    /// one, the running server's own are asked for.
    #[arg(long = "key")]
    keys: Vec<String>,
    /// The deployment's name; without it, server.name.
    #[arg(long)]
    server_name: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: AddressesCommand) -> anyhow::Result<()> {
    match command {
        AddressesCommand::Write(write) => self::write(config, write).await,
        AddressesCommand::Check(check) => self::check(config, check).await,
        AddressesCommand::Keys { json } => {
            let keys = own_keys(config).await?;
            if json {
                return say(&json!({ "keys": keys }).to_string());
            }
            keys.iter().try_for_each(|(id, key)| say(&format!("{id}={key}")))
        }
    }
}

async fn write(config: &Config, command: Write) -> anyhow::Result<()> {
    let Write { file, addresses, valid, root_key, json } = command;
    let text = if let Some(path) = root_key {
        let name = named(&config.server.name)?;
        let (key, now_ms) = (key_file::read(&path)?, SystemClock.now_ms());
        let said = Said::new(name, addresses, now_ms, now_ms.saturating_add(valid.0))?;
        document::sign(&said, document::root_signer(name, &key)?.key_pair())?
    } else {
        let wish = json!({ "addresses": addresses, "good_for_ms": valid.0 });
        let answer = ask(config, Method::POST, PATH, &wish).await?;
        answer["document"].as_str().context("the server's answer has no document")?.to_owned()
    };
    // Whoever reads it meanwhile gets the old one or the new one, and no half of it.
    let mut part = file.clone().into_os_string();
    part.push(".part");
    std::fs::write(&part, &text).with_context(|| format!("cannot write {}", Path::new(&part).display()))?;
    std::fs::rename(&part, &file).with_context(|| format!("cannot write {}", file.display()))?;
    if json {
        return say(&json!({ "file": file, "document": serde_json::from_str::<Value>(&text)? }).to_string());
    }
    say(&format!("Wrote {}. The server tells it when standing.addresses names it.", file.display()))
}

async fn check(config: &Config, command: Check) -> anyhow::Result<()> {
    let name = command.server_name.as_deref().unwrap_or(&config.server.name);
    let keys = if command.keys.is_empty() {
        own_keys(config).await?
    } else {
        command.keys.iter().map(|text| key(text)).collect::<anyhow::Result<Keys>>()?
    };
    let text = read(&command.file)?;
    let found = document::believed(&text, named(name)?, &keys, SystemClock.now_ms());
    let Document { said, key_id, .. } = match found {
        Ok(found) => found,
        Err(why) => bail!("{} is not to be believed: {why}", command.file.display()),
    };
    if command.json {
        let told = json!({ "addresses": said.addresses, "key": key_id, "issued_ts": said.issued_ts, "expires_ts": said.expires_ts });
        return say(&told.to_string());
    }
    say(&format!(
        "{} is signed with the key {key_id} of {name}, and good until {} UTC:",
        command.file.display(),
        minute(said.expires_ts)
    ))?;
    said.addresses.iter().try_for_each(|address| say(address))
}

async fn own_keys(config: &Config) -> anyhow::Result<Keys> {
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    serde_json::from_value(answer["keys"].clone()).context("the server's answer has no keys")
}

fn named(name: &str) -> anyhow::Result<&ServerName> {
    <&ServerName>::try_from(name).with_context(|| format!("`{name}` is no server name"))
}

/// A key as somebody writes it: with its id, or a root key alone.
fn key(text: &str) -> anyhow::Result<(String, String)> {
    if let Ok(root) = PublicKey::parse(text) {
        return Ok(document::root_key(&root));
    }
    let parts = text.split_once('=').filter(|(id, key)| id.starts_with("ed25519:") && !key.is_empty());
    let (id, key) = parts.with_context(|| format!("`{text}` is no key: write it as ed25519:ID=BASE64"))?;
    Ok((id.to_owned(), key.to_owned()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let from: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(cannot)?)
    };
    let mut text = String::new();
    from.take(document::BYTES as u64 + 1).read_to_string(&mut text).with_context(cannot)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_with_their_ids() {
        assert_eq!(key("ed25519:a_1=abc").unwrap(), ("ed25519:a_1".to_owned(), "abc".to_owned()));
        // The curve's base point: a key must be a point of which not everybody knows the secret.
        let root = format!("ed25519:WGZm{}ZmY", "ZmZm".repeat(9));
        assert_eq!(key(&root).unwrap().0, "ed25519:root");
        for bad in ["", "abc", "ed25519:a_1", "ed25519:a_1=", "rsa:a=b"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
