//! Network namespaces, made and configured by `ip`, and threads that work inside of one.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip` keeps the namespaces that have names.
const FOLDER: &str = "/run/netns";
/// With what the names of ours begin.
const PREFIX: &str = "domicile-test";

/// Complains about what is missing here to have networks of our own.
pub(super) fn possible() -> Result<()> {
    ensure!(
        Path::new("/dev/net/tun").exists(),
        "/dev/net/tun is not there: links between namespaces need the kernel's TUN (`modprobe tun`)"
    );
    let version = Command::new("ip").arg("-Version").output();
    ensure!(
        version.is_ok_and(|output| output.status.success()),
        "there is no program `ip`: install Debian's package `iproute2`"
    );
    ensure!(
        rustix::process::geteuid().is_root(),
        "only root may make network namespaces; run this as root (`sudo -E`), in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
    );
    Ok(())
}

/// Whether the kernel has IPv6.
pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// Removes the namespaces of processes that ended without doing so.
pub(super) fn sweep() -> Result<()> {
    let names = match fs::read_dir(FOLDER) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("looking into {FOLDER}")),
    };
    for name in names {
        let name = name.with_context(|| format!("looking into {FOLDER}"))?.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').nth(1)?.parse::<u32>().ok());
        if maker.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            // Another process may be sweeping, too.
            Command::new("ip").args(["netns", "delete"]).arg(&name).stderr(Stdio::null()).status().ok();
        }
    }
    Ok(())
}

/// A namespace, which is gone when it is dropped, together with the programs in it.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn make(network: u32, host: &str) -> Result<Self> {
        let name = format!("{PREFIX}-{}-{network}-{host}", std::process::id());
        ip(&["netns", "add", &name])?;
        Ok(Self { name })
    }

    /// Gives `ip` these lines to do inside of it.
    pub(super) fn configure(&self, lines: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["-netns", &self.name, "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().context("starting `ip`")?;
        if let Some(mut input) = process.stdin.take() {
            input.write_all(lines.as_bytes()).context("telling `ip` what to do")?;
        }
        let output = process.wait_with_output().context("waiting for `ip`")?;
        if !output.status.success() {
            bail!("`ip` could not do `{}`: {}", lines.trim(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Does something on a thread that lives in the namespace. Sockets that it makes stay there, wherever they are used.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        let place = self.file();
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let file = File::open(&place).with_context(|| format!("opening {}", place.display()))?;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .with_context(|| format!("moving a thread into {}", place.display()))?;
                anyhow::Ok(act())
            });
            thread.join().map_err(|_| anyhow!("the thread inside of {} panicked", self.name))?
        })
    }

    /// A program that is to run in the namespace. What is spawned of it has the program's own process id.
    pub(super) fn command(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    fn file(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What remains is removed by the next one's `sweep`.
        if let Ok(output) = Command::new("ip").args(["netns", "pids", &self.name]).output() {
            for process in String::from_utf8_lossy(&output.stdout).split_whitespace() {
                // Threads of this process are shown as this process, which is not to end.
                if process != std::process::id().to_string() {
                    Command::new("kill").args(["-KILL", process]).stderr(Stdio::null()).status().ok();
                }
            }
        }
        ip(&["netns", "delete", &self.name]).ok();
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("starting `ip`")?;
    if !output.status.success() {
        bail!(
            "`ip {}` failed: {} (making namespaces needs root, with CAP_SYS_ADMIN and CAP_NET_ADMIN)",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
