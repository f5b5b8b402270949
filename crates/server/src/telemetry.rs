//! The log: structured lines on the standard error.

use std::io::IsTerminal;

use anyhow::Context;
use domicile_core::config::{LogFormat, Logging};
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts the log.
pub fn start(logging: &Logging) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&logging.level)
        .with_context(|| format!("logging.level = \"{}\" is not understood", logging.level))?;
    // A second start in one process, as tests do it, keeps the first log.
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_ours_or_grave));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let _started = match logging.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    Ok(())
}

/// What other people's crates tell in detail is what passes through them: statements with their parameters, headers with their tokens. So at
/// whatever level, they tell of failures only.
fn is_ours_or_grave(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("domicile");
    ours || *metadata.level() <= Level::WARN
}
