//! `power-cut-disk BACKING MOUNTPOINT`: mounts a disk that can lose power, and does what standard input says.
//!
//! `cut` forgets what was not synced; `cut SEED` lets some pages of it survive; `unmount`, or the end of the input,
//! unmounts. Each command is answered by one line. `cargo xtask crash` is its user.
#![expect(clippy::print_stdout, reason = "answers are lines on standard output")]

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use domicile_testkit::fuse::{Mounted, Unsynced};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, backing, mountpoint] = arguments.as_slice() else {
        bail!("usage: power-cut-disk BACKING MOUNTPOINT");
    };
    let mounted = Mounted::mount(Path::new(backing), Path::new(mountpoint))?;
    answer("mounted")?;
    for line in std::io::stdin().lines() {
        let line = line.context("reading the next command")?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["cut"] => mounted.cut(Unsynced::Lost)?,
            ["cut", seed] => mounted.cut(Unsynced::Torn(seed.parse().context("the seed is a number")?))?,
            ["unmount"] => break,
            _ => bail!("the commands are `cut`, `cut SEED` and `unmount`, not `{line}`"),
        }
        answer("cut")?;
    }
    mounted.unmount()?;
    answer("unmounted")
}

fn answer(word: &str) -> Result<()> {
    println!("{word}");
    std::io::stdout().flush().context("answering")
}
