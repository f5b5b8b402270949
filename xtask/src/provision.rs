//! What the tests need beyond Rust, from Debian's packages. Nothing is started and nothing is kept running.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::postgres_server;

/// While this file exists, Debian's scripts do not make and start a cluster of their own for a new `PostgreSQL`.
const NO_MAIN_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/domicile-tests.conf";

/// Gigabytes of what is built for the tests.
const BUILT: u64 = 14;
/// Gigabytes of what the tests write at once, with those of the server of `PostgreSQL`.
const WRITTEN: u64 = 3;

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

/// Says where there may be too little room for what the tests build and write, and how to put it elsewhere.
pub(crate) fn space() -> Result<()> {
    let root = command::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = if target.join("debug/deps").exists() { 0 } else { BUILT };
    let temporary = std::env::temp_dir();
    let (here, there) = (free(&root)?, free(&temporary)?);
    let needed = if here.filesystem == there.filesystem {
        vec![(&root, here, built + WRITTEN)]
    } else {
        vec![(&root, here, built), (&temporary, there, WRITTEN)]
    };
    for (folder, found, needed) in needed {
        if found.gigabytes < needed {
            println!(
                "{} has {} GB free, and the tests may need {needed}. CARGO_TARGET_DIR puts what is built elsewhere, and TMPDIR what \
                 the tests write.",
                folder.display(),
                found.gigabytes
            );
        }
    }
    Ok(())
}

/// What to say of a failure, if there is no room left.
pub(crate) fn full_disk() -> Option<String> {
    let folders = [command::root(), std::env::temp_dir()];
    let full = folders.into_iter().find(|folder| free(folder).is_ok_and(|found| found.gigabytes == 0))?;
    Some(format!("there is no room left at {}, which may be why", full.display()))
}

/// What is free in a file system.
struct Free {
    filesystem: String,
    gigabytes: u64,
}

fn free(folder: &Path) -> Result<Free> {
    let told = command::read(Command::new("df").args(["--output=source,avail", "--block-size=1"]).arg(folder))?;
    let mut words = told.lines().last().unwrap_or_default().split_whitespace();
    let (Some(filesystem), Some(Ok(bytes))) = (words.next(), words.next().map(str::parse::<u64>)) else {
        bail!("`df` said of {} what nobody can read: {told}", folder.display());
    };
    Ok(Free { filesystem: filesystem.to_owned(), gigabytes: bytes / 1_000_000_000 })
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
