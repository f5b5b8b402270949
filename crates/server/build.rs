//! Has the linker put functions of the same code into the program once, where it can: most of the program is one generic function for one type
//! after another. Whether it can is tried, since the linker is the builder's choice.

use std::{env, fs, path::Path, process::Command};

const FOLD: &str = "link-arg=-Wl,--icf=all";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") && can_fold() {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

fn can_fold() -> bool {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let folder = variable("OUT_DIR");
    let source = Path::new(&folder).join("fold.rs");
    if fs::write(&source, "fn main() {}\n").is_err() {
        return false;
    }
    let mut command = Command::new(variable("RUSTC"));
    command.arg(&source).args(["--target", &variable("TARGET"), "-C", FOLD, "--out-dir", &folder]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        command.args(["-C", &format!("linker={linker}")]);
    }
    command.args(variable("CARGO_ENCODED_RUSTFLAGS").split('\u{1f}').filter(|flag| !flag.is_empty()));
    command.output().is_ok_and(|output| output.status.success())
}
