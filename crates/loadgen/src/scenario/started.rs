//! A server that has just started, with nothing in it: what it takes before anybody comes.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::{Args, Before, Measured, settle};
use crate::client::Client;

/// The server is left alone until it has done what it does at a start, and then asked once which versions it speaks.
pub(super) async fn run(args: &Args) -> Result<Measured> {
    settle(args);
    let before = Before::now(args);
    let begun = Instant::now();
    let answer = Client::new(&args.url)?.json("GET", "/_matrix/client/versions", None, None).await?;
    ensure!(answer["versions"].is_array(), "the server does not say which versions it speaks: {answer}");
    Ok(before.measured(args, vec![begun.elapsed().as_secs_f64() * 1_000.0], 0))
}
