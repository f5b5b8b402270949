//! Servers that carry calls between people who cannot reach each other.

use super::{Duration, section::section};

section! {
    /// TURN servers, which carry calls between people who cannot reach each other. Give a `secret`, or a `username` and a `password`.
    Turn = "turn" {
        /// Their addresses, such as `turns:turn.example.org?transport=tcp`. Empty: none.
        uris: Vec<String> = Vec::new();
        /// The secret that the TURN server shares with this one (coturn: `static-auth-secret`).
        @secret secret: String = String::new();
        /// The user name of everybody, if there is no secret.
        username: String = String::new();
        /// The password of everybody, if there is no secret.
        @secret password: String = String::new();
        /// How long credentials are good.
        credentials_life: Duration = Duration(86_400_000);
    }
}
