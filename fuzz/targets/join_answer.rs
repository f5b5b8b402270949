//! The check `join_answer` as a target of cargo-fuzz.
#![no_main]

#[path = "../checks/join_answer.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
