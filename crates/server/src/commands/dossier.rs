//! `domicile dossier`: registrations with authorities, and papers for them.

mod edit;
mod view;

use std::path::PathBuf;

use anyhow::bail;
use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{say, who};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/dossiers";
const PAPERS: &str = "/_domicile/admin/v1/papers";

/// A dossier's paper (`domicile dossier RU --for internal`), or what to do with dossiers.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DossierCommand {
    /// The jurisdiction's code, such as RU: writes the paper of its dossier.
    code: Option<String>,
    /// Whom the paper is for. The authority's is kept; somebody else has to review it before it is marked as sent.
    #[arg(long = "for", value_enum, default_value = "internal")]
    audience: Audience,
    /// How it is written. HTML is a page of its own, which a browser prints to PDF.
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
    /// Who makes the paper; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    #[command(subcommand)]
    more: Option<More>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Audience {
    Internal,
    Authority,
    Public,
}

/// How a paper is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Md,
    Html,
    Json,
}

impl Format {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Md => "md",
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Subcommand)]
enum More {
    /// List all dossiers.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one with contacts, documents, papers and history.
    Show {
        /// The jurisdiction's code.
        code: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Begin or change a dossier.
    Set(edit::Set),
    /// Name whom an authority or the public can reach.
    Contact(edit::ContactCommand),
    /// Attach a document by its hash. The file stays where it is.
    Attach {
        /// The jurisdiction's code.
        code: String,
        /// The file.
        file: PathBuf,
        /// Who attaches it; without it, the name of this account.
        #[arg(long)]
        by: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show a paper for an authority as it was written.
    Paper {
        /// Its number.
        paper: i64,
        /// How it is written.
        #[arg(long, value_enum, default_value = "md")]
        format: Format,
    },
    /// Note that you, who did not make it, have reviewed a paper.
    Review {
        /// Its number.
        paper: i64,
        /// Who reviewed it; without it, the name of this account.
        #[arg(long)]
        by: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Note that a reviewed paper was sent to the authority.
    Sent {
        /// Its number.
        paper: i64,
        /// Who sent it; without it, the name of this account.
        #[arg(long)]
        by: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: DossierCommand) -> anyhow::Result<()> {
    match command.more {
        None => write(config, command).await,
        Some(More::List { json }) => {
            let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(view::list(&answer).trim_end()) }
        }
        Some(More::Show { code, json }) => {
            let answer = ask(config, Method::GET, &format!("{PATH}/{}", part(&code)?), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(view::whole(&answer).trim_end()) }
        }
        Some(More::Set(set)) => set.run(config).await,
        Some(More::Contact(contact)) => contact.run(config).await,
        Some(More::Attach { code, file, by, json }) => edit::attach(config, &code, &file, by, json).await,
        Some(More::Paper { paper, format }) => {
            let path = format!("{PAPERS}/{paper}?format={}", format.word());
            let answer = ask(config, Method::GET, &path, &Value::Null).await?;
            say(answer["text"].as_str().unwrap_or_default().trim_end())
        }
        Some(More::Review { paper, by, json }) => mark(config, paper, "review", by, json).await,
        Some(More::Sent { paper, by, json }) => mark(config, paper, "sent", by, json).await,
    }
}

async fn write(config: &Config, command: DossierCommand) -> anyhow::Result<()> {
    let Some(code) = command.code else {
        bail!(
            "which dossier? `domicile dossier list` lists them, `domicile dossier RU --for internal` writes the paper of one"
        );
    };
    let audience = match command.audience {
        Audience::Internal => "internal",
        Audience::Authority => "authority",
        Audience::Public => "public",
    };
    let body = json!({ "who": who(command.by)?, "audience": audience, "format": command.format.word() });
    let answer = ask(config, Method::POST, &format!("{PATH}/{}/papers", part(&code)?), &body).await?;
    say(answer["text"].as_str().unwrap_or_default().trim_end())?;
    if let Some(paper) = answer["paper"]["paper"].as_i64() {
        tell(&format!(
            "This is paper {paper}. Somebody else reviews it (`domicile dossier review {paper}`) before it is marked as sent \
             (`domicile dossier sent {paper}`)."
        ))?;
    }
    Ok(())
}

async fn mark(config: &Config, paper: i64, what: &str, by: Option<String>, json: bool) -> anyhow::Result<()> {
    let body = json!({ "who": who(by)? });
    let answer = ask(config, Method::POST, &format!("{PAPERS}/{paper}/{what}"), &body).await?;
    if json {
        return say(&answer.to_string());
    }
    let done = if what == "sent" { "is marked as sent" } else { "is reviewed" };
    say(&format!("Paper {paper} {done}."))
}

/// A code as a part of a path.
pub(super) fn part(code: &str) -> anyhow::Result<&str> {
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        bail!("`{code}` is no jurisdiction's code: they are such as RU, and `domicile standing --all` lists them");
    }
    Ok(code)
}

/// Tells something beside the answer, which may go into a file.
fn tell(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
