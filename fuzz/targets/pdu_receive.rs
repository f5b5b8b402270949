//! The check `pdu_receive` as a target of cargo-fuzz.
#![no_main]

#[path = "../checks/pdu_receive.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::run(data));
