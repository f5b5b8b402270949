//! The check `registers` as a target of cargo-fuzz.
#![no_main]

#[path = "../checks/registers.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
