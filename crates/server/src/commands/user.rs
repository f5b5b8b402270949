//! `domicile user`: add, passwd, deactivate, list, devices.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::{config::Config, rng};
use serde_json::{Value, json};

use super::{By, date, say, sign_in, terminal::ask_hidden};
use crate::admin_socket::{ask, ask_as};

const PATH: &str = "/_domicile/admin/v1/users";

/// Where a password comes from. It never stands on the command line, where others could read it.
#[derive(Debug, Args)]
pub(super) struct PasswordFrom {
    /// Read the password from the standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// One account.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The account.
    user: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make an account. Asks for a password, or makes one up if there is nobody to ask.
    Add {
        /// The name before the colon, or the whole Matrix id. Without it, the name is a random one.
        user: Option<String>,
        /// Insist on the name in a region where `profiles = "withheld"`: there, names are random otherwise.
        #[arg(long, requires = "user")]
        named: bool,
        #[command(flatten)]
        password: PasswordFrom,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password. All of the account's sessions end.
    Passwd {
        /// The account.
        user: String,
        #[command(flatten)]
        password: PasswordFrom,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// End an account for good.
    Deactivate {
        /// The account.
        user: String,
        /// Also hide what the user sent from those who come later.
        #[arg(long)]
        erase: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Lock an account: its devices can do nothing until it is unlocked.
    Lock(Named),
    /// Unlock an account.
    Unlock(Named),
    /// Suspend an account: its owner can read and leave rooms, but not write or join.
    Suspend(Named),
    /// End a suspension.
    Unsuspend(Named),
    /// Show or note under which country's law somebody lives, as it was told: it is never guessed. The user can correct it.
    Jurisdiction {
        /// The account.
        user: String,
        /// The country's code (ISO 3166), such as DE; `none` takes it back. Without it, what is noted is shown.
        code: Option<String>,
        /// How you know: a contract, an identity provider, the user's word.
        #[arg(long, default_value = "operator")]
        source: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List all accounts.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List an account's devices.
    Devices {
        /// The account.
        user: String,
        #[command(flatten)]
        by: By,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { user, named, password, json } => {
            let account = json!({ "user": user, "named": named });
            add(config, account, &password, json).await
        }
        UserCommand::Passwd { user, password, json } => {
            let (password, made) = password.get()?;
            let path = format!("{PATH}/{user}/password");
            let answer = ask(config, Method::PUT, &path, &json!({ "password": password })).await?;
            told(&answer, made.then_some(password), "has a new password; all sessions have ended", json)
        }
        UserCommand::Deactivate { user, erase, json } => {
            let path = format!("{PATH}/{user}/deactivate");
            let answer = ask(config, Method::POST, &path, &json!({ "erase": erase })).await?;
            told(&answer, None, "is deactivated", json)
        }
        UserCommand::Lock(named) => stand(config, named, &json!({ "locked": true }), "is locked").await,
        UserCommand::Unlock(named) => stand(config, named, &json!({ "locked": false }), "is not locked").await,
        UserCommand::Suspend(named) => stand(config, named, &json!({ "suspended": true }), "is suspended").await,
        UserCommand::Unsuspend(named) => stand(config, named, &json!({ "suspended": false }), "is not suspended").await,
        UserCommand::Jurisdiction { user, code, source, json } => {
            jurisdiction(config, &user, code.as_deref(), &source, json).await
        }
        UserCommand::List { json } => list(config, json).await,
        UserCommand::Devices { user, by, json } => devices(config, &user, &by, json).await,
    }
}

async fn stand(config: &Config, named: Named, change: &Value, what: &str) -> anyhow::Result<()> {
    let answer = ask(config, Method::PUT, &format!("{PATH}/{}/standing", named.user), change).await?;
    told(&answer, None, what, named.json)
}

async fn jurisdiction(config: &Config, user: &str, code: Option<&str>, source: &str, json: bool) -> anyhow::Result<()> {
    let path = format!("{PATH}/{user}/jurisdiction");
    let answer = match code {
        None => ask(config, Method::GET, &path, &Value::Null).await?,
        Some(code) => {
            let code = (code != "none").then_some(code);
            ask(config, Method::PUT, &path, &json!({ "jurisdiction": code, "source": source })).await?
        }
    };
    if json {
        return say(&answer.to_string());
    }
    let never: Vec<&str> =
        answer["never_in"].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect();
    if !never.is_empty() {
        say(&format!("{user}: nothing of theirs may be under the law of {}, by their own word", never.join(", ")))?;
    }
    let Some(code) = answer["jurisdiction"].as_str() else {
        return say(&format!("No jurisdiction is noted for {user}."));
    };
    let from = match answer["source"].as_str() {
        Some("self") => "by their own word",
        Some(source) => source,
        None => "?",
    };
    let day = answer["noted_ts"].as_i64().map(date).unwrap_or_default();
    let stated = answer["stated"].as_str().filter(|stated| *stated != code);
    let before = stated.map(|stated| format!("; {stated} was told before")).unwrap_or_default();
    say(&format!("{user}: {code} ({from}, {day}{before})"))
}

async fn add(config: &Config, mut account: Value, password: &PasswordFrom, json: bool) -> anyhow::Result<()> {
    let (password, made) = password.get()?;
    account["password"] = password.as_str().into();
    let answer = ask(config, Method::POST, PATH, &account).await?;
    let answer = if json { sign_in::with_picture(answer) } else { answer };
    told(&answer, made.then_some(password), "has an account", json)?;
    if json { Ok(()) } else { sign_in::tell(&answer) }
}

fn told(answer: &Value, password: Option<String>, what: &str, json: bool) -> anyhow::Result<()> {
    let mut answer = answer.clone();
    if json {
        if let Some(password) = password {
            answer["password"] = password.into();
        }
        return say(&answer.to_string());
    }
    say(&format!("{} {what}.", answer["user_id"].as_str().unwrap_or_default()))?;
    match password {
        Some(password) => say(&format!("Password: {password}")),
        None => Ok(()),
    }
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let (mut after, mut users) = (0, Vec::new());
    loop {
        let answer = ask(config, Method::GET, &format!("{PATH}?after={after}"), &Value::Null).await?;
        users.extend(answer["users"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    if json {
        return say(&json!({ "users": users }).to_string());
    }
    if users.is_empty() {
        return say("Nobody has an account. `domicile user add NAME` makes one.");
    }
    for user in users {
        let made = user["created_ts"].as_i64().map(date).unwrap_or_default();
        let ended = user["deactivated_ts"].as_i64().map(|ts| format!("  deactivated {}", date(ts))).unwrap_or_default();
        say(&format!("{:<40} since {made}{ended}", user["user_id"].as_str().unwrap_or_default()))?;
    }
    Ok(())
}

async fn devices(config: &Config, user: &str, by: &By, json: bool) -> anyhow::Result<()> {
    let answer = ask_as(config, Method::GET, &format!("{PATH}/{user}/devices"), &Value::Null, by).await?;
    if json {
        return say(&answer.to_string());
    }
    let devices = answer["devices"].as_array().cloned().unwrap_or_default();
    if devices.is_empty() {
        return say("No device is logged in.");
    }
    for device in devices {
        let seen =
            device["last_seen_ts"].as_i64().map_or_else(|| "never seen".to_owned(), |ts| format!("seen {}", date(ts)));
        let name = device["display_name"].as_str().unwrap_or("(no name)");
        say(&format!("{:<14} {seen:<18} {name}", device["device_id"].as_str().unwrap_or_default()))?;
    }
    Ok(())
}

impl PasswordFrom {
    /// The password, and whether it was made up here.
    pub(super) fn get(&self) -> anyhow::Result<(String, bool)> {
        let mut line = String::new();
        if self.password_stdin {
            std::io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
        } else if std::io::stdin().is_terminal() {
            line = ask_hidden("Password (empty: one is made up): ")?;
        }
        let password = line.trim_end_matches(['\r', '\n']);
        if self.password_stdin && password.is_empty() {
            bail!("the password on the standard input is empty");
        }
        if password.is_empty() {
            return Ok((rng::name(&rng::OsRng, 20), true));
        }
        Ok((password.to_owned(), false))
    }
}
