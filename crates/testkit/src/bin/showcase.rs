//! `showcase`: serves a cell of a deployment that has lived for a month, on a free port of this machine, until its standard input ends. It prints where, and with which
//! names and passwords one signs in, as a line of JSON. `cargo xtask screenshots` is its user.
#![expect(clippy::print_stdout, reason = "the answer is a line on standard output")]

use std::{io::Read as _, sync::Arc};

use anyhow::{Context as _, Result};
use domicile_http::{
    console,
    forwarded::Proxies,
    listener::Bound,
    metrics::Metrics,
    observe::observed,
    router::{Apis, api},
};
use domicile_testkit::{
    server::PASSWORD,
    showcase::{self, showcase},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new("error")).with_writer(std::io::stderr).init();
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let cluster = showcase(folder.path()).await;
    let server = cluster.cell(showcase::CELL);
    let papers = showcase::papers(server, folder.path()).await;
    let papers: Vec<_> = papers
        .iter()
        .map(|(name, file)| serde_json::json!({ "name": name, "file": file.display().to_string() }))
        .collect();
    let bound = Bound::bind("127.0.0.1:0", 0o600, None, Proxies::default()).await?;
    let address = bound.address().context("where it listens")?;
    let router = api(server.services.clone(), Apis::CLIENT).merge(console::routes(server.admin.clone()));
    let stopping = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(observed(router, Arc::new(Metrics::default())), stopping.clone()));
    let told = serde_json::json!({
        "url": format!("http://{address}"),
        "operators": showcase::OPERATORS, "password": showcase::PASSWORD,
        "user": showcase::USER, "user_password": PASSWORD, "papers": papers,
    });
    println!("{told}");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await?.context("waiting for the end of standard input")?;
    stopping.cancel();
    serving.await.context("ending")?;
    Ok(())
}
