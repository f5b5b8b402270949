//! Clients that nobody here wrote, each in a process of its own that is told what to do line by line.
//!
//! The programs live in `clients/`; `clients/matrix-sdk-driver/src/command.rs` lists the commands that all of them know.

mod command;
mod process;

use std::path::PathBuf;
use std::process::Command;

pub use command::{Arrived, History, Message, Rooms};
pub use process::Driver;

/// How a driver is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// What to run: the driver itself, or `node`.
    pub program: PathBuf,
    /// Its first argument, if there is one: the driver's script.
    pub script: Option<PathBuf>,
}

impl Program {
    /// A command of what to run, with its script.
    fn complete(&self, mut command: Command) -> Command {
        command.args(&self.script);
        command
    }
}
