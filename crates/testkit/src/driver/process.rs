//! The process of a driver: a command goes in as a line, its answer comes out as one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Program;
use crate::link::Foothold;

/// A running driver. It ends when it is dropped.
#[derive(Debug)]
pub struct Driver {
    name: String,
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    last: u64,
}

impl Driver {
    /// Starts a driver; what it logs goes to `NAME.log` in `folder`.
    pub fn start(program: &Program, name: &str, folder: &Path) -> Result<Self> {
        Self::begin(program.complete(Command::new(&program.program)), name, folder)
    }

    /// The same on a host of a network.
    pub fn start_on(foothold: &Foothold, program: &Program, name: &str, folder: &Path) -> Result<Self> {
        Self::begin(program.complete(foothold.command(&program.program)), name, folder)
    }

    fn begin(mut command: Command, name: &str, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let errors = File::options().create(true).append(true).open(&log);
        let errors = errors.with_context(|| format!("opening {}", log.display()))?;
        let mut process = command
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting the driver {}", command.get_program().display()))?;
        let input = process.stdin.take().context("the driver has no input")?;
        let output = process.stdout.take().context("the driver has no output")?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            // Ends with the process, or when nobody listens any more.
            for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { name: name.to_owned(), process, input, answers, last: 0 })
    }

    /// Who this is, in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says one command (an object with its fields) and waits for the answer.
    pub(super) fn ask(&mut self, verb: &str, mut command: Value, patience: Duration) -> Result<Value> {
        self.last += 1;
        command["id"] = self.last.into();
        command["do"] = verb.into();
        let who = format!("{}: {verb}", self.name);
        writeln!(self.input, "{command}").with_context(|| format!("{who}: the driver does not listen"))?;
        let line = match self.answers.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => bail!("{who}: no answer in {patience:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("{who}: the driver ended"),
        };
        let mut answer: Value = serde_json::from_str(&line).with_context(|| format!("{who}: answered `{line}`"))?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{who}: {error}");
        }
        if answer["id"] != self.last {
            bail!("{who}: answered another command: {line}");
        }
        Ok(answer["ok"].take())
    }

    /// Ends the process the hard way, in the middle of whatever it does.
    pub fn kill(mut self) -> Result<()> {
        self.end().with_context(|| format!("killing {}", self.name))
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.end().ok();
    }
}
