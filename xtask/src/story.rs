//! `cargo xtask story`: plays the story of a service that is blocked and comes back, with people who read in matrix-sdk, and writes docs/story.md with
//! pictures. It takes root and /dev/net/tun, as the censor in it is real.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command;
use crate::e2e;
use crate::provision;
use crate::screenshots;

/// How to play it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A driver of matrix-sdk that is built already; building it takes some minutes
    #[arg(long)]
    matrix_sdk_driver: Option<PathBuf>,
    /// Write story.md and its pictures into this folder instead of docs
    #[arg(long)]
    into: Option<PathBuf>,
}

/// Builds everybody, plays, and writes it down if it went well.
pub(crate) fn run(args: &Args) -> Result<()> {
    provision::ip()?;
    let chromium = provision::chromium()?;
    let look = screenshots::browser()?.join("src/look.mjs");
    let driver = e2e::matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
    let into = args.into.clone().unwrap_or_else(|| command::root().join("docs"));
    let into = std::path::absolute(&into).with_context(|| format!("the folder {}", into.display()))?;
    let pictures = into.join("screenshots");
    std::fs::create_dir_all(&pictures).with_context(|| format!("making {}", pictures.display()))?;
    let mut test = command::cargo();
    test.args(["test", "--locked", "--workspace", "--test", "binary", "--", "story::", "--nocapture"]);
    test.env("DOMICILE_MATRIX_SDK_DRIVER", driver).env("DOMICILE_STORY", into.join("story.md"));
    test.env("DOMICILE_STORY_LOOK", look).env("DOMICILE_STORY_CHROMIUM", chromium);
    test.env("DOMICILE_STORY_PICTURES", pictures);
    command::run(&mut test)
}
