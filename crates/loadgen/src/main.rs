//! Load driver and side-by-side benchmarks for any Matrix server.

fn main() {}
