//! What takes a terminal: asking for what nobody else is to see, and showing how far something is.

use std::{
    fmt::Display,
    io::{BufRead as _, IsTerminal as _, Stdin, Write as _},
};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a line at the terminal that is the standard input. What is typed is not shown.
pub(super) fn ask_hidden(prompt: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let _hidden = Hidden::begin(&stdin).context("cannot hide what is typed at the terminal")?;
    write!(std::io::stderr(), "{prompt}")?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read from the terminal")?;
    Ok(line)
}

/// A terminal that shows nothing of what is typed but the ends of lines, until this is dropped.
struct Hidden<'t> {
    terminal: &'t Stdin,
    before: Termios,
}

impl<'t> Hidden<'t> {
    fn begin(terminal: &'t Stdin) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        modes.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Now, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _gone = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// A line that tells how far something is, each time in place of what it told before; nothing where nobody looks.
pub(super) struct ProgressLine {
    shows: bool,
}

impl ProgressLine {
    /// At the standard error, if that is a terminal and it is `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self { shows: wanted && std::io::stderr().is_terminal() }
    }

    /// Tells something in place of what was told.
    pub(super) fn show(&self, told: impl Display) -> anyhow::Result<()> {
        if self.shows {
            let mut out = std::io::stderr();
            write!(out, "\r\x1b[K{told}")?;
            out.flush()?;
        }
        Ok(())
    }

    /// Takes it away.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        self.show("")
    }
}
