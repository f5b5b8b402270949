//! The log.

use super::{section::section, value::choice};

choice! {
    /// How a line of the log looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

section! {
    /// The log, which goes to the standard error.
    Logging = "logging" {
        /// What is logged: `error`, `warn`, `info`, `debug`, or by module such as `info,domicile_store=debug`. Of the libraries, failures only.
        level: String = "info".to_owned();
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text;
    }
}
