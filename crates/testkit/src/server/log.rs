//! The log of the servers of a test: it is printed with what a test printed, so of a test that failed, and of no other.

use std::sync::Once;

use tracing_subscriber::{EnvFilter, fmt::TestWriter};

/// What is told where `RUST_LOG` says nothing else: all that our own crates say, and of others what is grave.
const LEVEL: &str = "warn,domicile_app=debug,domicile_egress=debug,domicile_http=debug,domicile_server=debug";

/// Starts the log of this process, once.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let lines = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LEVEL)))
            .with_ansi(false);
        // A program that has a log of its own keeps it, and what it answers on standard output stands there alone.
        let _started = lines.with_writer(TestWriter::with_stderr).try_init();
    });
}
