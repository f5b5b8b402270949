//! What the tests need beyond Rust, from Debian's packages. Nothing is started and nothing is kept running.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::postgres_server;

/// While this file exists, Debian's scripts do not make and start a cluster of their own for a new `PostgreSQL`.
const NO_MAIN_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/domicile-tests.conf";

/// Makes sure that `PostgreSQL`'s programs are there, or says what to do.
pub(crate) fn postgres() -> Result<()> {
    if let Some(programs) = postgres_server::programs() {
        println!("PostgreSQL: {}", programs.display());
        return Ok(());
    }
    println!(
        "PostgreSQL is not on this machine and the tests need its programs; installing Debian's package `postgresql`."
    );
    println!(
        "No server is set up by that: the tests start a private one in a temporary folder and delete it afterwards."
    );
    let folder = Path::new(NO_MAIN_CLUSTER).parent().unwrap_or(Path::new("/"));
    may_install("postgresql")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    std::fs::write(NO_MAIN_CLUSTER, "create_main_cluster = false\n")
        .with_context(|| format!("writing {NO_MAIN_CLUSTER}"))?;
    let installed = install(&["postgresql"]);
    std::fs::remove_file(NO_MAIN_CLUSTER).with_context(|| format!("removing {NO_MAIN_CLUSTER} again"))?;
    installed?;
    if postgres_server::programs().is_none() {
        bail!("the package `postgresql` is installed, but initdb, postgres and psql are not under /usr/lib/postgresql");
    }
    Ok(())
}

/// Makes sure that `ip` is there, which makes the network namespaces of `testkit`'s links, or says what to do.
pub(crate) fn ip() -> Result<()> {
    let there = || Command::new("ip").arg("-Version").output().is_ok_and(|output| output.status.success());
    if there() {
        return Ok(());
    }
    println!(
        "`ip` is not on this machine and the tests make network namespaces; installing Debian's package `iproute2`."
    );
    may_install("iproute2")?;
    install(&["iproute2"])?;
    if !there() {
        bail!("the package `iproute2` is installed, but `ip -Version` still fails: is /sbin in PATH?");
    }
    Ok(())
}

/// Where Chromium is, which walks through pages; makes sure that it is there with letters for all languages of pages, or says what to do.
pub(crate) fn chromium() -> Result<PathBuf> {
    let program = Path::new("/usr/bin/chromium");
    let letters = Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc");
    let smaller = Path::new("/usr/bin/pngquant");
    if program.exists() && letters.exists() && smaller.exists() {
        return Ok(program.to_owned());
    }
    println!(
        "Chromium, or letters for Chinese, are not on this machine and pages are looked at in it; installing Debian's packages \
         `chromium`, `fonts-noto-core`, `fonts-noto-cjk` and `pngquant`."
    );
    may_install("chromium fonts-noto-core fonts-noto-cjk pngquant")?;
    install(&["chromium", "fonts-noto-core", "fonts-noto-cjk", "pngquant"])?;
    if !program.exists() {
        bail!("the package `chromium` is installed, but /usr/bin/chromium is not there");
    }
    Ok(program.to_owned())
}

/// Whether packages may be installed here; if not, an error that says what somebody else should do.
fn may_install(packages: &str) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "this machine has no apt-get, so Debian's `{packages}` cannot be installed for you. Install it in this \
             system's way and put the folder with its programs into PATH."
        );
    }
    let user = command::read(Command::new("id").arg("-u"))?;
    if user.trim() != "0" {
        bail!("only root may install packages. Run `sudo apt-get install {packages}` once, then this command again.");
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let quiet = |command: &mut Command| command::run(command.env("DEBIAN_FRONTEND", "noninteractive"));
    quiet(Command::new("apt-get").args(["update", "--quiet=2"]))?;
    quiet(Command::new("apt-get").args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(packages))
}
