//! The log: structured lines on the standard error.

use std::io::IsTerminal;

use anyhow::Context;
use domicile_core::config::{LogFormat, Logging};
use tracing_subscriber::EnvFilter;

/// Starts the log.
pub fn start(logging: &Logging) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&logging.level)
        .with_context(|| format!("logging.level = \"{}\" is not understood", logging.level))?;
    // Each event's way through the rules is no news for an operator.
    let filter = filter.add_directive("ruma_state_res=warn".parse()?);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process, as tests do it, keeps the first log.
    let _started = match logging.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
