//! Opening a file that is encrypted to somebody's key, as they would.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use domicile_store::backup::{Identity, unpack};

/// The files in it by name. `secret` is the key as text, `AGE-SECRET-KEY-1…`.
pub fn opened(file: &[u8], secret: &str) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file.tar.age");
    std::fs::write(&path, file).expect("a file");
    unpack(&path, &Identity::parse(secret).expect("a key")).expect("a file for that key")
}
