//! `domicile cell`: init, revoke, rotate.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use domicile_core::{
    clock::{Clock as _, SystemClock},
    config::Problems,
    locality::CellName,
    region::Region,
    rng::OsRng,
};
use domicile_residency::deployment::{
    Deployment, SecretKey,
    edit::{self, NewCell},
    sign,
};
use serde_json::{Value, json};
use url::Url;

use super::{document_file, key_file, say};

/// What to do with the cells of a deployment. Each changes the document, which is then signed and given to a cell, which tells the others.
#[derive(Debug, Subcommand)]
pub(super) enum CellCommand {
    /// Add a cell: make its key, and its entry in the document.
    Init(Init),
    /// Believe a cell no more: it was stolen, seized or lost.
    Revoke(Revoke),
    /// Take a cell that nobody is at home at any more out of the deployment. What it signed still counts.
    Retire(Retire),
    /// Give a cell a new key. What it signed with the old one still counts.
    Rotate(Rotate),
}

/// The document, and the root key if it is at hand.
#[derive(Debug, Args)]
pub(super) struct Document {
    /// The document.
    #[arg(long, default_value = "deployment.toml")]
    pub(super) file: PathBuf,
    /// The file with the root key, to sign the document at once.
    #[arg(long)]
    root_key: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// A cell more.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Its name, such as eu1.
    #[arg(value_parser = cell_name)]
    name: CellName,
    /// The code of its region. One that is new is added, untrusted and with nothing allowed.
    #[arg(long, value_parser = region)]
    region: Region,
    /// Where its people's clients find it.
    #[arg(long, value_parser = address)]
    client_url: Url,
    /// Where other cells find it.
    #[arg(long, value_parser = address)]
    inner_url: Url,
    /// The file for its key.
    #[arg(long, default_value = "cell.key")]
    key_file: PathBuf,
    #[command(flatten)]
    document: Document,
}

/// A cell less.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Its name.
    #[arg(value_parser = cell_name)]
    name: CellName,
    /// The cell that answers for what it left.
    #[arg(long, value_parser = cell_name)]
    heir: Option<CellName>,
    #[command(flatten)]
    document: Document,
}

/// A cell less that was emptied.
#[derive(Debug, Args)]
pub(super) struct Retire {
    /// Its name.
    #[arg(value_parser = cell_name)]
    name: CellName,
    /// The cell that answers for what it left.
    #[arg(long, value_parser = cell_name)]
    heir: CellName,
    #[command(flatten)]
    document: Document,
}

/// A new key.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The cell's name.
    #[arg(value_parser = cell_name)]
    name: CellName,
    /// The file for the new key.
    #[arg(long, default_value = "cell.key.new")]
    key_file: PathBuf,
    #[command(flatten)]
    document: Document,
}

pub(super) fn run(command: &CellCommand) -> anyhow::Result<()> {
    match command {
        CellCommand::Init(init) => add(init),
        CellCommand::Revoke(revoke) => take_away(revoke),
        CellCommand::Retire(retire) => empty(retire),
        CellCommand::Rotate(rotate) => change_key(rotate),
    }
}

/// A cell's name on the command line.
pub(super) fn cell_name(text: &str) -> Result<CellName, String> {
    CellName::parse(text).ok_or_else(|| "use 1 to 16 lower-case letters, digits and hyphens, such as `eu1`".to_owned())
}

/// A region's code on the command line.
pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// An address on the command line.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.host_str().is_some() && url.path() == "/");
    url.ok_or_else(|| "write an address such as https://eu1.example.org, without a path".to_owned())
}

fn add(init: &Init) -> anyhow::Result<()> {
    let Init { name, region, client_url, inner_url, key_file, document } = init;
    let before = document_file::read(&document.file)?;
    let key = SecretKey::new(&OsRng);
    let public = key.public();
    let cell = NewCell { name, region, client_url, inner_url, key: &public };
    let (text, found) = changed(document, edit::add_cell(&before, &cell))?;
    key_file::write(key_file, &key, &format!("The key of the cell {} of {}.", name.as_str(), found.server_name))?;
    document_file::write(&document.file, &text)?;
    let told = json!({ "cell": name.as_str(), "key": public.to_string(), "key_file": key_file });
    let next = format!(
        "The cell {cell} is in {file}, with serial {serial}. Next:\n\
         1. Look at [[region]] {region} and the [[flow]]s in {file}: what is not named there is forbidden.\n\
         {sign}\
         3. Put it in place of the old one at one cell, which tells the others, and copy it to the new one together with {key}, which no other gets; \
         give that a configuration with [deployment] and a listener that serves \"inner\", as the first cell has.",
        cell = name.as_str(),
        file = document.file.display(),
        serial = found.serial,
        region = region.as_str(),
        key = key_file.display(),
        sign = signing(document, "2. "),
    );
    tell(document, &found, told, &next)
}

