//! The allocator, and how soon it gives memory back.

use std::{env, os::unix::process::CommandExt, process::Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where mimalloc reads how many milliseconds it keeps what was freed (its documentation, *Environment Options*).
const DELAY: &str = "MIMALLOC_PURGE_DELAY";
/// Its own is 1000: what a large join or a password's hash took stays with the process until something else is freed later, which on a quiet
/// server may be never.
const MS: &str = "10";

/// Begins the program once more with the delay in its environment, unless somebody has set one. mimalloc reads it when a process begins; all
/// other ways to tell it are `unsafe`. The process stays the same to whoever watches it. If that is not possible, all goes on as it is.
pub(crate) fn give_back_soon() {
    if env::var_os(DELAY).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
    // It comes back only with an error.
    let _error = Command::new(program).arg0(name).args(arguments).env(DELAY, MS).exec();
}
