//! The check `event_validation` as a target of cargo-fuzz.
#![no_main]

#[path = "../checks/event_validation.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
