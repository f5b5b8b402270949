//! The disk that loses power, as a process of its own (`crates/testkit/src/bin/power-cut-disk.rs`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A mounted disk.
#[derive(Debug)]
pub(super) struct Disk {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    mountpoint: PathBuf,
}

impl Disk {
    /// Mounts the files in `backing` at `mountpoint`.
    pub(super) fn mount(program: &Path, backing: &Path, mountpoint: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .args([backing, mountpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("the disk's standard output")?);
        let mut disk = Self { process, commands, answers, mountpoint: mountpoint.to_owned() };
        disk.expect("mounted")?;
        Ok(disk)
    }

    /// Cuts the power; with a seed, some unsynced pages reach the disk all the same.
    pub(super) fn cut(&mut self, torn: Option<u64>) -> Result<()> {
        let command = torn.map_or("cut\n".to_owned(), |seed| format!("cut {seed}\n"));
        self.tell(&command)?;
        self.expect("cut")
    }

    /// Unmounts; no process may have files of the disk open.
    pub(super) fn unmount(mut self) -> Result<()> {
        self.tell("unmount\n")?;
        self.expect("unmounted")?;
        self.process.wait().context("waiting for the end of the disk's process")?;
        Ok(())
    }

    fn tell(&mut self, command: &str) -> Result<()> {
        let commands = self.commands.as_mut().context("the disk is unmounted")?;
        commands.write_all(command.as_bytes()).context("speaking to the disk's process")
    }

    fn expect(&mut self, wanted: &str) -> Result<()> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("reading the disk's answer")?;
        if answer.trim() != wanted {
            bail!("the power-cut disk answered `{}` instead of `{wanted}`; its complaint stands above", answer.trim());
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The end of its input unmounts it. If something still has files open, a lazy unmount frees the machine of it.
        drop(self.commands.take());
        self.process.wait().ok();
        if is_mounted(&self.mountpoint) {
            Command::new("umount").arg("--lazy").arg(&self.mountpoint).status().ok();
        }
    }
}

fn is_mounted(folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    std::fs::read_to_string("/proc/mounts")
        .is_ok_and(|mounts| mounts.lines().any(|line| line.split(' ').nth(1) == Some(&*folder)))
}
