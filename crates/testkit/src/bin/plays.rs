//! `plays --server-binary PATH [--rounds 20]`: plays with real clients on a real server. `cargo xtask e2e` is its user.
#![expect(clippy::print_stdout, reason = "a tool for people talks on standard output")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use domicile_testkit::driver::Program;
use domicile_testkit::plays::full_speed::Partner;
use domicile_testkit::plays::{Cast, Homeserver, Killable, Stage, conversation, full_speed, plaintext};
use domicile_testkit::postgres::Database;

/// Play with matrix-sdk and matrix-js-sdk on a server.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server to start, kill and search
    #[arg(long, required_unless_present = "address")]
    server_binary: Option<PathBuf>,
    /// A running server instead, whose registration is open; it is not killed and its files are not searched
    #[arg(long, conflicts_with = "server_binary")]
    address: Option<SocketAddr>,
    /// The driver of matrix-sdk
    #[arg(long)]
    matrix_sdk_driver: PathBuf,
    /// The script of the driver of matrix-js-sdk
    #[arg(long, default_value = "clients/matrix-js-sdk-driver/src/main.mjs")]
    matrix_js_sdk_driver: PathBuf,
    /// Rounds at full speed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Messages by each in such a round
    #[arg(long, default_value_t = 100)]
    messages: u32,
    /// Who takes turns in these rounds in writing with the first person
    #[arg(long, value_delimiter = ',', default_value = "sync,sliding,js,all")]
    partners: Vec<String>,
    /// Let the server store in PostgreSQL, in a private database server that is started for it
    #[arg(long, conflicts_with = "address")]
    postgres: bool,
    /// Leave the conversation out
    #[arg(long)]
    only_full_speed: bool,
    /// Keep stores, logs, the wire and the server's data here, instead of in a folder that is removed
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a folder for the play")?;
    let folder = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let folder = folder.canonicalize().context("finding the folder for the play")?;
    let server = match (&arguments.server_binary, arguments.address) {
        (Some(program), _) => {
            let database = arguments.postgres.then(Database::create).transpose().context("making a database")?;
            Homeserver::Ours(Killable::launch(program, &folder, database)?)
        }
        (None, Some(address)) => Homeserver::Other(address),
        (None, None) => bail!("there is no server: give --server-binary or --address"),
    };
    let cast = Cast {
        matrix_sdk: Program { program: arguments.matrix_sdk_driver.clone(), script: None },
        matrix_js_sdk: Program { program: "node".into(), script: Some(arguments.matrix_js_sdk_driver.clone()) },
    };
    let mut stage = Stage::build(server, cast, &folder)?;
    let mut texts = Vec::new();
    if !arguments.only_full_speed {
        println!("conversation: four people, a further device, a server that is killed");
        texts.extend(conversation::play(&mut stage).context("conversation")?);
        println!("conversation: good, {} messages", texts.len());
    }
    let partners = arguments.partners.iter().map(|name| partner(name)).collect::<Result<Vec<_>>>()?;
    println!("full speed: {} rounds of {} messages by each", arguments.rounds, arguments.messages);
    let outcome = full_speed::play(&stage, &partners, arguments.rounds, arguments.messages).context("full speed")?;
    println!("full speed: {} of {} rounds good", outcome.good, arguments.rounds);
    texts.extend(outcome.texts);
    look_for_plaintext(&stage, &texts)?;
    ensure!(
        outcome.bad.is_empty(),
        "{} rounds at full speed went wrong:\n{}",
        outcome.bad.len(),
        outcome.bad.join("\n")
    );
    Ok(())
}

fn partner(name: &str) -> Result<Partner> {
    match name {
        "sync" => Ok(Partner::Sync),
        "sliding" => Ok(Partner::Sliding),
        "js" => Ok(Partner::Js),
        "all" => Ok(Partner::All),
        _ => bail!("partners are `sync`, `sliding`, `js` and `all`, not `{name}`"),
    }
}

/// What is not secret must be found on the wire and in the data, or the search proves nothing; the texts must not.
fn look_for_plaintext(stage: &Stage, texts: &[String]) -> Result<()> {
    let public = ["m.megolm.v1.aes-sha2".to_owned()];
    let wire = stage.wire.folder().to_owned();
    let data = stage.server.data();
    for (place, folders) in [("the wire", vec![wire]), ("the data", data)] {
        let (mut control, mut bytes, mut files) = (0, 0, 0);
        for folder in &folders {
            control += plaintext::search(folder, &public)?.found.len();
            let findings = plaintext::search(folder, texts)?;
            if let Some((path, text)) = findings.found.first() {
                bail!("{} findings of plaintext; the first: `{text}` in {}", findings.found.len(), path.display());
            }
            bytes += findings.bytes;
            files += findings.files;
        }
        ensure!(folders.is_empty() || control > 0, "{place} does not even hold `{}`: is it compressed?", public[0]);
        println!("plaintext: none of {} messages in {files} files of {place} ({bytes} bytes)", texts.len());
    }
    Ok(())
}