fn take_away(revoke: &Revoke) -> anyhow::Result<()> {
    let Revoke { name, heir, document } = revoke;
    let before = document_file::read(&document.file)?;
    let (text, found) = changed(document, edit::revoke_cell(&before, name, heir.as_ref(), SystemClock.now_ms()))?;
    let was = document_file::parsed(&document.file, sign::unsigned(&before))?;
    document_file::write(&document.file, &text)?;
    let ended: Vec<&str> = was.outer_keys_of(name).map(String::as_str).collect();
    let outer = match (was.is_gateway(name), ended.as_slice()) {
        (false, []) => String::new(),
        (true, []) => "\nIt was a gateway, and the document does not say which [[outer_key]] is its own: write `cell` and `expired_ts` (now, in milliseconds \
                       since 1970) there before you sign it, or it speaks for all to other servers."
            .to_owned(),
        (_, ended) => format!(
            "\nIts key for other servers, {}, ends now: the other gateways tell that, and others learn it within six hours.",
            ended.join(", ")
        ),
    };
    let next = format!(
        "The cell {} is revoked in serial {} of {}. Next:\n{}2. Put it in place of the old one at any other cell, at once: that tells \
         the others, and until they have it (`domicile deployment status`) they believe the cell. Its people have no home until you give them another.{outer}",
        name.as_str(),
        found.serial,
        document.file.display(),
        signing(document, "1. "),
    );
    tell(document, &found, json!({ "revoked": name.as_str(), "ended_outer_keys": ended }), &next)
}

fn empty(retire: &Retire) -> anyhow::Result<()> {
    let Retire { name, heir, document } = retire;
    let before = document_file::read(&document.file)?;
    let (text, found) = changed(document, edit::retire_cell(&before, name, heir))?;
    document_file::write(&document.file, &text)?;
    let (cell, heir) = (name.as_str(), heir.as_str());
    let next = format!(
        "The cell {cell} is retired in serial {} of {}, and {heir} answers for what it left. Before any cell starts with it: `domicile move --everybody \
         --to-cell {heir}` at {cell}, and wait until `domicile move --list` there shows none that is under way: who is left behind has no home. Next:\n{}\
         2. Stop {cell}, and copy the document to every other cell.\n\
         3. Let {cell}'s client_url lead to {heir}, for as long as people may still have it in their clients.",
        found.serial,
        document.file.display(),
        signing(document, "1. "),
    );
    tell(document, &found, json!({ "retired": cell, "heir": heir }), &next)
}

fn change_key(rotate: &Rotate) -> anyhow::Result<()> {
    let Rotate { name, key_file, document } = rotate;
    let before = document_file::read(&document.file)?;
    let key = SecretKey::new(&OsRng);
    let public = key.public();
    let (text, found) = changed(document, edit::rotate_key(&before, name, &public))?;
    key_file::write(key_file, &key, &format!("The key of the cell {} of {}.", name.as_str(), found.server_name))?;
    document_file::write(&document.file, &text)?;
    let told = json!({ "cell": name.as_str(), "key": public.to_string(), "key_file": key_file });
    let next = format!(
        "The cell {} has a new key in serial {} of {}. Next:\n{}2. Put the document in place of the old one at another cell, and copy \
         both it and {} to this one; start this one with both together. Keep the old key's file there, too, and name it in \
         deployment.former_key_files: with it the cell opens what others still keep for it.",
        name.as_str(),
        found.serial,
        document.file.display(),
        signing(document, "1. "),
        key_file.display(),
    );
    tell(document, &found, told, &next)
}

/// The changed text, signed if the root key is at hand, and what it says.
pub(super) fn changed(document: &Document, text: Result<String, Problems>) -> anyhow::Result<(String, Deployment)> {
    let text = text.map_err(|problems| anyhow::anyhow!("{} stays as it is:\n{problems}", document.file.display()))?;
    let found = document_file::parsed(&document.file, &text)?;
    Ok(match &document.root_key {
        Some(root) => (sign::sign(&text, &key_file::read(Path::new(root))?), found),
        None => (text, found),
    })
}

pub(super) fn signing(document: &Document, number: &str) -> String {
    match document.root_key {
        Some(_) => String::new(),
        None => format!(
            "{number}`domicile deployment sign --file {}` where the root key is kept.\n",
            document.file.display()
        ),
    }
}

pub(super) fn tell(document: &Document, found: &Deployment, mut told: Value, next: &str) -> anyhow::Result<()> {
    if !document.json {
        return say(next);
    }
    told["serial"] = found.serial.into();
    told["signed"] = document.root_key.is_some().into();
    say(&told.to_string())
}
