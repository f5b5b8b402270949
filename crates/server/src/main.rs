//! The binary: command line, wiring, shutdown.

fn main() {}
