//! `domicile deployment init`

use std::path::PathBuf;

use clap::Args;
use domicile_core::{locality::CellName, region::Region, rng::OsRng};
use domicile_residency::deployment::{
    SecretKey,
    edit::{self, NewCell},
    sign,
};
use ruma::OwnedServerName;
use serde_json::json;
use url::Url;

use super::super::{
    cell::{address, cell_name, region},
    document_file, key_file, say,
};

/// The first cell and the files.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The name of the deployment, such as example.org. An existing server keeps its own.
    server_name: OwnedServerName,
    /// The name of the first cell.
    #[arg(long, default_value = "main1", value_parser = cell_name)]
    cell: CellName,
    /// The region in which it stands.
    #[arg(long, default_value = "main", value_parser = region)]
    region: Region,
    /// Where its people's clients find it.
    #[arg(long, value_parser = address)]
    client_url: Url,
    /// Where other cells find it: an address of its own, which nobody else needs to reach.
    #[arg(long, value_parser = address)]
    inner_url: Url,
    /// The document.
    #[arg(long, default_value = "deployment.toml")]
    file: PathBuf,
    /// The file for the root key. Keep it away from every server.
    #[arg(long, default_value = "root.key")]
    root_key: PathBuf,
    /// The file for the first cell's key.
    #[arg(long, default_value = "cell.key")]
    key_file: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(init: &Init) -> anyhow::Result<()> {
    let Init { server_name, cell, region, client_url, inner_url, file, root_key, key_file, json } = init;
    let (root, key) = (SecretKey::new(&OsRng), SecretKey::new(&OsRng));
    let public = key.public();
    let text = edit::begin(server_name, &NewCell { name: cell, region, client_url, inner_url, key: &public });
    document_file::parsed(file, &text)?;
    key_file::write(
        root_key,
        &root,
        &format!("The root key of {server_name}. Whoever has it decides what every cell believes."),
    )?;
    key_file::write(key_file, &key, &format!("The key of the cell {} of {server_name}.", cell.as_str()))?;
    document_file::write_new(file, &sign::sign(&text, &root))?;
    if *json {
        let files = json!({ "document": file, "root_key_file": root_key, "key_file": key_file });
        return say(
            &json!({ "root_key": root.public().to_string(), "key": public.to_string(), "files": files }).to_string()
        );
    }
    say(&format!(
        "{file} is the deployment document, signed. Next:\n\
         1. Put {root_key} where no server is, and a copy of it somewhere else: it decides what every cell believes.\n\
         2. On the server of the cell {cell}, put {file} and {key_file} beside its configuration, and add to that:\n\n\
         [deployment]\nfile = \"{file}\"\ncell = \"{cell}\"\nroot_key = \"{root}\"\nkey_file = \"{key_file}\"\n\n\
         [[listeners]]\nbind = \"0.0.0.0:8449\"  # what {inner_url} leads to\nserve = [\"inner\"]\n\n\
         3. `domicile cell init NAME --region CODE` adds the next cell.",
        file = file.display(),
        root_key = root_key.display(),
        key_file = key_file.display(),
        cell = cell.as_str(),
        root = root.public(),
    ))
}
